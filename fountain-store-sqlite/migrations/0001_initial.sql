-- Fountain's tables in SQLite, version 1. All names begin with fountain_, so that a host may share the file.
--
-- Times are microseconds since 1970-01-01T00:00:00Z. Digests are 32 bytes. Sets and schedules are JSON. STRICT, so
-- that a column holds what it says whoever wrote it.

-- The version of these tables, for a host that runs this SQL with a tool of its own.
CREATE TABLE fountain_schema (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO fountain_schema (id, version) VALUES (1, 1);

CREATE TABLE fountain_api_keys (
    id            TEXT PRIMARY KEY NOT NULL,
    tenant        TEXT NOT NULL,
    owner         TEXT NOT NULL,
    name          TEXT NOT NULL,
    environment   TEXT NOT NULL,
    scopes        TEXT NOT NULL,
    owner_limit   TEXT,
    digest        BLOB NOT NULL,
    created_at    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    not_before    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    disabled_at   INTEGER,
    revoked_at    INTEGER,
    rotation      TEXT,
    predecessor   TEXT,
    successor     TEXT,
    superseded_at INTEGER,
    last_used_at  INTEGER,
    -- From when on the key is of no use any more.
    ends_at       INTEGER NOT NULL GENERATED ALWAYS AS (
        min(expires_at, coalesce(superseded_at, expires_at), coalesce(revoked_at, expires_at))
    ) VIRTUAL
) STRICT, WITHOUT ROWID;
-- A key is verified by its digest, so two cannot share one.
CREATE UNIQUE INDEX fountain_api_keys_by_digest ON fountain_api_keys (digest);
CREATE INDEX fountain_api_keys_by_tenant ON fountain_api_keys (tenant, created_at, id);
CREATE INDEX fountain_api_keys_by_end ON fountain_api_keys (ends_at);

CREATE TABLE fountain_key_rings (
    issuer     TEXT PRIMARY KEY NOT NULL,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fountain_signing_keys (
    issuer        TEXT NOT NULL,
    kid           TEXT NOT NULL,
    algorithm     TEXT NOT NULL,
    state         TEXT NOT NULL,
    public_jwk    TEXT NOT NULL,
    sealed        BLOB NOT NULL,
    published_at  INTEGER NOT NULL,
    activate_from INTEGER NOT NULL,
    activated_at  INTEGER,
    retired_at    INTEGER,
    remove_from   INTEGER,
    ended_at      INTEGER,
    PRIMARY KEY (issuer, kid)
) STRICT;
-- At most one active key for an issuer, whoever writes.
CREATE UNIQUE INDEX fountain_signing_keys_active ON fountain_signing_keys (issuer) WHERE state = 'active';

CREATE TABLE fountain_families (
    id         TEXT PRIMARY KEY NOT NULL,
    tenant     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    client     TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    roles      TEXT NOT NULL,
    binding    BLOB,
    assurance  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX fountain_families_by_subject ON fountain_families (tenant, subject);
CREATE INDEX fountain_families_by_end ON fountain_families (expires_at);

CREATE TABLE fountain_refresh_tokens (
    digest           BLOB PRIMARY KEY NOT NULL,
    family           TEXT NOT NULL REFERENCES fountain_families (id) ON DELETE CASCADE,
    expires_at       INTEGER NOT NULL,
    spent_at         INTEGER,
    successor        BLOB,
    sealed_successor BLOB
) STRICT;
CREATE INDEX fountain_refresh_tokens_by_family ON fountain_refresh_tokens (family);
-- At most one unspent token in a family, whoever writes.
CREATE UNIQUE INDEX fountain_refresh_tokens_unspent ON fountain_refresh_tokens (family) WHERE spent_at IS NULL;

-- kind token: scope is the issuer, id the jti. kind family or subject: scope is the tenant.
CREATE TABLE fountain_revocations (
    kind       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    id         TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (kind, scope, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX fountain_revocations_by_end ON fountain_revocations (expires_at);

CREATE TABLE fountain_subjects (
    tenant      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER,
    version     INTEGER NOT NULL,
    PRIMARY KEY (tenant, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE fountain_subject_roles (
    tenant  TEXT NOT NULL,
    role    TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (tenant, subject, role),
    FOREIGN KEY (tenant, subject) REFERENCES fountain_subjects (tenant, subject) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX fountain_subject_roles_by_role ON fountain_subject_roles (tenant, role, subject);

-- AUTOINCREMENT, so that a place is never given twice, even when a host deletes the newest rows.
CREATE TABLE fountain_audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    tenant   TEXT NOT NULL,
    event    TEXT NOT NULL
) STRICT;
CREATE INDEX fountain_audit_by_tenant ON fountain_audit (tenant, sequence);

CREATE TABLE fountain_changes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    change   TEXT NOT NULL
) STRICT;
