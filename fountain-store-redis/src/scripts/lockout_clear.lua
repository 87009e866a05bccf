-- KEYS from 5: lockouts, their ends. ARGV from 5: tenant and digest of each key.
hashes(KEYS[5])
sorted_sets(KEYS[6])
local places, ends = {}, {}
for at = 5, #ARGV do
    local line = call('HGET', KEYS[5], ARGV[at])
    if line then
        places[#places + 1] = ARGV[at]
        -- One that cannot be read must be cleared as well, or nobody could unlock; its entry in the ends stays, and leads nowhere.
        local forget = string.match(line, ' (%d+)$')
        if forget then ends[#ends + 1] = forget .. ' ' .. ARGV[at] end
    end
end
if #places == 0 then return 0 end
record(KEYS[4], ARGV[3], ARGV[4])
call('HDEL', KEYS[5], unpack(places))
if #ends > 0 then call('ZREM', KEYS[6], unpack(ends)) end
return 1
