-- KEYS from 5: families, their ends, by subject, refresh_tokens. ARGV from 5: id, line, the first token, until when it is good.
hashes(KEYS[5], KEYS[8])
sorted_sets(KEYS[6], KEYS[7])
local id, first = ARGV[5], ARGV[7]
if call('HEXISTS', KEYS[5], id) == 1 or call('HEXISTS', KEYS[8], first) == 1 then return 0 end
local family = split_family(ARGV[6])
record(KEYS[4], ARGV[3], ARGV[4])
call('HSET', KEYS[5], id, ARGV[6])
call('ZADD', KEYS[6], 0, family.expires .. ' ' .. id)
call('ZADD', KEYS[7], 0, family.tenant .. ' ' .. family.subject .. ' ' .. id)
call('HSET', KEYS[8], first, 'live ' .. id .. ' ' .. earliest(family.expires, ARGV[8]))
return 1
