-- A revocation is one line in the table under what it is about: its not-before and its end.
--
-- The not-before and the end that stand once these are added; nothing when it is as strict already.
local function stricter(revocations, about, not_before, expires)
    local line = call('HGET', revocations, about)
    if not line then return { nil, not_before, expires } end
    local standing, ends = string.match(line, '^(%d+) (%d+)$')
    if not standing or #standing ~= 19 or #ends ~= 19 then corrupt('revocations', 'instants') end
    local later, longer = before(standing, not_before), before(ends, expires)
    if not later and not longer then return nil end
    return { ends, later and not_before or standing, longer and expires or ends }
end

local function add_revocation(revocations, ends, about, stands)
    if not stands then return end
    if stands[1] then call('ZREM', ends, stands[1] .. ' ' .. about) end
    call('HSET', revocations, about, stands[2] .. ' ' .. stands[3])
    call('ZADD', ends, 0, stands[3] .. ' ' .. about)
end
