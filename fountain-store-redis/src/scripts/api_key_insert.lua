-- KEYS from 5: api_keys, their pages, their ends. ARGV from 5: id, line.
hashes(KEYS[5])
sorted_sets(KEYS[6], KEYS[7])
if call('HEXISTS', KEYS[5], ARGV[5]) == 1 then return 0 end
split_key(ARGV[6])
commit('api_key ' .. ARGV[5])
add_key(KEYS[5], KEYS[6], KEYS[7], ARGV[5], ARGV[6])
return 1
