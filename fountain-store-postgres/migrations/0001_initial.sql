-- Fountain's tables in PostgreSQL, version 1: all of them in the schema fountain, which this makes if it is not there.
--
-- Times are microseconds since 1970-01-01T00:00:00Z. Digests are 32 bytes. What is compared or sorted is compared byte
-- by byte (COLLATE "C"), whatever the database's own collation.

DO $$
BEGIN
    IF to_regnamespace('fountain') IS NULL THEN
        CREATE SCHEMA fountain;
    END IF;
END
$$;

-- The version of these tables, and the oldest version whose nodes may work on them, so that a rolling deployment can
-- have both at once.
CREATE TABLE fountain.schema (
    id          integer PRIMARY KEY CHECK (id = 1),
    version     integer NOT NULL,
    serves_from integer NOT NULL CHECK (serves_from <= version)
);
INSERT INTO fountain.schema (id, version, serves_from) VALUES (1, 1, 1);

CREATE TABLE fountain.api_keys (
    id            text COLLATE "C" PRIMARY KEY,
    tenant        text COLLATE "C" NOT NULL,
    owner         text NOT NULL,
    name          text NOT NULL,
    environment   text NOT NULL,
    scopes        text[] NOT NULL,
    owner_limit   json,
    digest        bytea NOT NULL CHECK (octet_length(digest) = 32),
    created_at    bigint NOT NULL,
    created_by    json NOT NULL,
    not_before    bigint NOT NULL,
    expires_at    bigint NOT NULL,
    disabled_at   bigint,
    revoked_at    bigint,
    rotation      json,
    predecessor   text,
    successor     text,
    superseded_at bigint,
    last_used_at  bigint,
    -- From when on the key is of no use any more.
    ends_at       bigint NOT NULL GENERATED ALWAYS AS (least(expires_at, superseded_at, revoked_at)) STORED
);
-- A key is verified by its digest, so two cannot share one.
CREATE UNIQUE INDEX api_keys_by_digest ON fountain.api_keys (digest);
CREATE INDEX api_keys_by_tenant ON fountain.api_keys (tenant, created_at, id);
CREATE INDEX api_keys_by_end ON fountain.api_keys (ends_at);

CREATE TABLE fountain.key_rings (
    issuer     text COLLATE "C" PRIMARY KEY,
    generation bigint NOT NULL
);

CREATE TABLE fountain.signing_keys (
    issuer        text COLLATE "C" NOT NULL,
    kid           text COLLATE "C" NOT NULL,
    algorithm     text NOT NULL,
    state         text NOT NULL CHECK (state IN ('pending', 'active', 'retired', 'removed', 'revoked')),
    public_jwk    text NOT NULL,
    sealed        bytea NOT NULL,
    published_at  bigint NOT NULL,
    activate_from bigint NOT NULL,
    activated_at  bigint,
    retired_at    bigint,
    remove_from   bigint,
    ended_at      bigint,
    PRIMARY KEY (issuer, kid)
);
-- At most one active key for an issuer, whoever writes.
CREATE UNIQUE INDEX signing_keys_active ON fountain.signing_keys (issuer) WHERE state = 'active';

CREATE TABLE fountain.families (
    id         text COLLATE "C" PRIMARY KEY,
    tenant     text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    client     text NOT NULL,
    scopes     text[] NOT NULL,
    roles      text[] NOT NULL,
    binding    bytea CHECK (octet_length(binding) = 32),
    assurance  json NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint
);
CREATE INDEX families_by_subject ON fountain.families (tenant, subject);
CREATE INDEX families_by_end ON fountain.families (expires_at);

CREATE TABLE fountain.refresh_tokens (
    digest           bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    -- No foreign key: whoever adds a token holds its family's lock, and who removes a family removes its tokens. To
    -- have that looked up again took half of a rotation's time.
    family           text COLLATE "C" NOT NULL,
    expires_at       bigint NOT NULL,
    spent_at         bigint,
    successor        bytea,
    sealed_successor bytea,
    CHECK (spent_at IS NULL OR (successor IS NOT NULL AND sealed_successor IS NOT NULL))
);
CREATE INDEX refresh_tokens_by_family ON fountain.refresh_tokens (family);
-- At most one unspent token in a family, whoever writes.
CREATE UNIQUE INDEX refresh_tokens_unspent ON fountain.refresh_tokens (family) WHERE spent_at IS NULL;

