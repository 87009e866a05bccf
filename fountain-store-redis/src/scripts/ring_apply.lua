-- KEYS from 5: signing_keys. ARGV from 5: issuer, expected generation, the line of the ring that follows.
-- The transition was judged on the ring of exactly this generation, so comparing the generation is comparing the ring.
hashes(KEYS[5])
local line = call('HGET', KEYS[5], ARGV[5])
local generation = '0'
if line then generation = string.match(line, '^(%d+) ') or corrupt('signing_keys', 'generation') end
if generation ~= ARGV[6] then return generation end
commit('signing_keys ' .. ARGV[5])
call('HSET', KEYS[5], ARGV[5], ARGV[7])
return 'applied'
