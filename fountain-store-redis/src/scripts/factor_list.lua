-- KEYS: factors, by subject. ARGV: tenant and subject, behind which entry or nothing, how many.
-- Gives the entry and the line of each factor in turn.
local answer = {}
for _, entry in ipairs(listed(KEYS[2], ARGV[1], ARGV[2] ~= '' and ARGV[2], ARGV[3])) do
    answer[#answer + 1] = entry
    answer[#answer + 1] = call('HGET', KEYS[1], string.match(entry, ' (%w+)$') or '') or ''
end
return answer
