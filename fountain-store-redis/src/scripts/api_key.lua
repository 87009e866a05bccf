-- An API key is one line in the table: what scripts decide on, as words, and then what never changes, which is its digest
-- and the record as it was inserted.
local function split_key(line)
    local key = {}
    key.tenant, key.created, key.expires, key.disabled, key.revoked, key.superseded, key.successor, key.used, key.record =
        string.match(line, '^(%S+) (%d+) (%d+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
    if not key.tenant or #key.created ~= 19 or #key.expires ~= 19 then corrupt('api_keys', 'record') end
    return key
end

local function join_key(key)
    return table.concat({
        key.tenant, key.created, key.expires, key.disabled, key.revoked, key.superseded, key.successor, key.used, key.record,
    }, ' ')
end

-- From when on a key is of no use any more.
local function key_end(key)
    return earliest(earliest(key.expires, key.superseded), key.revoked)
end

local function find_key(keys, id, tenant)
    local line = call('HGET', keys, id)
    if not line then return nil end
    local key = split_key(line)
    if tenant and key.tenant ~= tenant then return nil end
    return key
end

-- Whether a key has this id, or this digest. A digest that leads to no key is free: a key that could not be read when it was
-- purged leaves its own behind.
local function is_taken(keys, digests, id, digest)
    if call('HEXISTS', keys, id) == 1 then return true end
    local other = call('HGET', digests, digest)
    return other and call('HEXISTS', keys, other) == 1
end

local function add_key(keys, pages, ends, digests, id, digest, line)
    local key = split_key(line)
    call('HSET', keys, id, line)
    call('HSET', digests, digest, id)
    call('ZADD', pages, 0, key.tenant .. ' ' .. key.created .. ' ' .. id)
    call('ZADD', ends, 0, key_end(key) .. ' ' .. id)
end

local function replace_key(keys, ends, id, from, to)
    call('HSET', keys, id, join_key(to))
    local old, new = key_end(from), key_end(to)
    if old ~= new then
        call('ZREM', ends, old .. ' ' .. id)
        call('ZADD', ends, 0, new .. ' ' .. id)
    end
end

local function changed(from, what)
    local to = {}
    for name, value in pairs(from) do to[name] = value end
    for name, value in pairs(what) do to[name] = value end
    return to
end
