-- KEYS from 5: subjects, holders. ARGV from 5: tenant, subject, line.
hashes(KEYS[5])
sorted_sets(KEYS[6])
local tenant, name = ARGV[5], ARGV[6]
local about = tenant .. ' ' .. name
if call('HEXISTS', KEYS[5], about) == 1 then return 0 end
local subject = split_subject(ARGV[7])
commit('subject_record ' .. about)
call('HSET', KEYS[5], about, ARGV[7])
list('ZADD', KEYS[6], tenant, name, subject)
return 1
