-- A credential is one line under `subject`, its tenant and its subject; under `name`, its tenant and its name, stands the
-- subject. Both are in one table, told apart by the first word of the field.
local function split_credential(line)
    local credential = {}
    credential.version, credential.created, credential.changed, credential.name, credential.password =
        string.match(line, '^(%d+) (%d+) (%d+) (%S+) (%S+)$')
    if not credential.version then corrupt('credentials', 'record') end
    return credential
end
