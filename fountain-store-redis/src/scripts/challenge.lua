-- A challenge is one line in the table: what scripts decide on, and then what never changes. The code that was sent last is
-- four words of it: its factor, its digest, when it was issued and until when it is good.
local function split_challenge(line)
    local challenge = {}
    challenge.tenant, challenge.expires, challenge.attempts, challenge.limit, challenge.consumed, challenge.factor,
        challenge.digest, challenge.issued, challenge.good_until, challenge.record =
        string.match(line, '^(%S+) (%d+) (%d+) (%d+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
    if not challenge.tenant or #challenge.expires ~= 19 then corrupt('challenges', 'record') end
    if challenge.digest ~= '-' and not (string.find(challenge.good_until, '^%d+$') and #challenge.good_until == 19) then
        corrupt('challenges', 'code')
    end
    return challenge
end

local function join_challenge(challenge)
    return table.concat({
        challenge.tenant, challenge.expires, challenge.attempts, challenge.limit, challenge.consumed, challenge.factor,
        challenge.digest, challenge.issued, challenge.good_until, challenge.record,
    }, ' ')
end
