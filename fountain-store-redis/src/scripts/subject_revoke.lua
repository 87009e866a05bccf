-- KEYS from 5: families, by subject, revocations, their ends. ARGV from 5: tenant, subject, now, until when access tokens
-- are refused. Gives how many families ended.
hashes(KEYS[5], KEYS[7])
sorted_sets(KEYS[6], KEYS[8])
local tenant, owner, now = ARGV[5], ARGV[5] .. ' ' .. ARGV[6], ARGV[7]
local ended = {}
for _, entry in ipairs(listed(KEYS[6], owner, nil, -1)) do
    local id = string.sub(entry, #owner + 2)
    -- A family or revocation that cannot be read lets nobody in, and keeps no other family from ending.
    local readable, family = pcall(find_family, KEYS[5], id)
    if readable and family and family.revoked == '-' and before(now, family.expires) then
        local about = 'family ' .. tenant .. ' ' .. id
        local known, stands = pcall(stricter, KEYS[7], about, now, ARGV[8])
        ended[#ended + 1] = { id = id, family = family, about = about, stands = known and stands or nil }
    end
end
if #ended == 0 then return 0 end
commit('subject ' .. owner)
for _, one in ipairs(ended) do
    end_family(KEYS[5], one.id, one.family, now)
    add_revocation(KEYS[7], KEYS[8], one.about, one.stands)
end
return #ended
