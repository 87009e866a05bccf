-- A subject is one line in the table: when it was registered and disabled, its version, and its roles as words. Who is
-- enabled and holds a role is listed in `holders`, by tenant and role.
local function split_subject(line)
    local subject = {}
    subject.created, subject.disabled, subject.version, subject.roles = string.match(line, '^(%d+) (%S+) (%d+)(.*)$')
    if not subject.created then corrupt('subjects', 'record') end
    return subject
end

local function join_subject(subject)
    return subject.created .. ' ' .. subject.disabled .. ' ' .. subject.version .. subject.roles
end

local function holds(subject, role)
    return subject.disabled == '-' and string.find(subject.roles .. ' ', ' ' .. role .. ' ', 1, true) ~= nil
end

-- Lists, or takes off the list, an enabled subject under each of its roles.
local function list(verb, holders, tenant, name, subject)
    if subject.disabled ~= '-' then return end
    for role in string.gmatch(subject.roles, '%S+') do
        local entry = tenant .. ' ' .. role .. ' ' .. name
        if verb == 'ZADD' then call('ZADD', holders, 0, entry) else call('ZREM', holders, entry) end
    end
end

local function has_other_holder(holders, tenant, role, name)
    local prefix = tenant .. ' ' .. role
    for _, entry in ipairs(listed(holders, prefix, nil, 2)) do
        if entry ~= prefix .. ' ' .. name then return true end
    end
    return false
end
