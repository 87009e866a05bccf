-- KEYS: families, refresh_tokens. ARGV: tenant, token, now. Gives the family's line and whether the token is good.
local token, family = find_both(KEYS[1], KEYS[2], ARGV[1], ARGV[2])
if not token then return {} end
local good = family.revoked == '-' and token.expires and before(ARGV[3], token.expires) and before(ARGV[3], family.expires)
return { token.family, join_family(family), good and 1 or 0 }
