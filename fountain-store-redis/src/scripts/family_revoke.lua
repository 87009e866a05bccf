-- KEYS from 5: families, revocations, their ends. ARGV from 5: tenant, id, now, until when access tokens are refused.
hashes(KEYS[5], KEYS[6])
sorted_sets(KEYS[7])
local tenant, id, now = ARGV[5], ARGV[6], ARGV[7]
local family = find_family(KEYS[5], id)
if not family or family.tenant ~= tenant then return 'not_found' end
if family.revoked ~= '-' then return 'already_revoked' end
local about = 'family ' .. tenant .. ' ' .. id
local stands = stricter(KEYS[6], about, now, ARGV[8])
commit(about)
end_family(KEYS[5], id, family, now)
add_revocation(KEYS[6], KEYS[7], about, stands)
return 'revoked'
