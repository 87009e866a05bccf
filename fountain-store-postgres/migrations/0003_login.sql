-- Fountain's tables in PostgreSQL, version 3: counts and locks, budgets, passwords, second factors and challenges. It adds
-- and changes nothing, so that nodes of the versions before go on working.

-- Whether a bigint is a time, or none: fountain-core knows those of the years -9999 to 9999.
CREATE FUNCTION fountain.is_time(at bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(at BETWEEN -377705023201000000 AND 253402207200000000, true)
$$;

-- What was counted for one key, and the lock that it led to.
CREATE TABLE fountain.lockouts (
    tenant       text COLLATE "C" NOT NULL,
    key          bytea NOT NULL CHECK (octet_length(key) = 32),
    failures     bigint NOT NULL,
    locks        bigint NOT NULL,
    -- The last time that there is: until it is cleared.
    locked_until bigint,
    forget_at    bigint NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX lockouts_by_end ON fountain.lockouts (forget_at);

-- What was taken of one key's budgets: when each was taken, and until when it is kept. One row for a key, so that it can be
-- locked; a budget is at most 1,000.
CREATE TABLE fountain.budgets (
    tenant     text COLLATE "C" NOT NULL,
    key        bytea NOT NULL CHECK (octet_length(key) = 32),
    taken      bigint[] NOT NULL,
    kept_until bigint[] NOT NULL,
    -- When nothing of it is kept any more.
    ends_at    bigint NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX budgets_by_end ON fountain.budgets (ends_at);

CREATE TABLE fountain.credentials (
    tenant     text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    password   text NOT NULL,
    created_at bigint NOT NULL,
    changed_at bigint NOT NULL,
    version    bigint NOT NULL,
    PRIMARY KEY (tenant, subject)
);
CREATE UNIQUE INDEX credentials_by_name ON fountain.credentials (tenant, name);

CREATE TABLE fountain.factors (
    id           text COLLATE "C" PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    kind         text NOT NULL,
    sealed       bytea NOT NULL,
    -- The counter of a HOTP has 64 bits, and bigint only 63.
    mark         numeric(20) NOT NULL,
    created_at   bigint NOT NULL,
    confirmed_at bigint,
    confirm_by   bigint NOT NULL,
    disabled_at  bigint
);
CREATE INDEX factors_by_subject ON fountain.factors (tenant, subject, created_at, id);
CREATE INDEX factors_pending ON fountain.factors (confirm_by) WHERE confirmed_at IS NULL;

-- All that a subject has left, in one row, so that a replacement and a use wait for each other.
CREATE TABLE fountain.recovery_codes (
    tenant  text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    codes   bytea[] NOT NULL,
    PRIMARY KEY (tenant, subject)
);

CREATE TABLE fountain.challenges (
    id              text COLLATE "C" PRIMARY KEY,
    tenant          text COLLATE "C" NOT NULL,
    subject         text NOT NULL,
    purpose         text NOT NULL,
    binding         bytea NOT NULL CHECK (octet_length(binding) = 32),
    context         bytea NOT NULL,
    created_at      bigint NOT NULL,
    expires_at      bigint NOT NULL,
    attempts        bigint NOT NULL,
    attempt_limit   bigint NOT NULL,
    code_factor     text,
    code_digest     bytea CHECK (octet_length(code_digest) = 32),
    code_issued_at  bigint,
    code_expires_at bigint,
    consumed_at     bigint,
    CHECK (num_nonnulls(code_factor, code_digest, code_issued_at, code_expires_at) IN (0, 4))
);
CREATE INDEX challenges_by_end ON fountain.challenges (expires_at);

-- Whether what is judged in a row can be what was stored. Where it cannot, nothing is decided by it.
CREATE FUNCTION fountain.is_sound(held fountain.lockouts) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        held.failures BETWEEN 0 AND 4294967295 AND held.locks BETWEEN 0 AND 4294967295
        AND fountain.is_time(held.locked_until) AND held.forget_at IS NOT NULL AND fountain.is_time(held.forget_at),
        false)
$$;

CREATE FUNCTION fountain.is_sound(held fountain.budgets) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT held.taken IS NOT NULL AND held.kept_until IS NOT NULL AND NOT EXISTS (
        SELECT FROM unnest(held.taken, held.kept_until) AS take (at, kept_until)
        WHERE take.at IS NULL OR take.kept_until IS NULL
           OR NOT fountain.is_time(take.at) OR NOT fountain.is_time(take.kept_until))
$$;

CREATE FUNCTION fountain.is_sound(held fountain.factors) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        held.mark BETWEEN 0 AND 18446744073709551615 AND held.confirm_by IS NOT NULL
        AND fountain.is_time(held.confirm_by) AND fountain.is_time(held.confirmed_at)
        AND fountain.is_time(held.disabled_at),
        false)
$$;

CREATE FUNCTION fountain.is_sound(held fountain.recovery_codes) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(cardinality(held.codes) <= 20, false) AND NOT EXISTS (
        SELECT FROM unnest(held.codes) AS left_over (code) WHERE octet_length(left_over.code) IS DISTINCT FROM 32)
$$;

CREATE FUNCTION fountain.is_sound(held fountain.challenges) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        held.attempts BETWEEN 0 AND 4294967295 AND held.attempt_limit BETWEEN 0 AND 4294967295
        AND held.expires_at IS NOT NULL AND fountain.is_time(held.expires_at) AND fountain.is_time(held.consumed_at)
        AND fountain.is_time(held.code_expires_at),
        false)
