-- KEYS from 5: factors, by subject, their ends. ARGV from 5: id, line.
hashes(KEYS[5])
sorted_sets(KEYS[6], KEYS[7])
local id, line = ARGV[5], ARGV[6]
if call('HEXISTS', KEYS[5], id) == 1 then return 0 end
local factor = split_factor(line)
record(KEYS[4], ARGV[3], ARGV[4])
call('HSET', KEYS[5], id, line)
call('ZADD', KEYS[6], 0, table.concat({ factor.tenant, factor.subject, factor.created, id }, ' '))
if factor.confirmed == '-' then call('ZADD', KEYS[7], 0, factor.confirm_by .. ' ' .. id) end
return 1
