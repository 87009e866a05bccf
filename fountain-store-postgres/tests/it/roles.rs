//! `deploy/`: each role can do its own and nothing more.

use std::time::Duration;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::access::SubjectStore;
use fountain_core::api_key::KeyStore;
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::{ChangeCursor, ChangeFeed, RevocationKey};
use fountain_core::lockout::{BudgetOutcome, IssueBudget, LockoutRules, LockoutStore};
use fountain_core::login::{CredentialStore, ReplaceOutcome};
use fountain_core::otp::{ChallengeOutcome, ChallengeStore, FactorOutcome, FactorStore};
use fountain_core::signing::{KeyTransition, SigningKeyStore};
use fountain_core::token::{RefreshTokenStore, RevocationQuery, RevocationStore};
use fountain_core::{StoreErrorKind, Tenant, Timestamp};
use fountain_store_postgres::PostgresStore;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use crate::server::{Database, run};

const ROLES: &str = include_str!("../../deploy/roles.sql");
const GRANTS: &str = include_str!("../../deploy/grants.sql");

/// A session that is this role from its first statement on.
fn as_role(database: &Database, role: &str) -> PgConnectOptions {
    database.options().options([("role", role)])
}

async fn deployed() -> Database {
    let database = Database::empty().await;
    run(&mut database.beside().await, ROLES).await;
    let owner = as_role(&database, "fountain_owner");
    PostgresStore::migrate(&owner).await.unwrap();
    run(&mut owner.connect().await.unwrap(), GRANTS).await;
    database
}

async fn store(database: &Database, role: &str) -> PostgresStore {
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .connect_lazy_with(as_role(database, role));
    PostgresStore::builder(pool)
        .migrate(false)
        .build()
        .await
        .unwrap()
}

async fn session(database: &Database, role: &str) -> PgConnection {
    as_role(database, role).connect().await.unwrap()
}

async fn refused(connection: &mut PgConnection, statements: &[&str]) {
    for statement in statements {
        let error = connection.execute(AssertSqlSafe(*statement)).await.err();
        let code = error
            .as_ref()
            .and_then(sqlx::Error::as_database_error)
            .and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error:?}");
    }
}

