local call = redis.call

-- `what` could not be read in `place`. The words say where, never what stands there.
local function corrupt(place, what)
    error({ err = 'CORRUPT ' .. place .. ' ' .. what })
end

-- A whole number below 2^53, which is what Lua can hold exactly.
local function counter(text, place, what)
    if not string.find(text, '^%d+$') then corrupt(place, what) end
    local number = tonumber(text)
    if number >= 9007199254740992 then corrupt(place, what) end
    return number
end

local function digits(number)
    return string.format('%.0f', number)
end

-- Whether one instant lies before another. They have 19 digits each, more than a number of Lua's holds; and text is
-- compared by the server's locale.
local function before(a, b)
    local high, other = tonumber(string.sub(a, 1, 10)), tonumber(string.sub(b, 1, 10))
    if high ~= other then return high < other end
    return tonumber(string.sub(a, 11)) < tonumber(string.sub(b, 11))
end

local function earliest(a, b)
    if b ~= '-' and before(b, a) then return b end
    return a
end

-- The members of a sorted set that begin with `prefix` and a blank, behind `after` if it is given.
local function listed(key, prefix, after, limit)
    local from = after and '(' .. after or '[' .. prefix .. ' '
    -- What follows a blank is '!'.
    return call('ZRANGEBYLEX', key, from, '(' .. prefix .. '!', 'LIMIT', 0, limit)
end

-- What the server says of itself.
local function info(section)
    local text = redis.pcall('INFO', section)
    if type(text) ~= 'string' then error({ err = 'NOPERM the user of this connection may not run INFO' }) end
    return text
end
