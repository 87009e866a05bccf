-- KEYS from 5: revocations, their ends. ARGV from 5: about what, not before, until.
hashes(KEYS[5])
sorted_sets(KEYS[6])
local stands = stricter(KEYS[5], ARGV[5], ARGV[6], ARGV[7])
if not stands then return 0 end
commit(ARGV[5])
add_revocation(KEYS[5], KEYS[6], ARGV[5], stands)
return 1
