-- KEYS: credentials. ARGV: the field of the subject.
return call('HGET', KEYS[1], ARGV[1])
