-- KEYS from 5: recovery_codes. ARGV from 5: tenant and subject, the digest. Gives how many are left, or nothing.
hashes(KEYS[5])
local left, found = {}, false
local line = call('HGET', KEYS[5], ARGV[5])
if line then
    for digest in string.gmatch(line, '%S+') do
        if #digest ~= 43 then corrupt('recovery_codes', 'digest') end
        if digest == ARGV[6] then found = true else left[#left + 1] = digest end
    end
end
if not found then
    -- This very call was carried out and its answer lost.
    if call('SISMEMBER', EVENTS, ARGV[3]) == 1 then return #left end
    return false
end
record(KEYS[4], ARGV[3], ARGV[4])
if #left == 0 then call('HDEL', KEYS[5], ARGV[5]) else call('HSET', KEYS[5], ARGV[5], table.concat(left, ' ')) end
return #left
