-- What every change ends with: its event in the audit trail and its place in the change feed.
--
-- KEYS: meta, changes, events, the trail of the event's tenant. ARGV: how long the feed is, the channel that wakes
-- readers, the event's id, the event.
--
-- A script that fails half way is not rolled back. So whatever can fail is done before anything is written: every key is
-- read here, or by `hashes` and `sorted_sets`, in a way that fails unless it is of its type.
local META, CHANGES, EVENTS = KEYS[1], KEYS[2], KEYS[3]

local known = call('HMGET', META, 'position', 'sequence')
local position = known[1] and counter(known[1], 'meta', 'position')
local sequence = known[2] and counter(known[2], 'meta', 'sequence') or 0
call('XLEN', CHANGES)
call('SCARD', EVENTS)
call('XLEN', KEYS[4])

local function hashes(...)
    for _, key in ipairs({ ... }) do call('HLEN', key) end
end

local function sorted_sets(...)
    for _, key in ipairs({ ... }) do call('ZCARD', key) end
end

-- Keeps an event, once for each id.
local function record(trail, id, event)
    if call('SISMEMBER', EVENTS, id) == 1 then return end
    local place = digits(sequence + 1)
    call('XADD', trail, place .. '-0', 'event', event)
    call('SADD', EVENTS, id)
    call('HSET', META, 'sequence', place)
    sequence = sequence + 1
end

local function time_of(event)
    return string.match(event, '^{"id":"%w+","at":(-?%d+),') or ''
end

-- Appends a change to the feed. A feed that has not begun, or was lost, begins at the server's time in microseconds: past
-- every place of one that was here before, since nobody makes a million changes a second for long.
--
-- The event's time goes with it as it is written there, behind the id: it has more digits than a number of Lua's holds.
-- Nodes that know no time read the first field, and write no other.
local function announce(change, event)
    if not position then
        local time = call('TIME')
        position = tonumber(time[1]) * 1000000 + tonumber(time[2])
        call('DEL', CHANGES)
    end
    local place = digits(position + 1)
    call('XADD', CHANGES, 'MAXLEN', '~', ARGV[1], place .. '-0', 'change', change, 'at', time_of(event))
    call('HSET', META, 'position', place)
    position = position + 1
    -- Whoever hears it reads sooner. Nothing depends on it, so whether it is permitted does not matter either.
    redis.pcall('PUBLISH', ARGV[2], place)
end

-- The change is announced first: if the trail cannot take the event, caches have forgotten once too often, and nothing
-- else has happened.
local function commit(change, trail, id, event)
    announce(change, event or ARGV[4])
    record(trail or KEYS[4], id or ARGV[3], event or ARGV[4])
end
