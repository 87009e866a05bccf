-- KEYS from 5: factors, by subject, their ends. ARGV from 5: tenant, subject, id.
hashes(KEYS[5])
sorted_sets(KEYS[6], KEYS[7])
local id = ARGV[7]
local factor = find_factor(KEYS[5], id, ARGV[5], ARGV[6])
if not factor then return 0 end
record(KEYS[4], ARGV[3], ARGV[4])
call('HDEL', KEYS[5], id)
call('ZREM', KEYS[6], table.concat({ factor.tenant, factor.subject, factor.created, id }, ' '))
call('ZREM', KEYS[7], factor.confirm_by .. ' ' .. id)
return 1
