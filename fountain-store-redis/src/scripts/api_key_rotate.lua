-- KEYS from 5: api_keys, their pages, their ends, their digests.
-- ARGV from 5: tenant, id, the successor's id, digest and line, superseded_at, now.
hashes(KEYS[5], KEYS[8])
sorted_sets(KEYS[6], KEYS[7])
local tenant, id, successor, digest, line = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local superseded, now = ARGV[10], ARGV[11]
local key = find_key(KEYS[5], id, tenant)
if not key then return { 'not_found' } end
if key.successor ~= '-' then return { 'already_rotated', key.successor } end
if key.revoked ~= '-' or key.disabled ~= '-' or not before(now, key.expires) then return { 'not_active' } end
if is_taken(KEYS[5], KEYS[8], successor, digest) then return { 'already_present' } end
split_key(line)
superseded = earliest(key.expires, superseded)
commit('api_key ' .. id)
replace_key(KEYS[5], KEYS[7], id, key, changed(key, { successor = successor, superseded = superseded }))
add_key(KEYS[5], KEYS[6], KEYS[7], KEYS[8], successor, digest, line)
return { 'rotated', superseded }
