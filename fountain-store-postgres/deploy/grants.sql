-- What fountain_app and fountain_reader may do. Run as fountain_owner after each migration.

REVOKE ALL ON ALL TABLES IN SCHEMA fountain FROM PUBLIC, fountain_app, fountain_reader;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA fountain FROM PUBLIC, fountain_app, fountain_reader;

GRANT SELECT ON fountain.schema TO fountain_app, fountain_reader;

-- The application.
GRANT SELECT, INSERT, UPDATE, DELETE
    ON fountain.api_keys, fountain.families, fountain.refresh_tokens, fountain.revocations, fountain.lockouts,
       fountain.budgets, fountain.credentials, fountain.factors, fountain.recovery_codes, fountain.challenges
    TO fountain_app;
GRANT SELECT, INSERT, UPDATE
    ON fountain.key_rings, fountain.signing_keys, fountain.subjects, fountain.kept_roles
    TO fountain_app;
GRANT SELECT, INSERT, DELETE ON fountain.subject_roles TO fountain_app;
-- The trail is added to, never changed; the feed is read through its function.
GRANT SELECT, INSERT ON fountain.audit TO fountain_app;
GRANT INSERT ON fountain.changes TO fountain_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA fountain TO fountain_app;

-- Who only verifies: no refresh tokens, no passwords, factors, challenges or locks, no trail. Signing keys are sealed, and opened by whoever has the sealing key.
GRANT SELECT
    ON fountain.api_keys, fountain.key_rings, fountain.signing_keys, fountain.revocations, fountain.subjects,
       fountain.subject_roles
    TO fountain_reader;
GRANT EXECUTE
    ON FUNCTION fountain.place_changes(bigint, bigint), fountain.changes_since(bigint, bigint),
       fountain.timed_changes_since(bigint, bigint)
    TO fountain_reader;
