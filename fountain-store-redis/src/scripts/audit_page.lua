-- KEYS: the trail of a tenant. ARGV: behind which place, how many. Gives place and event in turn.
local answer = {}
for _, entry in ipairs(call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
    answer[#answer + 1] = string.match(entry[1], '^(%d+)-0$') or ''
    answer[#answer + 1] = entry[2][2]
end
return answer
