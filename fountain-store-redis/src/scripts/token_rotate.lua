-- The use of a refresh token that is in order: a live token of a living family, from its holder. It is rotated here with as
-- few commands as that takes. Whatever else it may be is for `token_use` to judge: nothing is written then, and the answer
-- is empty.
--
-- KEYS: meta, events, the trail, families, refresh_tokens. ARGV: the event's id and text, tenant, token, client, binding,
-- the successor, until when it is good, its sealed text, now.
--
-- A script is not rolled back. Each key but the trail is read before anything is written, which fails unless it is of its
-- type; the trail is what is written first.
local call = redis.call

local function before(a, b)
    local high, other = tonumber(string.sub(a, 1, 10)), tonumber(string.sub(b, 1, 10))
    if high ~= other then return high < other end
    return tonumber(string.sub(a, 11)) < tonumber(string.sub(b, 11))
end

local presented, successor, until_, now = ARGV[4], ARGV[7], ARGV[8], ARGV[10]
local tokens = call('HMGET', KEYS[5], presented, successor)
local sequence = call('HGET', KEYS[1], 'sequence') or '0'
local known = call('SISMEMBER', KEYS[2], ARGV[1])
if not tokens[1] or tokens[2] or known == 1 then return {} end
local id, expires = string.match(tokens[1], '^live (%w+) (%d+)$')
if not id or #expires ~= 19 or not before(now, expires) then return {} end

local line = call('HGET', KEYS[4], id)
if not line then return {} end
local tenant, client, binding, ends = string.match(line, '^(%S+) %S+ (%S+) (%S+) (%d+) %- %S+ ')
if tenant ~= ARGV[3] or client ~= ARGV[5] or binding ~= ARGV[6] then return {} end
if #ends ~= 19 or not before(now, ends) then return {} end
-- Below 2^53, which is what Lua can hold exactly.
local place = string.find(sequence, '^%d+$') and tonumber(sequence) + 1
if not place or place > 9007199254740992 then return {} end

if before(ends, until_) then until_ = ends end
place = string.format('%.0f', place)
call('XADD', KEYS[3], place .. '-0', 'event', ARGV[2])
call('SADD', KEYS[2], ARGV[1])
call('HSET', KEYS[1], 'sequence', place)
call('HSET', KEYS[5], presented, 'spent ' .. id .. ' ' .. now .. ' ' .. successor, successor, 'live ' .. id .. ' ' .. until_)
call('HSET', KEYS[4], 'sealed ' .. id, ARGV[9])
return { id, line }
