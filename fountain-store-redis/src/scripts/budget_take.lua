-- What was taken of a key's budgets is one line under its tenant and digest: for each that was taken, when, and until when it
-- is kept.
--
-- KEYS from 5: budgets, their ends. ARGV from 5: now, how many keys; for each key its tenant and digest, and until when one
-- that is taken now is kept; and then for each budget the place of its key among those, the limit, and the instant behind
-- which one must have been taken to count. Gives `taken`, or `exhausted` and what was taken of each key.
hashes(KEYS[5])
sorted_sets(KEYS[6])
local now, count = ARGV[5], tonumber(ARGV[6])
local keys = {}
for at = 1, count do
    local key = { place = ARGV[5 + 2 * at], kept = ARGV[6 + 2 * at], taken = {}, words = {} }
    key.line = call('HGET', KEYS[5], key.place) or ''
    local left = string.gsub(key.line, '(%d+) (%d+) ?', function(taken, kept)
        if #taken ~= 19 or #kept ~= 19 then return nil end
        if not key.last or before(key.last, kept) then key.last = kept end
        if before(now, kept) then
            key.taken[#key.taken + 1] = taken
            key.words[#key.words + 1] = taken .. ' ' .. kept
        end
        return ''
    end)
    if left ~= '' then corrupt('budgets', 'record') end
    keys[at] = key
end
for at = 7 + 2 * count, #ARGV, 3 do
    local key, limit, since = keys[tonumber(ARGV[at])], tonumber(ARGV[at + 1]), ARGV[at + 2]
    local counting = 0
    for _, taken in ipairs(key.taken) do
        if before(since, taken) then counting = counting + 1 end
    end
    if counting >= limit then
        local answer = { 'exhausted' }
        for place, key in ipairs(keys) do answer[place + 1] = table.concat(key.taken, ' ') end
        return answer
    end
end
record(KEYS[4], ARGV[3], ARGV[4])
for _, key in ipairs(keys) do
    key.words[#key.words + 1] = now .. ' ' .. key.kept
    call('HSET', KEYS[5], key.place, table.concat(key.words, ' '))
    local last = key.kept
    for _, words in ipairs(key.words) do
        local kept = string.sub(words, 21)
        if before(last, kept) then last = kept end
    end
    if key.last and key.last ~= last then call('ZREM', KEYS[6], key.last .. ' ' .. key.place) end
    call('ZADD', KEYS[6], 0, last .. ' ' .. key.place)
end
return { 'taken' }
