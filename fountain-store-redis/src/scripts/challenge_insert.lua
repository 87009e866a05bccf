-- KEYS from 5: challenges, their ends. ARGV from 5: id, line.
hashes(KEYS[5])
sorted_sets(KEYS[6])
local id, line = ARGV[5], ARGV[6]
if call('HEXISTS', KEYS[5], id) == 1 then return 0 end
local challenge = split_challenge(line)
record(KEYS[4], ARGV[3], ARGV[4])
call('HSET', KEYS[5], id, line)
call('ZADD', KEYS[6], 0, challenge.expires .. ' ' .. id)
return 1
