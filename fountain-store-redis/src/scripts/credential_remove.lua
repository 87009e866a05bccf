-- KEYS from 5: credentials. ARGV from 5: the field of the subject, what the field of the name begins with.
hashes(KEYS[5])
local line = call('HGET', KEYS[5], ARGV[5])
if not line then return 0 end
local credential = split_credential(line)
record(KEYS[4], ARGV[3], ARGV[4])
call('HDEL', KEYS[5], ARGV[5], ARGV[6] .. credential.name)
return 1
