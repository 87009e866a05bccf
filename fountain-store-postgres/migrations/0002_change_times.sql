-- Fountain's tables in PostgreSQL, version 2: when each change of the feed was made. Nodes of version 1 go on working.

-- The event's `at`. NULL where it was written before this.
ALTER TABLE fountain.changes ADD COLUMN at bigint;

-- As in version 1, and the time; for nodes of version 1 as well, whose calls are the same.
CREATE OR REPLACE FUNCTION fountain.note(
    event_id text, event_tenant text, event text, change_kind text, change_scope text, change_id text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fountain.audit (id, tenant, event) VALUES (event_id, event_tenant, event::json)
    ON CONFLICT (id) DO NOTHING;
    IF change_kind IS NOT NULL THEN
        INSERT INTO fountain.changes (kind, scope, id, at)
        VALUES (change_kind, change_scope, change_id, (event::json ->> 'at')::bigint);
    END IF;
    RETURN true;
END
$$;

-- As changes_since, with the times. That one stays for nodes of version 1: a function's columns cannot be added to, and
-- to drop it would take it from under them.
CREATE FUNCTION fountain.timed_changes_since(behind bigint, most bigint) RETURNS TABLE (
    head bigint, oldest bigint, "position" bigint, kind text, scope text, id text, at bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT heads.place,
           greatest(heads.begun, coalesce((SELECT min(kept.position) FROM fountain.changes AS kept) - 1, heads.place)) + 1,
           change.position, change.kind, change.scope, change.id, change.at
    FROM fountain.heads LEFT JOIN (
        SELECT next.position, next.kind, next.scope, next.id, next.at FROM fountain.changes AS next
        WHERE next.position > behind ORDER BY next.position LIMIT most
    ) AS change ON true
    WHERE heads.feed = 'changes'
    ORDER BY change.position
$$;

UPDATE fountain.schema SET version = 2 WHERE id = 1;
