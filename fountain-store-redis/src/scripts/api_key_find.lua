-- KEYS: api_keys. ARGV: id.
return call('HGET', KEYS[1], ARGV[1])
