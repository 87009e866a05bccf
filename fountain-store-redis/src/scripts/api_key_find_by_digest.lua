-- KEYS: api_keys, their digests. ARGV: digest. Gives the id and the line of the key, or nothing.
local id = redis.call('HGET', KEYS[2], ARGV[1])
local line = id and redis.call('HGET', KEYS[1], id)
if not line then return {} end
return { id, line }
