-- KEYS: credentials. ARGV: the field of the name, what the field of the subject begins with. Gives the subject and its line.
local subject = call('HGET', KEYS[1], ARGV[1])
if not subject then return {} end
return { subject, call('HGET', KEYS[1], ARGV[2] .. subject) or corrupt('credentials', 'name') }
