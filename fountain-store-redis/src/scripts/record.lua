record(KEYS[4], ARGV[3], ARGV[4])
return 1
