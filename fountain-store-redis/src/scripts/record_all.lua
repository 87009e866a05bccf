-- KEYS from 5: the trails of the other tenants.
-- ARGV from 5: of each event behind the first, which of KEYS its trail is, its id, and itself.
for at = 5, #KEYS do call('XLEN', KEYS[at]) end
record(KEYS[4], ARGV[3], ARGV[4])
for at = 5, #ARGV, 3 do record(KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2]) end
return 1
