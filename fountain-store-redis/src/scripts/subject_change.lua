-- KEYS from 5: subjects, holders.
-- ARGV from 5: tenant, subject, the role to keep or nothing, what (assign, disable or enable), its argument.
hashes(KEYS[5])
sorted_sets(KEYS[6])
local tenant, name, keep, what, given = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local about = tenant .. ' ' .. name
local line = call('HGET', KEYS[5], about)
if not line then return { 'not_found' } end
local from = split_subject(line)
local to = { created = from.created, disabled = from.disabled, version = from.version, roles = from.roles }
if what == 'assign' then
    to.roles = given
elseif what == 'enable' then
    to.disabled = '-'
elseif to.disabled == '-' then
    to.disabled = given
end
if to.roles == from.roles and to.disabled == from.disabled then return { 'unchanged', line } end
if keep ~= '' and holds(from, keep) and not holds(to, keep) and not has_other_holder(KEYS[6], tenant, keep, name) then
    return { 'last_holder' }
end
to.version = digits(counter(from.version, 'subjects', 'version') + 1)
commit('subject_record ' .. about)
list('ZREM', KEYS[6], tenant, name, from)
list('ZADD', KEYS[6], tenant, name, to)
call('HSET', KEYS[5], about, join_subject(to))
return { 'changed', join_subject(to) }
