-- KEYS: subjects. ARGV: tenant and subject.
return call('HGET', KEYS[1], ARGV[1])
