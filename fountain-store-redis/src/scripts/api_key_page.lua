-- KEYS: api_keys, their pages. ARGV: tenant, behind which (its entry in the pages, or nothing), how many and one more.
-- Gives the entry and the line of each key in turn; one that is gone has an empty line.
local entries = listed(KEYS[2], ARGV[1], ARGV[2] ~= '' and ARGV[2], ARGV[3])
local answer = {}
if #entries == 0 then return answer end
local ids = {}
for at, entry in ipairs(entries) do ids[at] = string.match(entry, ' (%w+)$') or '' end
local lines = call('HMGET', KEYS[1], unpack(ids))
for at, entry in ipairs(entries) do
    answer[2 * at - 1] = entry
    answer[2 * at] = lines[at] or ''
end
return answer
