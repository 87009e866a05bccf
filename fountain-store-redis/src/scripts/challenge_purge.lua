-- KEYS: challenges, their ends. ARGV: before which instant, how many.
local ended = call('ZRANGEBYLEX', KEYS[2], '-', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, entry in ipairs(ended) do
    call('HDEL', KEYS[1], string.sub(entry, 21))
    call('ZREM', KEYS[2], entry)
end
return #ended
