-- KEYS: api_keys. ARGV: id.
return redis.call('HGET', KEYS[1], ARGV[1])
