-- KEYS from 5: api_keys, their ends. ARGV from 5: tenant, id, what (revoke, disable or enable), now.
hashes(KEYS[5])
sorted_sets(KEYS[6])
local id, what, now = ARGV[6], ARGV[7], ARGV[8]
local key = find_key(KEYS[5], id, ARGV[5])
if not key then return 'not_found' end
if key.revoked ~= '-' then return 'unchanged' end
local to
if what == 'revoke' then
    to = { revoked = now }
elseif what == 'disable' and key.disabled == '-' then
    to = { disabled = now }
elseif what == 'enable' and key.disabled ~= '-' then
    to = { disabled = '-' }
else
    return 'unchanged'
end
commit('api_key ' .. id)
replace_key(KEYS[5], KEYS[6], id, key, changed(key, to))
return 'changed'
