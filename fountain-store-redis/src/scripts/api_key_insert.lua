-- KEYS from 5: api_keys, their pages, their ends, their digests. ARGV from 5: id, digest, line.
hashes(KEYS[5], KEYS[8])
sorted_sets(KEYS[6], KEYS[7])
local id, digest, line = ARGV[5], ARGV[6], ARGV[7]
if is_taken(KEYS[5], KEYS[8], id, digest) then return 0 end
split_key(line)
commit('api_key ' .. id)
add_key(KEYS[5], KEYS[6], KEYS[7], KEYS[8], id, digest, line)
return 1
