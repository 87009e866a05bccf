-- KEYS from 5: credentials. ARGV from 5: the field of the name, that of the subject, the subject, the line.
hashes(KEYS[5])
local name, subject, line = ARGV[5], ARGV[6], ARGV[8]
if call('HEXISTS', KEYS[5], name) == 1 or call('HEXISTS', KEYS[5], subject) == 1 then return 0 end
split_credential(line)
record(KEYS[4], ARGV[3], ARGV[4])
call('HSET', KEYS[5], name, ARGV[7])
call('HSET', KEYS[5], subject, line)
return 1