$$;

-- Counts an attempt, unless a lock stands. lengths: how long the first lock lasts, the second and so on, the last of them
-- every further one; empty: until it is cleared. The verdict is NULL when what stands cannot be read.
--
-- A function, since what stands may not be there yet when it is looked for, and be there when it is to be added.
CREATE FUNCTION fountain.count_attempt(
    in_tenant text, in_key bytea, at bigint, threshold bigint, lengths bigint[], kept bigint,
    counted_id text, counted_tenant text, counted_event text, locked_id text, locked_tenant text, locked_event text
) RETURNS TABLE (verdict text, failures bigint, until bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    last_time CONSTANT bigint := 253402207200000000;
    standing fountain.lockouts;
    known boolean;
BEGIN
    -- Whoever goes on guessing is told of the lock without waiting for it and without a write.
    SELECT held.* INTO standing FROM fountain.lockouts AS held
    WHERE held.tenant = in_tenant AND held.key = in_key AND fountain.is_sound(held)
      AND at < held.locked_until AND at < held.forget_at;
    IF FOUND THEN
        RETURN QUERY SELECT 'locked', standing.failures, standing.locked_until;
        RETURN;
    END IF;
    LOOP
        SELECT held.* INTO standing FROM fountain.lockouts AS held
        WHERE held.tenant = in_tenant AND held.key = in_key FOR NO KEY UPDATE;
        known := FOUND;
        IF known AND NOT fountain.is_sound(standing) THEN
            RETURN QUERY SELECT NULL, 0::bigint, 0::bigint;
            RETURN;
        END IF;
        IF NOT known OR at >= standing.forget_at THEN
            standing.failures := 0;
            standing.locks := 0;
            standing.locked_until := NULL;
        END IF;
        IF at < standing.locked_until THEN
            RETURN QUERY SELECT 'locked', standing.failures, standing.locked_until;
            RETURN;
        END IF;
        -- A lock that has ended: counting begins anew, and the next lock is longer.
        IF standing.locked_until IS NOT NULL THEN
            standing.failures := 0;
            standing.locked_until := NULL;
        END IF;
        standing.failures := least(standing.failures + 1, 4294967295);
        IF standing.failures >= threshold THEN
            standing.locks := least(standing.locks + 1, 4294967295);
            -- Without a length it is NULL, which least() passes over.
            standing.locked_until :=
                least(at + lengths[least(standing.locks, cardinality(lengths))::integer], last_time);
        END IF;
        standing.forget_at := least(coalesce(standing.locked_until, at) + kept, last_time);
        EXIT WHEN known;
        -- Of two that find nothing one adds; the other waits for it here, and judges anew.
        INSERT INTO fountain.lockouts (tenant, key, failures, locks, locked_until, forget_at)
        VALUES (in_tenant, in_key, standing.failures, standing.locks, standing.locked_until, standing.forget_at)
        ON CONFLICT (tenant, key) DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
    IF known THEN
        UPDATE fountain.lockouts AS held
        SET failures = standing.failures, locks = standing.locks, locked_until = standing.locked_until,
            forget_at = standing.forget_at
        WHERE held.tenant = in_tenant AND held.key = in_key;
    END IF;
    PERFORM fountain.note(counted_id, counted_tenant, counted_event, NULL, NULL, NULL);
    IF standing.locked_until IS NOT NULL THEN
        PERFORM fountain.note(locked_id, locked_tenant, locked_event, NULL, NULL, NULL);
    END IF;
    RETURN QUERY SELECT 'counted', standing.failures, standing.locked_until;
END
$$;

-- The first instant from `now_at` on at which each of these budgets has one left: limits within windows of keys. NULL when
-- what was taken of one of them cannot be read.
CREATE FUNCTION fountain.budgets_free_at(
    in_tenant text, keys bytea[], limits bigint[], windows bigint[], now_at bigint
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN bool_and(judged.sound) THEN max(judged.free_at) END
    FROM (
        SELECT held.key IS NULL OR fountain.is_sound(held) AS sound,
               -- With as many counting as the limit or more, when all but one less than that have stopped to.
               coalesce((
                   SELECT counting.until FROM (
                       SELECT least(take.at + asked.span, 253402207200000000) AS until
                       FROM unnest(held.taken, held.kept_until) AS take (at, kept_until)
                       WHERE now_at < take.kept_until) AS counting
                   WHERE counting.until > now_at
                   ORDER BY counting.until DESC OFFSET asked.most - 1 LIMIT 1), now_at) AS free_at
        FROM unnest(keys, limits, windows) AS asked (key, most, span)
        LEFT JOIN fountain.budgets AS held ON held.tenant = in_tenant AND held.key = asked.key) AS judged
$$;

-- Takes one of each of these budgets, or of none. The verdict is NULL as above.
CREATE FUNCTION fountain.take_budgets(
    in_tenant text, keys bytea[], limits bigint[], windows bigint[], now_at bigint,
    event_id text, event_tenant text, event text
) RETURNS TABLE (verdict text, until bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    one bytea;
    added bytea[] := '{}';
    free_at bigint;
BEGIN
    -- Whoever goes on asking is refused without waiting and without a write.
    free_at := fountain.budgets_free_at(in_tenant, keys, limits, windows, now_at);
    IF free_at = now_at THEN
        -- In one order, so that no two calls wait for each other.
        FOR one IN SELECT DISTINCT asked.key FROM unnest(keys) AS asked (key) ORDER BY asked.key LOOP
            LOOP
                PERFORM FROM fountain.budgets AS held
                WHERE held.tenant = in_tenant AND held.key = one FOR NO KEY UPDATE;
                EXIT WHEN FOUND;
                INSERT INTO fountain.budgets (tenant, key, taken, kept_until, ends_at)
                VALUES (in_tenant, one, '{}', '{}', now_at) ON CONFLICT (tenant, key) DO NOTHING;
                IF FOUND THEN
                    added := array_append(added, one);
                    EXIT;
                END IF;
            END LOOP;
        END LOOP;
        free_at := fountain.budgets_free_at(in_tenant, keys, limits, windows, now_at);
    END IF;
    IF free_at IS DISTINCT FROM now_at THEN
        DELETE FROM fountain.budgets AS held WHERE held.tenant = in_tenant AND held.key = ANY (added);
        RETURN QUERY SELECT CASE WHEN free_at IS NOT NULL THEN 'exhausted' END, free_at;
        RETURN;
    END IF;
    UPDATE fountain.budgets AS held
    SET taken = array_append(ARRAY(
            SELECT take.at FROM unnest(held.taken, held.kept_until) WITH ORDINALITY AS take (at, kept_until, nth)
            WHERE now_at < take.kept_until ORDER BY take.nth), now_at),
        kept_until = array_append(ARRAY(
            SELECT take.kept_until FROM unnest(held.kept_until) WITH ORDINALITY AS take (kept_until, nth)
            WHERE now_at < take.kept_until ORDER BY take.nth), asked.kept_until),
        ends_at = greatest(asked.kept_until, (
            SELECT max(take.kept_until) FROM unnest(held.kept_until) AS take (kept_until)
            WHERE now_at < take.kept_until))
    FROM (
        SELECT each.key, least(now_at + max(each.span), 253402207200000000) AS kept_until
        FROM unnest(keys, windows) AS each (key, span) GROUP BY each.key) AS asked
    WHERE held.tenant = in_tenant AND held.key = asked.key;
    PERFORM fountain.note(event_id, event_tenant, event, NULL, NULL, NULL);
    RETURN QUERY SELECT 'taken', now_at;
END
$$;

UPDATE fountain.schema SET version = 3 WHERE id = 1;
