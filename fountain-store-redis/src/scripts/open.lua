-- KEYS: meta. ARGV: the format of this version's records. Gives the format that stands, and what the server says of itself.
local format = call('HGET', KEYS[1], 'format')
if not format then
    format = ARGV[1]
    call('HSET', KEYS[1], 'format', format)
end
return { format, info('server'), info('memory'), info('persistence'), info('replication') }