/// Every kind of call that an application makes.
async fn use_everything(store: &PostgresStore, fixtures: &Fixtures) {
    let tenant = Tenant::default();
    let event = |action| fixtures.event(&tenant, action);
    let key = fixtures.api_key(&tenant);
    KeyStore::insert(store, key.clone(), event(AuditAction::ApiKeyIssued))
        .await
        .unwrap();
    let successor = fixtures.successor_of(&key);
    let rotated = event(AuditAction::ApiKeyRotated);
    store
        .rotate(&tenant, &key.id, successor, NOW, NOW, rotated)
        .await
        .unwrap();
    let revoked = event(AuditAction::ApiKeyRevoked);
    KeyStore::revoke(store, &tenant, &key.id, NOW, revoked)
        .await
        .unwrap();
    store.record_use(&[(key.id.clone(), NOW)]).await.unwrap();
    KeyStore::page(store, &tenant, None, 10).await.unwrap();
    assert!(KeyStore::purge(store, Timestamp::MAX, 10).await.unwrap() > 0);

    let issuer = fixtures.issuer();
    let publish = KeyTransition::Publish(fixtures.signing_key(&issuer));
    let published = event(AuditAction::SigningKeyPublished);
    store
        .apply(&issuer, 0, publish, NOW, published)
        .await
        .unwrap();
    assert_eq!(store.ring(&issuer).await.unwrap().keys.len(), 1);

    let family = fixtures.family(&tenant);
    let first = fixtures.refresh_token();
    let attempt = fixtures.use_of(&family, first.digest);
    let begun = event(AuditAction::TokenIssued);
    RefreshTokenStore::insert(store, family.clone(), first, begun)
        .await
        .unwrap();
    store.use_token(attempt).await.unwrap();
    let ended = event(AuditAction::TokenRevoked);
    store
        .revoke_family(&tenant, &family.id, NOW, NOW, ended)
        .await
        .unwrap();
    assert!(
        RefreshTokenStore::purge(store, Timestamp::MAX, 10)
            .await
            .unwrap()
            > 0
    );
    assert!(
        RevocationStore::purge(store, Timestamp::MAX, 10)
            .await
            .unwrap()
            > 0
    );

    let subject = fixtures.subject_record(&tenant, &["admin"]);
    let id = subject.subject.clone();
    SubjectStore::insert(store, subject, event(AuditAction::SubjectRegistered))
        .await
        .unwrap();
    let roles = ["clerk".to_owned()].into();
    let assigned = event(AuditAction::SubjectRolesAssigned);
    store
        .assign(&tenant, &id, roles, Some("admin"), assigned)
        .await
        .unwrap();

    store
        .record(event(AuditAction::Authenticated))
        .await
        .unwrap();
    let batch = vec![
        event(AuditAction::Authenticated),
        event(AuditAction::Authorized),
    ];
    store.record_all(batch).await.unwrap();
    assert!(
        !AuditStore::page(store, &tenant, None, 100)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(
        !store
            .since(ChangeCursor(0), 100)
            .await
            .unwrap()
            .changes
            .is_empty()
    );
}

/// Every kind of call that signing in makes.
async fn sign_in(store: &PostgresStore, fixtures: &Fixtures) {
    let tenant = Tenant::default();
    let event = |action| fixtures.event(&tenant, action);
    let credential = fixtures.credential(&tenant);
    let subject = credential.subject.clone();
    let registered = event(AuditAction::CredentialRegistered);
    assert!(
        CredentialStore::insert(store, credential.clone(), registered)
            .await
            .unwrap()
    );
    let (hash, changed) = (
        fixtures.password_hash(),
        event(AuditAction::PasswordChanged),
    );
    let replaced = store
        .replace(&tenant, &subject, 1, hash, NOW, changed)
        .await;
    assert_eq!(replaced.unwrap(), ReplaceOutcome::Replaced);
    let found = CredentialStore::find(store, &tenant, &credential.name).await;
    assert!(found.unwrap().is_some());
    let removed = event(AuditAction::CredentialRemoved);
    let removed = CredentialStore::remove(store, &tenant, &subject, removed).await;
    assert!(removed.unwrap());

    let (factor, pending) = (fixtures.factor(&tenant), fixtures.factor(&tenant));
    let (subject, id) = (factor.subject.clone(), factor.id.clone());
    for factor in [factor, pending] {
        let enrolled = event(AuditAction::FactorEnrolled);
        assert!(FactorStore::insert(store, factor, enrolled).await.unwrap());
    }
    let confirmed = event(AuditAction::FactorConfirmed);
    let confirmed = store
        .confirm(&tenant, &subject, &id, 1, NOW, confirmed)
        .await;
    assert_eq!(confirmed.unwrap(), FactorOutcome::Done);
    let used = event(AuditAction::FactorUsed);
    let used = FactorStore::take(store, &tenant, &subject, &id, 2, used).await;
    assert_eq!(used.unwrap(), FactorOutcome::Done);
    let disabled = event(AuditAction::FactorDisabled);
    let disabled = FactorStore::disable(store, &tenant, &subject, &id, NOW, disabled).await;
    assert_eq!(disabled.unwrap(), FactorOutcome::Done);
    assert_eq!(store.list(&tenant, &subject).await.unwrap().len(), 1);
    let removed = event(AuditAction::FactorRemoved);
    let removed = FactorStore::remove(store, &tenant, &subject, &id, removed).await;
    assert!(removed.unwrap());
    let purged = FactorStore::purge(store, Timestamp::MAX, 10).await;
    assert_eq!(purged.unwrap(), 1);
    let codes = [fixtures.digest(), fixtures.digest()];
    for codes in [codes.as_slice(), &[], &codes] {
        let replaced = event(AuditAction::RecoveryCodesReplaced);
        store
            .replace_recovery_codes(&tenant, &subject, codes, replaced)
            .await
            .unwrap();
    }
    let used = event(AuditAction::RecoveryCodeUsed);
    let left = store
        .take_recovery_code(&tenant, &subject, &codes[0], used)
        .await;
    assert_eq!(left.unwrap(), Some(1));
    assert_eq!(store.recovery_codes(&tenant, &subject).await.unwrap(), 1);

    let challenge = fixtures.challenge(&tenant);
    let id = challenge.id.clone();
    let issued = event(AuditAction::ChallengeIssued);
    assert!(
        ChallengeStore::insert(store, challenge, issued)
            .await
            .unwrap()
    );
    let code = fixtures.pending_code();
    let digest = code.digest;
    let sent = event(AuditAction::CodeIssued);
    let sent = store.put_code(&tenant, &id, code, NOW, sent).await.unwrap();
    assert!(matches!(sent, ChallengeOutcome::Done(_)));
    let counted = event(AuditAction::ChallengeAttempted);
    let counted = store.count(&tenant, &id, NOW, counted).await.unwrap();
    assert!(matches!(counted, ChallengeOutcome::Done(_)));
    let answered = event(AuditAction::ChallengeAnswered);
    let answered = store
        .consume(&tenant, &id, Some(&digest), NOW, answered)
        .await
        .unwrap();
    assert!(matches!(answered, ChallengeOutcome::Done(_)));
    let purged = ChallengeStore::purge(store, Timestamp::MAX, 10).await;
    assert_eq!(purged.unwrap(), 1);

    let key = fixtures.lockout_key();
    let keys = [key];
    for _ in 0..2 {
        let attempt = fixtures.attempt_on(&tenant, key, LockoutRules::default());
        let _counted = store.attempt(attempt).await.unwrap();
    }
    assert_eq!(store.locked_until(&tenant, &keys, NOW).await.unwrap(), None);
    let cleared = event(AuditAction::LockCleared);
    assert!(store.clear(&tenant, &keys, cleared).await.unwrap());
    let budget = IssueBudget::new(key, 1, Duration::from_secs(60)).unwrap();
    for wanted in [true, false] {
        let sent = event(AuditAction::CodeIssued);
        let taken = LockoutStore::take(store, &tenant, &[budget], NOW, sent).await;
        assert_eq!(taken.unwrap() == BudgetOutcome::Taken, wanted);
    }
    let attempt = fixtures.attempt_on(&tenant, key, LockoutRules::default());
    let _counted = store.attempt(attempt).await.unwrap();
    let purged = LockoutStore::purge(store, Timestamp::MAX, 10).await;
    assert_eq!(purged.unwrap(), 2);
}

#[tokio::test]
async fn the_application_can_do_all_that_a_store_does_and_nothing_more() {
    let database = deployed().await;
    let (app, fixtures) = (store(&database, "fountain_app").await, Fixtures::seeded(1));
    use_everything(&app, &fixtures).await;
    sign_in(&app, &fixtures).await;
    refused(
        &mut session(&database, "fountain_app").await,
        &[
            "CREATE TABLE fountain.mine (id int)",
            "CREATE FUNCTION fountain.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "ALTER TABLE fountain.audit ADD mine int",
            "DROP TABLE fountain.audit",
            "TRUNCATE fountain.audit",
            "UPDATE fountain.audit SET event = '{}'",
            "DELETE FROM fountain.audit",
            "UPDATE fountain.changes SET kind = 'api_key'",
            "DELETE FROM fountain.changes",
            "UPDATE fountain.heads SET place = 0",
            "UPDATE fountain.schema SET version = 7",
            "DELETE FROM fountain.signing_keys",
            "DELETE FROM fountain.subjects",
            "TRUNCATE fountain.lockouts",
            "ALTER TABLE fountain.credentials ADD mine text",
            "SELECT * FROM fountain._migrations",
            "ALTER FUNCTION fountain.place_events(bigint) OWNER TO fountain_app",
        ],
    )
    .await;
}

#[tokio::test]
async fn the_reader_verifies_and_follows_the_feed_and_nothing_more() {
    let database = deployed().await;
    let app = store(&database, "fountain_app").await;
    let fixtures = Fixtures::seeded(1);
    let tenant = Tenant::default();
    let key = fixtures.api_key(&tenant);
    let issued = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
    KeyStore::insert(&app, key.clone(), issued).await.unwrap();

    let reader = store(&database, "fountain_reader").await;
    assert_eq!(
        KeyStore::find(&reader, &key.id).await.unwrap(),
        Some(key.clone())
    );
    let (issuer, id, subject) = (fixtures.issuer(), fixtures.token_id(), fixtures.subject());
    reader.ring(&issuer).await.unwrap();
    SubjectStore::find(&reader, &tenant, &subject)
        .await
        .unwrap();
    let asked = RevocationQuery {
        issuer: &issuer,
        id: &id,
        tenant: &tenant,
        subject: &subject,
        family: None,
        issued_at: NOW,
    };
    assert!(!reader.is_revoked(asked).await.unwrap());
    // It is the first to read: it gives the change its place without a right to change the feed.
    let batch = reader.since(ChangeCursor(0), 10).await.unwrap();
    assert_eq!((batch.gap, batch.changes.len()), (false, 1));

    let revoked = fixtures.event(&tenant, AuditAction::ApiKeyRevoked);
    let change = KeyStore::revoke(&reader, &tenant, &key.id, NOW, revoked).await;
    assert_eq!(change.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let event = fixtures.event(&tenant, AuditAction::TokenRevoked);
    let revocation = fixtures.revocation(RevocationKey::Token { issuer, id });
    assert!(
        RevocationStore::revoke(&reader, revocation, event)
            .await
            .is_err()
    );
    refused(
        &mut session(&database, "fountain_reader").await,
        &[
            "CREATE TABLE fountain.mine (id int)",
            "SELECT * FROM fountain.audit",
            "SELECT * FROM fountain.families",
            "SELECT * FROM fountain.refresh_tokens",
            "SELECT * FROM fountain.changes",
            "SELECT * FROM fountain.credentials",
            "SELECT password FROM fountain.credentials",
            "SELECT * FROM fountain.factors",
            "SELECT * FROM fountain.recovery_codes",
            "SELECT * FROM fountain.challenges",
            "SELECT * FROM fountain.lockouts",
            "SELECT * FROM fountain.budgets",
            "DELETE FROM fountain.lockouts",
            "UPDATE fountain.credentials SET password = ''",
            "SELECT fountain.is_time(0)",
            "SELECT fountain.count_attempt('t', '\\x00', 0, 1, '{}', 0, 'x', 't', '{}', 'y', 't', '{}')",
            "SELECT fountain.budgets_free_at('t', '{}', '{}', '{}', 0)",
            "SELECT fountain.take_budgets('t', '{}', '{}', '{}', 0, 'x', 't', '{}')",
            "INSERT INTO fountain.changes (kind, scope, id) VALUES ('api_key', '', 'x')",
            "INSERT INTO fountain.audit (id, tenant, event) VALUES ('x', 'x', '{}')",
            "DELETE FROM fountain.revocations",
            "UPDATE fountain.api_keys SET revoked_at = NULL",
            "UPDATE fountain.signing_keys SET state = 'active'",
            "SELECT fountain.place_events(1)",
            "SELECT fountain.note('x', 'x', '{}', NULL, NULL, NULL)",
        ],
    )
    .await;
}

#[tokio::test]
async fn the_owner_migrates_its_schema_and_makes_nothing_elsewhere() {
    let database = deployed().await;
    let owner = as_role(&database, "fountain_owner");
    PostgresStore::migrate(&owner).await.unwrap();
    refused(
        &mut owner.connect().await.unwrap(),
        &[
            "CREATE SCHEMA mine",
            "CREATE TABLE public.mine (id int)",
            "CREATE ROLE mine",
            "CREATE DATABASE mine",
        ],
    )
    .await;
    // It can all be run again.
    run(&mut database.beside().await, ROLES).await;
    run(&mut owner.connect().await.unwrap(), GRANTS).await;
}
