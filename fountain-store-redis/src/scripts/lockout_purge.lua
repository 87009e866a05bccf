-- KEYS: lockouts, their ends, budgets, their ends. ARGV: before which instant, how many.
-- Budgets are removed behind other writes, so what holds them must be looked at first (F-36).
call('HLEN', KEYS[3])
call('ZCARD', KEYS[4])
local left = tonumber(ARGV[2])
for at = 1, 3, 2 do
    local ended = left > 0 and call('ZRANGEBYLEX', KEYS[at + 1], '-', '(' .. ARGV[1], 'LIMIT', 0, left) or {}
    for _, entry in ipairs(ended) do
        call('HDEL', KEYS[at], string.sub(entry, 21))
        call('ZREM', KEYS[at + 1], entry)
    end
    left = left - #ended
end
return tonumber(ARGV[2]) - left
