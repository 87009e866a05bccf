-- KEYS: signing_keys. ARGV: issuer.
return call('HGET', KEYS[1], ARGV[1])