-- kind token: scope is the issuer, id the jti. kind family or subject: scope is the tenant.
CREATE TABLE fountain.revocations (
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('token', 'family', 'subject')),
    scope      text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    not_before bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (kind, scope, id)
);
CREATE INDEX revocations_by_end ON fountain.revocations (expires_at);

CREATE TABLE fountain.subjects (
    tenant      text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL,
    created_at  bigint NOT NULL,
    disabled_at bigint,
    version     bigint NOT NULL,
    PRIMARY KEY (tenant, subject)
);

CREATE TABLE fountain.subject_roles (
    tenant  text COLLATE "C" NOT NULL,
    role    text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, subject, role),
    FOREIGN KEY (tenant, subject) REFERENCES fountain.subjects (tenant, subject) ON DELETE CASCADE
);
CREATE INDEX subject_roles_by_role ON fountain.subject_roles (tenant, role, subject);

-- A row that is changed, and so locked until the commit, by every call that takes a kept role from a holder.
CREATE TABLE fountain.kept_roles (
    tenant text COLLATE "C" NOT NULL,
    role   text COLLATE "C" NOT NULL,
    losses bigint NOT NULL,
    PRIMARY KEY (tenant, role)
);

-- Events and changes arrive without a place. Whoever reads gives a place to what has been committed, in the order of
-- arrival and under the lock of the row in heads: so no place ever becomes visible behind one that was read, there are
-- no holes, and no writer waits for another.
--
-- A server that was restarted, or another that took its place, may have lost the newest changes, and then have made others
-- under the same places. It has another time of start (life) than the one noted, so that the feed goes on behind
-- everything that was ever given: whoever read it before is told of a gap.
CREATE TABLE fountain.heads (
    feed  text PRIMARY KEY CHECK (feed IN ('audit', 'changes')),
    place bigint NOT NULL,
    life  timestamptz,
    -- The place behind which this life began.
    begun bigint NOT NULL DEFAULT 0
);
INSERT INTO fountain.heads (feed, place, life) VALUES ('audit', 0, NULL), ('changes', 0, pg_postmaster_start_time());

