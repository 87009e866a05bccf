-- KEYS: factors, by subject, the ends of those that are pending. ARGV: before which instant, how many.
-- What is listed by subject is removed behind other writes, so it must be looked at first (F-36).
call('ZCARD', KEYS[2])
local ended = call('ZRANGEBYLEX', KEYS[3], '-', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
local removed = 0
for _, entry in ipairs(ended) do
    local id = string.sub(entry, 21)
    -- A line that cannot be read stays, and its subject's list with it: without it the subject would seem to need no factor.
    local tenant, subject, created = string.match(call('HGET', KEYS[1], id) or '', '^(%S+) (%S+) %S+ %d+ (%d+) ')
    if tenant then
        call('ZREM', KEYS[2], table.concat({ tenant, subject, created, id }, ' '))
        call('HDEL', KEYS[1], id)
        removed = removed + 1
    end
    call('ZREM', KEYS[3], entry)
end
return removed
