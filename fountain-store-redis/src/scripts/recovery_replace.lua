-- KEYS from 5: recovery_codes. ARGV from 5: tenant and subject, the digests as words, or nothing.
hashes(KEYS[5])
record(KEYS[4], ARGV[3], ARGV[4])
if ARGV[6] == '' then call('HDEL', KEYS[5], ARGV[5]) else call('HSET', KEYS[5], ARGV[5], ARGV[6]) end
return 1
