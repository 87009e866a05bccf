-- KEYS: families, their ends, by subject, refresh_tokens. ARGV: before which instant, how many, after how many tokens to
-- stop: a family may have thousands, and everybody waits. Gives how many families went.
local ended = call('ZRANGEBYLEX', KEYS[2], '-', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
local families, tokens = 0, 0
for _, entry in ipairs(ended) do
    if tokens >= tonumber(ARGV[3]) then break end
    local id = string.sub(entry, 21)
    -- What cannot be read goes as well; its entry under the subject stays, and leads nowhere.
    local tenant, subject, first = string.match(call('HGET', KEYS[1], id) or '', '^(%S+) (%S+) %S+ %S+ %d+ %S+ (%S+) ')
    if tenant then call('ZREM', KEYS[3], tenant .. ' ' .. subject .. ' ' .. id) end
    while first do
        local owner, successor = string.match(call('HGET', KEYS[4], first) or '', '^%w+ (%w+) %d+ ?(%S*)$')
        if owner ~= id then break end
        call('HDEL', KEYS[4], first)
        tokens = tokens + 1
        first = successor ~= '' and successor or nil
    end
    call('HDEL', KEYS[1], id, 'sealed ' .. id)
    call('ZREM', KEYS[2], entry)
    families = families + 1
end
return families
