-- KEYS: api_keys, their pages, their ends. ARGV: before which instant, how many.
local ended = call('ZRANGEBYLEX', KEYS[3], '-', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, entry in ipairs(ended) do
    local id = string.match(entry, ' (%w+)$') or ''
    -- A line that cannot be read goes as well; its entry in the pages stays, and leads nowhere.
    local tenant, created = string.match(call('HGET', KEYS[1], id) or '', '^(%S+) (%d+) ')
    if tenant then call('ZREM', KEYS[2], tenant .. ' ' .. created .. ' ' .. id) end
    call('HDEL', KEYS[1], id)
    call('ZREM', KEYS[3], entry)
end
return #ended
