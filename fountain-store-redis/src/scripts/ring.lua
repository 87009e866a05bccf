-- KEYS: signing_keys. ARGV: issuer.
return redis.call('HGET', KEYS[1], ARGV[1])
