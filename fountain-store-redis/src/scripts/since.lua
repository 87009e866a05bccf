-- ARGV: a cursor, how many changes. Gives the head, whether there is a gap, and of each change its place, itself and its
-- time, which is empty where a version wrote it that kept none.
local at = head()
local cursor, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = at + 1
local first = call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if first then oldest = counter(string.match(first[1], '^(%d+)-0$') or '', 'changes', 'position') end
local answer = { digits(at), 0 }
if cursor > at or cursor + 1 < oldest then
    answer[2] = 1
    return answer
end
for _, entry in ipairs(call('XRANGE', KEYS[2], '(' .. digits(cursor) .. '-0', '+', 'COUNT', limit)) do
    answer[#answer + 1] = string.match(entry[1], '^(%d+)-0$') or ''
    answer[#answer + 1] = entry[2][2]
    answer[#answer + 1] = entry[2][4] or ''
end
return answer