CREATE TABLE fountain.audit (
    id       text COLLATE "C" PRIMARY KEY,
    arrival  bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    sequence bigint,
    tenant   text COLLATE "C" NOT NULL,
    event    json NOT NULL
);
CREATE UNIQUE INDEX audit_by_sequence ON fountain.audit (sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_waiting ON fountain.audit (arrival) WHERE sequence IS NULL;
CREATE INDEX audit_by_tenant ON fountain.audit (tenant, sequence) WHERE sequence IS NOT NULL;

-- kind api_key: id is the key's. kind signing_keys: scope is the issuer. kind subject: scope is the tenant.
-- kind revocation.…: as in revocations.
CREATE TABLE fountain.changes (
    arrival  bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint UNIQUE,
    kind     text NOT NULL,
    scope    text NOT NULL,
    id       text NOT NULL
);
CREATE INDEX changes_waiting ON fountain.changes (arrival) WHERE position IS NULL;

-- The trace of a step: its event, once for each event id, and what it changed, unless change_kind is NULL.
CREATE FUNCTION fountain.note(
    event_id text, event_tenant text, event text, change_kind text, change_scope text, change_id text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fountain.audit (id, tenant, event) VALUES (event_id, event_tenant, event::json)
    ON CONFLICT (id) DO NOTHING;
    IF change_kind IS NOT NULL THEN
        INSERT INTO fountain.changes (kind, scope, id) VALUES (change_kind, change_scope, change_id);
    END IF;
    RETURN true;
END
$$;

-- Adds a revocation or makes the one that stands stricter; false when it is as strict already.
CREATE FUNCTION fountain.add_revocation(
    new_kind text, new_scope text, new_id text, new_not_before bigint, new_expires_at bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fountain.revocations AS standing (kind, scope, id, not_before, expires_at)
    VALUES (new_kind, new_scope, new_id, new_not_before, new_expires_at)
    ON CONFLICT (kind, scope, id) DO UPDATE
    SET not_before = greatest(standing.not_before, excluded.not_before),
        expires_at = greatest(standing.expires_at, excluded.expires_at)
    WHERE standing.not_before < excluded.not_before OR standing.expires_at < excluded.expires_at;
    RETURN FOUND;
END
$$;

-- One use of a refresh token. A function, since the verdict has to be of the rows as they are once the family is
-- locked: each statement in here sees what was committed before it began, while one statement outside would see what
-- was committed before it began to wait.
CREATE FUNCTION fountain.use_token(
    in_tenant text, presented bytea, in_client text, in_binding bytea,
    next_digest bytea, next_expires_at bigint, next_sealed bytea,
    at bigint, grace bigint, revoke_until bigint,
    rotated_id text, rotated_tenant text, rotated_event text, reuse_id text, reuse_tenant text, reuse_event text
) RETURNS TABLE (
    verdict text, sealed bytea, id text, tenant text, subject text, client text, scopes text[], roles text[],
    binding bytea, assurance text, created_at bigint, expires_at bigint, revoked_at bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    of_family fountain.families;
    token fountain.refresh_tokens;
    same_holder boolean;
    ruling text;
    standing bytea;
    ended bigint;
BEGIN
    SELECT family.* INTO of_family
    FROM fountain.refresh_tokens AS held JOIN fountain.families AS family ON family.id = held.family
    WHERE held.digest = presented AND family.tenant = in_tenant
    FOR NO KEY UPDATE OF family;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO STRICT token FROM fountain.refresh_tokens AS held WHERE held.digest = presented;

    same_holder := of_family.client = in_client AND of_family.binding IS NOT DISTINCT FROM in_binding;
    ended := of_family.revoked_at;
    IF ended IS NOT NULL THEN
        ruling := 'revoked';
    ELSIF token.spent_at IS NOT NULL THEN
        IF grace > 0 AND at <= token.spent_at + grace AND same_holder AND EXISTS (
            SELECT FROM fountain.refresh_tokens AS next
            WHERE next.digest = token.successor AND next.spent_at IS NULL AND at < next.expires_at
        ) THEN
            ruling := 'repeated';
            standing := token.sealed_successor;
        ELSE
            ruling := 'reused';
            ended := at;
            UPDATE fountain.families AS family SET revoked_at = at WHERE family.id = of_family.id;
            PERFORM fountain.add_revocation('family', of_family.tenant, of_family.id, at, revoke_until);
            PERFORM fountain.note(
                reuse_id, reuse_tenant, reuse_event, 'revocation.family', of_family.tenant, of_family.id);
        END IF;
    ELSIF at >= token.expires_at OR at >= of_family.expires_at THEN
        ruling := 'expired';
    ELSIF NOT same_holder THEN
        ruling := 'mismatched';
    ELSIF EXISTS (SELECT FROM fountain.refresh_tokens AS other WHERE other.digest = next_digest) THEN
        ruling := 'conflict';
    ELSE
        ruling := 'rotated';
        UPDATE fountain.refresh_tokens AS held
        SET spent_at = at, successor = next_digest, sealed_successor = next_sealed
        WHERE held.digest = presented;
        INSERT INTO fountain.refresh_tokens (digest, family, expires_at)
        VALUES (next_digest, of_family.id, least(next_expires_at, of_family.expires_at));
        PERFORM fountain.note(rotated_id, rotated_tenant, rotated_event, NULL, NULL, NULL);
    END IF;
    RETURN QUERY SELECT
        ruling, standing, of_family.id, of_family.tenant, of_family.subject, of_family.client, of_family.scopes,
        of_family.roles, of_family.binding, of_family.assurance::text, of_family.created_at, of_family.expires_at,
        ended;
END
$$;

-- Removes at most `most` families that ended before an instant, with their tokens; gives their number. A family that
-- somebody uses at this moment is left for the next time; a token that was added before the lock was given is seen.
CREATE FUNCTION fountain.purge_families(before bigint, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    ended text[];
BEGIN
    ended := ARRAY(
        SELECT family.id FROM fountain.families AS family WHERE family.expires_at < before
        ORDER BY family.expires_at LIMIT most FOR UPDATE SKIP LOCKED);
    DELETE FROM fountain.refresh_tokens AS held WHERE held.family = ANY (ended);
    DELETE FROM fountain.families AS family WHERE family.id = ANY (ended);
    RETURN cardinality(ended);
END
$$;

-- One step of an issuer's state machine. A function for the same reason as above.
CREATE FUNCTION fountain.apply_transition(
    in_issuer text, expected bigint, step text, in_kid text, at bigint, until bigint,
    new_kid text, new_algorithm text, new_state text, new_public_jwk text, new_sealed bytea, new_published_at bigint,
    new_activate_from bigint, new_activated_at bigint, new_retired_at bigint, new_remove_from bigint,
    new_ended_at bigint,
    event_id text, event_tenant text, event text
) RETURNS TABLE (verdict text, value bigint) LANGUAGE plpgsql AS $$
DECLARE
    standing bigint;
    found_key fountain.signing_keys;
    adds boolean := false;
BEGIN
    SELECT ring.generation INTO standing FROM fountain.key_rings AS ring WHERE ring.issuer = in_issuer FOR UPDATE;
    IF NOT FOUND AND expected = 0 THEN
        INSERT INTO fountain.key_rings (issuer, generation) VALUES (in_issuer, 0) ON CONFLICT (issuer) DO NOTHING;
        SELECT ring.generation INTO standing FROM fountain.key_rings AS ring WHERE ring.issuer = in_issuer FOR UPDATE;
    END IF;
    standing := coalesce(standing, 0);
    IF standing <> expected THEN
        RETURN QUERY SELECT 'moved', standing;
        RETURN;
    END IF;

    IF step = 'publish' THEN
        adds := true;
        IF new_state <> 'pending' THEN
            RETURN QUERY SELECT 'not_applicable', 0::bigint;
            RETURN;
        END IF;
    ELSE
        SELECT * INTO found_key FROM fountain.signing_keys AS key WHERE key.issuer = in_issuer AND key.kid = in_kid;
        IF NOT FOUND OR NOT (
            step = 'activate' AND found_key.state = 'pending'
            OR step = 'remove' AND found_key.state = 'retired'
            OR step = 'revoke' AND found_key.state IN ('pending', 'active', 'retired')
        ) THEN
            RETURN QUERY SELECT 'not_applicable', 0::bigint;
            RETURN;
        END IF;
        IF step = 'activate' AND at < found_key.activate_from THEN
            RETURN QUERY SELECT 'too_early', found_key.activate_from;
            RETURN;
        END IF;
        -- A retired key without a date is never removed.
        IF step = 'remove' AND (found_key.remove_from IS NULL OR at < found_key.remove_from) THEN
            RETURN QUERY SELECT 'too_early', found_key.remove_from;
            RETURN;
        END IF;
        adds := step = 'revoke' AND new_kid IS NOT NULL AND found_key.state = 'active';
        IF adds AND new_state <> 'active' THEN
            RETURN QUERY SELECT 'not_applicable', 0::bigint;
            RETURN;
        END IF;
    END IF;
    IF adds AND EXISTS (
        SELECT FROM fountain.signing_keys AS key WHERE key.issuer = in_issuer AND key.kid = new_kid
    ) THEN
        RETURN QUERY SELECT 'not_applicable', 0::bigint;
        RETURN;
    END IF;

    IF step = 'activate' THEN
        UPDATE fountain.signing_keys AS key SET state = 'retired', retired_at = at, remove_from = until
        WHERE key.issuer = in_issuer AND key.state = 'active';
        UPDATE fountain.signing_keys AS key SET state = 'active', activated_at = at
        WHERE key.issuer = in_issuer AND key.kid = in_kid;
    ELSIF step IN ('remove', 'revoke') THEN
        UPDATE fountain.signing_keys AS key
        SET state = CASE step WHEN 'remove' THEN 'removed' ELSE 'revoked' END, ended_at = at, sealed = ''
        WHERE key.issuer = in_issuer AND key.kid = in_kid;
    END IF;
    IF adds THEN
        INSERT INTO fountain.signing_keys (
            issuer, kid, algorithm, state, public_jwk, sealed, published_at, activate_from, activated_at, retired_at,
            remove_from, ended_at)
        VALUES (
            in_issuer, new_kid, new_algorithm, new_state, new_public_jwk, new_sealed, new_published_at,
            new_activate_from, new_activated_at, new_retired_at, new_remove_from, new_ended_at);
    END IF;
    UPDATE fountain.key_rings AS ring SET generation = standing + 1 WHERE ring.issuer = in_issuer;
    PERFORM fountain.note(event_id, event_tenant, event, 'signing_keys', in_issuer, '');
    RETURN QUERY SELECT 'applied', standing + 1;
END
$$;

-- Changes a subject. new_roles NULL: they stay. disabling NULL: it stays as it is, true: disabled at `at`, false: enabled.
CREATE FUNCTION fountain.change_subject(
    in_tenant text, in_subject text, new_roles text[], disabling boolean, at bigint, keep text,
    event_id text, event_tenant text, event text
) RETURNS TABLE (verdict text, created_at bigint, disabled_at bigint, version bigint, roles text[])
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    current fountain.subjects;
    held text[];
    becomes text[];
    ends bigint;
    verdict text := 'unchanged';
BEGIN
    SELECT * INTO current FROM fountain.subjects AS found
    WHERE found.tenant = in_tenant AND found.subject = in_subject FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    held := ARRAY(
        SELECT given.role FROM fountain.subject_roles AS given
        WHERE given.tenant = in_tenant AND given.subject = in_subject ORDER BY given.role);
    becomes := ARRAY(SELECT DISTINCT asked.role FROM unnest(coalesce(new_roles, held)) AS asked (role) ORDER BY 1);
    ends := CASE disabling
        WHEN true THEN coalesce(current.disabled_at, at) WHEN false THEN NULL ELSE current.disabled_at END;

    IF becomes IS DISTINCT FROM held OR ends IS DISTINCT FROM current.disabled_at THEN
        verdict := 'changed';
        IF keep = ANY (held) AND current.disabled_at IS NULL
            AND NOT coalesce(keep = ANY (becomes) AND ends IS NULL, false)
        THEN
            -- Held until the commit: of two calls that take a kept role away, the second judges after the first.
            INSERT INTO fountain.kept_roles AS kept (tenant, role, losses) VALUES (in_tenant, keep, 1)
            ON CONFLICT (tenant, role) DO UPDATE SET losses = kept.losses + 1;
            IF NOT EXISTS (
                SELECT FROM fountain.subject_roles AS given
                JOIN fountain.subjects AS holder ON holder.tenant = given.tenant AND holder.subject = given.subject
                WHERE given.tenant = in_tenant AND given.role = keep AND given.subject <> in_subject
                  AND holder.disabled_at IS NULL
            ) THEN
                verdict := 'last_holder';
            END IF;
        END IF;
    END IF;
    IF verdict = 'changed' THEN
        current.version := current.version + 1;
        current.disabled_at := ends;
        UPDATE fountain.subjects AS found SET disabled_at = ends, version = current.version
        WHERE found.tenant = in_tenant AND found.subject = in_subject;
        DELETE FROM fountain.subject_roles AS given
        WHERE given.tenant = in_tenant AND given.subject = in_subject AND given.role <> ALL (becomes);
        INSERT INTO fountain.subject_roles (tenant, subject, role)
        SELECT in_tenant, in_subject, asked.role FROM unnest(becomes) AS asked (role)
        WHERE asked.role <> ALL (held);
        PERFORM fountain.note(event_id, event_tenant, event, 'subject', in_tenant, in_subject);
        held := becomes;
    END IF;
    RETURN QUERY SELECT verdict, current.created_at, current.disabled_at, current.version, held;
END
$$;

-- Gives places to at most `most` events that wait for one; gives their number. Runs with its owner's rights, so that
-- nobody else needs the right to change the trail.
CREATE FUNCTION fountain.place_events(most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last bigint;
    placed bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM fountain.audit WHERE sequence IS NULL) THEN
        RETURN 0;
    END IF;
    SELECT place INTO STRICT last FROM fountain.heads WHERE feed = 'audit' FOR UPDATE;
    -- Begins after the lock was given, and so sees what whoever had it before has done.
    UPDATE fountain.audit AS event SET sequence = last + waiting.nth
    FROM (
        SELECT first.id, row_number() OVER (ORDER BY first.arrival) AS nth
        FROM (SELECT id, arrival FROM fountain.audit WHERE sequence IS NULL ORDER BY arrival LIMIT most) AS first
    ) AS waiting
    WHERE event.id = waiting.id;
    GET DIAGNOSTICS placed = ROW_COUNT;
    UPDATE fountain.heads SET place = last + placed WHERE feed = 'audit';
    RETURN placed;
END
$$;

-- Gives places to at most `most` changes that wait for one and drops what is further back than `kept`.
CREATE FUNCTION fountain.place_changes(most bigint, kept bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last bigint;
    placed bigint;
BEGIN
    -- A standby is told apart by whoever looks; it can give no places.
    IF pg_is_in_recovery() THEN
        RETURN 0;
    END IF;
    -- Of two that notice a new life the second finds it noted: its condition is judged anew once it has the row. The time
    -- in microseconds is past every place of a feed that was here before, since nobody makes a million changes a second
    -- for long.
    UPDATE fountain.heads AS head
    SET life = pg_postmaster_start_time(), place = next.place, begun = next.place
    FROM (SELECT greatest(old.place + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS place
          FROM fountain.heads AS old WHERE old.feed = 'changes') AS next
    WHERE head.feed = 'changes' AND head.life IS DISTINCT FROM pg_postmaster_start_time();
    IF NOT EXISTS (SELECT FROM fountain.changes WHERE position IS NULL) THEN
        RETURN 0;
    END IF;
    SELECT place INTO STRICT last FROM fountain.heads WHERE feed = 'changes' FOR UPDATE;
    UPDATE fountain.changes AS change SET position = last + waiting.nth
    FROM (
        SELECT first.arrival, row_number() OVER (ORDER BY first.arrival) AS nth
        FROM (SELECT arrival FROM fountain.changes WHERE position IS NULL ORDER BY arrival LIMIT most) AS first
    ) AS waiting
    WHERE change.arrival = waiting.arrival;
    GET DIAGNOSTICS placed = ROW_COUNT;
    UPDATE fountain.heads SET place = last + placed WHERE feed = 'changes';
    -- Twice as many as came, so that a feed that was longer shrinks and no call pays for a long cut.
    DELETE FROM fountain.changes WHERE arrival IN (
        SELECT arrival FROM fountain.changes WHERE position <= last + placed - kept
        ORDER BY position LIMIT 2 * placed + 100);
    RETURN placed;
END
$$;

-- The feed behind a position, with its bounds, as of one moment. The left join gives the bounds even when no change
-- follows.
CREATE FUNCTION fountain.changes_since(behind bigint, most bigint) RETURNS TABLE (
    head bigint, oldest bigint, "position" bigint, kind text, scope text, id text
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT heads.place,
           greatest(heads.begun, coalesce((SELECT min(kept.position) FROM fountain.changes AS kept) - 1, heads.place)) + 1,
           change.position, change.kind, change.scope, change.id
    FROM fountain.heads LEFT JOIN (
        SELECT next.position, next.kind, next.scope, next.id FROM fountain.changes AS next
        WHERE next.position > behind ORDER BY next.position LIMIT most
    ) AS change ON true
    WHERE heads.feed = 'changes'
    ORDER BY change.position
$$;
