-- Three log-ins, each with what it needs and no more. Run once in the database that Fountain is to use, as a superuser
-- or as the database's owner with CREATEROLE, before the first migration. It may be run again.
--
--   fountain_owner   owns the schema and migrates it; nothing else connects as this
--   fountain_app     the application: reads and changes records, adds to the audit trail, cannot change the trail or
--                    a table
--   fountain_reader  a service that only verifies: reads what verification needs, nothing else
--
-- They have no password yet: ALTER ROLE fountain_app PASSWORD '…', or your own way to log in.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['fountain_owner', 'fountain_app', 'fountain_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION', name);
        END IF;
    END LOOP;
END
$$;

-- What a call that was given up leaves behind ends by itself: see the README. These hold behind a pooler, too.
ALTER ROLE fountain_app SET statement_timeout = '2s';
ALTER ROLE fountain_app SET lock_timeout = '1s';
ALTER ROLE fountain_app SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE fountain_reader SET statement_timeout = '2s';
ALTER ROLE fountain_reader SET lock_timeout = '1s';
ALTER ROLE fountain_reader SET idle_in_transaction_session_timeout = '10s';

CREATE SCHEMA IF NOT EXISTS fountain AUTHORIZATION fountain_owner;
REVOKE ALL ON SCHEMA fountain FROM PUBLIC;
GRANT USAGE ON SCHEMA fountain TO fountain_app, fountain_reader;
