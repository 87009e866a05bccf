-- KEYS: api_keys. ARGV: id and instant in turn. A key that cannot be read keeps no other from being noted.
for at = 1, #ARGV, 2 do
    local line = call('HGET', KEYS[1], ARGV[at])
    local head, used, record = string.match(line or '', '^(%S+ %S+ %S+ %S+ %S+ %S+ %S+) (%S+) (.*)$')
    if head and (used == '-' or before(used, ARGV[at + 1])) then
        call('HSET', KEYS[1], ARGV[at], head .. ' ' .. ARGV[at + 1] .. ' ' .. record)
    end
end
return 1
