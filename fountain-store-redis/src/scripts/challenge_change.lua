-- KEYS from 5: challenges. ARGV from 5: tenant, id, now, what (count, put_code or consume); from 9 the code that was sent, as
-- its four words, or the digest of the one that answers, or nothing.
hashes(KEYS[5])
local tenant, id, now, what = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local line = call('HGET', KEYS[5], id)
local challenge = line and split_challenge(line)
if not challenge or challenge.tenant ~= tenant then return { 'not_found' } end
if challenge.consumed ~= '-' then
    -- This very call was carried out and its answer lost.
    if what == 'consume' and challenge.consumed == now and call('SISMEMBER', EVENTS, ARGV[3]) == 1 then
        return { 'done', line }
    end
    return { 'consumed' }
end
if not before(now, challenge.expires) then return { 'expired' } end
if what == 'consume' then
    local code = ARGV[9]
    if code ~= '' and (challenge.digest ~= code or not before(now, challenge.good_until)) then return { 'superseded' } end
    challenge.consumed = now
else
    local attempts = counter(challenge.attempts, 'challenges', 'attempts')
    if attempts >= counter(challenge.limit, 'challenges', 'attempt_limit') then return { 'exhausted' } end
    if what == 'count' then
        challenge.attempts = digits(attempts + 1)
    else
        challenge.factor, challenge.digest, challenge.issued, challenge.good_until =
            ARGV[9], ARGV[10], ARGV[11], ARGV[12]
    end
end
record(KEYS[4], ARGV[3], ARGV[4])
line = join_challenge(challenge)
call('HSET', KEYS[5], id, line)
return { 'done', line }
