-- KEYS: factors, by subject, the ends of those that are pending. ARGV: before which instant, how many.
-- What is listed by subject is removed behind other writes, so it must be looked at first (F-36).
call('ZCARD', KEYS[2])
local ended = call('ZRANGEBYLEX', KEYS[3], '-', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, entry in ipairs(ended) do
    local id = string.sub(entry, 21)
    -- A line that cannot be read goes as well; its entry under the subject stays, and leads nowhere.
    local tenant, subject, created = string.match(call('HGET', KEYS[1], id) or '', '^(%S+) (%S+) %S+ %d+ (%d+) ')
    if tenant then call('ZREM', KEYS[2], table.concat({ tenant, subject, created, id }, ' ')) end
    call('HDEL', KEYS[1], id)
    call('ZREM', KEYS[3], entry)
end
return #ended
