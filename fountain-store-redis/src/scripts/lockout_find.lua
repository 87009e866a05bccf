-- KEYS: lockouts. ARGV: tenant and digest of each key. Gives the line of each that was counted for.
local answer = {}
for _, place in ipairs(ARGV) do
    local line = call('HGET', KEYS[1], place)
    if line then answer[#answer + 1] = line end
end
return answer
