-- KEYS from 4: the trails of the two events; from 6: lockouts, their ends.
-- ARGV from 3: the event of a count, by id and text, and of a lock; from 7: tenant and digest, now, the threshold, when a count
-- without a lock is forgotten; then, for the first lock, the second and so on, its end and when it is forgotten: the last
-- pair is for all that follow.
call('XLEN', KEYS[5])
hashes(KEYS[6])
sorted_sets(KEYS[7])
local place, now, threshold, forget = ARGV[7], ARGV[8], tonumber(ARGV[9]), ARGV[10]
local failures, locks, locked, old = 0, 0, '-', nil
local line = call('HGET', KEYS[6], place)
if line then
    local count = split_count(line)
    old = count.forget
    if before(now, old) then
        failures, locks = counter(count.failures, 'lockouts', 'failures'), counter(count.locks, 'lockouts', 'locks')
        locked = count.locked
    end
end
if locked ~= '-' then
    if before(now, locked) then return { 'locked', locked } end
    failures, locked = 0, '-'
end
failures = failures + 1
if failures >= threshold then
    locks = locks + 1
    local pair = 11 + 2 * (math.min(locks, (#ARGV - 10) / 2) - 1)
    locked, forget = ARGV[pair], ARGV[pair + 1]
end
record(KEYS[4], ARGV[3], ARGV[4])
if locked ~= '-' then record(KEYS[5], ARGV[5], ARGV[6]) end
call('HSET', KEYS[6], place, table.concat({ digits(failures), digits(locks), locked, forget }, ' '))
if old and old ~= forget then call('ZREM', KEYS[7], old .. ' ' .. place) end
call('ZADD', KEYS[7], 0, forget .. ' ' .. place)
return { 'counted', digits(failures), locked }
