-- KEYS: revocations. ARGV: about what. Gives the lines, empty where there is none.
local lines = redis.call('HMGET', KEYS[1], unpack(ARGV))
for at = 1, #ARGV do lines[at] = lines[at] or '' end
return lines
