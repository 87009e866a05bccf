-- KEYS: api_keys, their pages, their ends, their digests. ARGV: before which instant, how many.
-- A digest is removed behind other writes, so what holds them must be looked at first (F-36).
call('HLEN', KEYS[4])
local ended = call('ZRANGEBYLEX', KEYS[3], '-', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, entry in ipairs(ended) do
    local id = string.match(entry, ' (%w+)$') or ''
    -- A line that cannot be read goes as well; its entries in the pages and the digests stay, and lead nowhere.
    local tenant, created, digest = string.match(
        call('HGET', KEYS[1], id) or '', '^(%S+) (%d+) %S+ %S+ %S+ %S+ %S+ %S+ (%S+) ')
    if tenant then
        call('ZREM', KEYS[2], tenant .. ' ' .. created .. ' ' .. id)
        call('HDEL', KEYS[4], digest)
    end
    call('HDEL', KEYS[1], id)
    call('ZREM', KEYS[3], entry)
end
return #ended
