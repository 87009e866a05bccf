-- KEYS: factors. ARGV: id.
return call('HGET', KEYS[1], ARGV[1])
