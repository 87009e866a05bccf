-- A factor is one line in the table. It is listed under its subject, and, as long as it is pending, by its end. A mark has 20
-- digits, and compares as an instant does.
local function split_factor(line)
    local factor = {}
    factor.tenant, factor.subject, factor.kind, factor.mark, factor.created, factor.confirmed, factor.confirm_by,
        factor.disabled, factor.sealed =
        string.match(line, '^(%S+) (%S+) (%S+) (%d+) (%d+) (%S+) (%d+) (%S+) (%S+)$')
    if not factor.tenant or #factor.mark ~= 20 or #factor.created ~= 19 or #factor.confirm_by ~= 19 then
        corrupt('factors', 'record')
    end
    return factor
end

local function join_factor(factor)
    return table.concat({
        factor.tenant, factor.subject, factor.kind, factor.mark, factor.created, factor.confirmed, factor.confirm_by,
        factor.disabled, factor.sealed,
    }, ' ')
end

-- The factor of this subject in this tenant.
local function find_factor(factors, id, tenant, subject)
    local line = call('HGET', factors, id)
    if not line then return nil end
    local factor = split_factor(line)
    if factor.tenant ~= tenant or factor.subject ~= subject then return nil end
    return factor
end
