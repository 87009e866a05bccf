-- Fountain's tables in SQLite, version 3: passwords, second factors, challenges, locks and budgets.
--
-- It asks nothing of the version before it but the table of versions.

CREATE TABLE fountain_credentials (
    tenant     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    name       TEXT NOT NULL,
    password   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (tenant, subject)
) STRICT, WITHOUT ROWID;
-- A name is one subject's.
CREATE UNIQUE INDEX fountain_credentials_by_name ON fountain_credentials (tenant, name);

CREATE TABLE fountain_factors (
    id           TEXT PRIMARY KEY NOT NULL,
    tenant       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    sealed       BLOB NOT NULL,
    -- Unsigned, of 64 bits: one past 2^63 - 1 is written as the negative number of the same bits.
    mark         INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    confirmed_at INTEGER,
    confirm_by   INTEGER NOT NULL,
    disabled_at  INTEGER
) STRICT;
CREATE INDEX fountain_factors_by_subject ON fountain_factors (tenant, subject, created_at, id);
CREATE INDEX fountain_factors_pending ON fountain_factors (confirm_by) WHERE confirmed_at IS NULL;

-- A row for each code that is left.
CREATE TABLE fountain_recovery_codes (
    tenant  TEXT NOT NULL,
    subject TEXT NOT NULL,
    digest  BLOB NOT NULL,
    PRIMARY KEY (tenant, subject, digest)
) STRICT, WITHOUT ROWID;

-- The four columns of a code are NULL together.
CREATE TABLE fountain_challenges (
    id              TEXT PRIMARY KEY NOT NULL,
    tenant          TEXT NOT NULL,
    subject         TEXT NOT NULL,
    purpose         TEXT NOT NULL,
    binding         BLOB NOT NULL,
    context         BLOB NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    attempt_limit   INTEGER NOT NULL,
    code_factor     TEXT,
    code_digest     BLOB,
    code_issued_at  INTEGER,
    code_expires_at INTEGER,
    consumed_at     INTEGER
) STRICT;
CREATE INDEX fountain_challenges_by_end ON fountain_challenges (expires_at);

CREATE TABLE fountain_lockouts (
    tenant       TEXT NOT NULL,
    key          BLOB NOT NULL,
    failures     INTEGER NOT NULL,
    locks        INTEGER NOT NULL,
    locked_until INTEGER,
    forget_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX fountain_lockouts_by_end ON fountain_lockouts (forget_at);

-- What was taken of a key's budgets: a JSON array of pairs, when it was and until when it is kept.
CREATE TABLE fountain_budgets (
    tenant  TEXT NOT NULL,
    key     BLOB NOT NULL,
    takes   TEXT NOT NULL,
    -- The latest end of them.
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT;
CREATE INDEX fountain_budgets_by_end ON fountain_budgets (ends_at);

UPDATE fountain_schema SET version = 3 WHERE id = 1;
