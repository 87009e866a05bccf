-- KEYS: recovery_codes. ARGV: tenant and subject.
local count = 0
for digest in string.gmatch(call('HGET', KEYS[1], ARGV[1]) or '', '%S+') do
    if #digest ~= 43 then corrupt('recovery_codes', 'digest') end
    count = count + 1
end
return count
