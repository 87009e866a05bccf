-- KEYS from 5: credentials. ARGV from 5: the field of the subject, the version that was read, the next one, when, the hash.
hashes(KEYS[5])
local subject, version, next = ARGV[5], ARGV[6], ARGV[7]
local line = call('HGET', KEYS[5], subject)
if not line then return 'not_found' end
local credential = split_credential(line)
local to = table.concat({ next, credential.created, ARGV[8], credential.name, ARGV[9] }, ' ')
-- This very call was carried out and its answer lost.
if line == to and call('SISMEMBER', EVENTS, ARGV[3]) == 1 then return 'replaced' end
if credential.version ~= version then return 'stale' end
record(KEYS[4], ARGV[3], ARGV[4])
call('HSET', KEYS[5], subject, to)
return 'replaced'
