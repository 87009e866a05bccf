-- KEYS from 4: the trails of the two events; from 6: families, refresh_tokens, revocations, their ends.
-- ARGV from 3: the event of a rotation, by id and text, and of a reuse; from 7: tenant, token, client, binding, the
-- successor, until when it is good, its sealed text, now, since when a use is inside the grace (nothing without one),
-- until when access tokens are refused.
call('XLEN', KEYS[5])
hashes(KEYS[6], KEYS[7], KEYS[8])
sorted_sets(KEYS[9])
local tenant, presented, client, binding = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local successor, until_, sealed, now, grace, refused = ARGV[11], ARGV[12], ARGV[13], ARGV[14], ARGV[15], ARGV[16]

local token, family = find_both(KEYS[6], KEYS[7], tenant, presented)
if not token then return { 'unknown' } end
local function answer(outcome, more)
    return { outcome, token.family, join_family(family), more }
end
if family.revoked ~= '-' then return { 'revoked' } end
local same_holder = family.client == client and family.binding == binding
if token.spent then
    -- This very call was carried out and its answer lost: a client of a cluster sends it again by itself. Without a grace
    -- that would look like a thief.
    if token.successor == successor and call('SISMEMBER', EVENTS, ARGV[3]) == 1 then return answer('rotated') end
    local next = find_token(KEYS[7], token.successor)
    local live = next and next.expires and before(now, next.expires)
    local in_grace = grace ~= '' and not before(token.spent, grace)
    if in_grace and live and same_holder then
        local text = call('HGET', KEYS[6], 'sealed ' .. token.family) or corrupt('families', 'sealed')
        return answer('repeated', text)
    end
    local about = 'family ' .. tenant .. ' ' .. token.family
    local stands = stricter(KEYS[8], about, now, refused)
    commit(about, KEYS[5], ARGV[5], ARGV[6])
    end_family(KEYS[6], token.family, family, now)
    add_revocation(KEYS[8], KEYS[9], about, stands)
    return answer('reused')
end
if not before(now, token.expires) or not before(now, family.expires) then return { 'expired' } end
if not same_holder then return { 'mismatched' } end
if call('HEXISTS', KEYS[7], successor) == 1 then return redis.error_reply('CONFLICT the successor exists') end
record(KEYS[4], ARGV[3], ARGV[4])
call('HSET', KEYS[7], presented, 'spent ' .. token.family .. ' ' .. now .. ' ' .. successor)
call('HSET', KEYS[7], successor, 'live ' .. token.family .. ' ' .. earliest(family.expires, until_))
call('HSET', KEYS[6], 'sealed ' .. token.family, sealed)
return answer('rotated')
