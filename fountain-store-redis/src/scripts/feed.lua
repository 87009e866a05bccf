-- KEYS: meta, changes. Gives the feed's head, having made sure that it is of this life of the server.
--
-- A server that was restarted, or another that took its place, may have lost the newest changes, and then have made others
-- under the same numbers. It has another run id than the one noted, so that a new feed begins behind everything that was
-- ever given: every reader of the old one is told of a gap.
local function head()
    local known = call('HMGET', KEYS[1], 'position', 'run')
    local run = string.match(info('server'), 'run_id:(%w+)')
    if not run then error({ err = 'ERR the server does not tell its run_id' }) end
    local position = known[1] and counter(known[1], 'meta', 'position')
    if position and known[2] == run then return position end
    local time = call('TIME')
    local begin = tonumber(time[1]) * 1000000 + tonumber(time[2])
    if position and begin <= position then begin = position + 1 end
    call('DEL', KEYS[2])
    call('HSET', KEYS[1], 'position', digits(begin), 'run', run)
    return begin
end
