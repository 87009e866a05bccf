-- KEYS from 5: factors, their ends. ARGV from 5: tenant, subject, id, what (confirm, take or disable), the mark, now.
hashes(KEYS[5])
sorted_sets(KEYS[6])
local id, what, mark, now = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local factor = find_factor(KEYS[5], id, ARGV[5], ARGV[6])
if not factor then return 'not_found' end
-- This very call was carried out and its answer lost.
local function is_done()
    return call('SISMEMBER', EVENTS, ARGV[3]) == 1
end
if factor.disabled ~= '-' then
    return what == 'disable' and factor.disabled == now and is_done() and 'done' or 'disabled'
end
if what == 'disable' then
    factor.disabled = now
elseif what == 'confirm' then
    if factor.confirmed ~= '-' then
        return factor.confirmed == now and factor.mark == mark and is_done() and 'done' or 'already_confirmed'
    end
    if not before(now, factor.confirm_by) then return 'expired' end
    factor.confirmed, factor.mark = now, mark
else
    if factor.confirmed == '-' then return 'pending' end
    if not before(factor.mark, mark) then return factor.mark == mark and is_done() and 'done' or 'spent' end
    factor.mark = mark
end
record(KEYS[4], ARGV[3], ARGV[4])
call('HSET', KEYS[5], id, join_factor(factor))
if what == 'confirm' then call('ZREM', KEYS[6], factor.confirm_by .. ' ' .. id) end
return 'done'
