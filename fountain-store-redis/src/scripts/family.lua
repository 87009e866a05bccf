-- A family is one line in the table, and beside it, under `sealed` and its id, the sealed text of its live token, for who
-- comes with the parent again. A refresh token is a line `live <family> <until>` or `spent <family> <when> <successor>`
-- under its digest: the tokens of a family are a chain from the first to the live one.
local function split_family(line)
    local family = {}
    family.tenant, family.subject, family.client, family.binding, family.expires, family.revoked, family.first, family.record =
        string.match(line, '^(%S+) (%S+) (%S+) (%S+) (%d+) (%S+) (%S+) (.*)$')
    if not family.tenant or #family.expires ~= 19 then corrupt('families', 'record') end
    return family
end

local function join_family(family)
    return table.concat({
        family.tenant, family.subject, family.client, family.binding, family.expires, family.revoked, family.first,
        family.record,
    }, ' ')
end

local function find_family(families, id)
    local line = call('HGET', families, id)
    return line and split_family(line)
end

local function find_token(tokens, digest)
    local line = call('HGET', tokens, digest)
    if not line then return nil end
    local id, expires = string.match(line, '^live (%w+) (%d+)$')
    if id and #expires == 19 then return { family = id, expires = expires } end
    local family, at, successor = string.match(line, '^spent (%w+) (%d+) (%S+)$')
    if family and #at == 19 then return { family = family, spent = at, successor = successor } end
    corrupt('refresh_tokens', 'record')
end

-- A token with its family, if that is in the tenant.
local function find_both(families, tokens, tenant, digest)
    local token = find_token(tokens, digest)
    if not token then return nil end
    local family = find_family(families, token.family) or corrupt('families', 'record')
    if family.tenant ~= tenant then return nil end
    return token, family
end

local function end_family(families, id, family, now)
    if family.revoked == '-' then family.revoked = now end
    call('HSET', families, id, join_family(family))
end
