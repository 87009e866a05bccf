-- What was counted for a key is one line under its tenant and digest: failures, locks, the end of the lock that was begun
-- last, and when all of it is forgotten.
local function split_count(line)
    local count = {}
    count.failures, count.locks, count.locked, count.forget = string.match(line, '^(%d+) (%d+) (%S+) (%d+)$')
    if not count.failures or #count.forget ~= 19 then corrupt('lockouts', 'record') end
    if count.locked ~= '-' and not (string.find(count.locked, '^%d+$') and #count.locked == 19) then
        corrupt('lockouts', 'locked_until')
    end
    return count
end
