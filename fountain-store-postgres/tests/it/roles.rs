//! `deploy/`: each role can do its own and nothing more.

use fountain_conformance::{Fixtures, NOW};
use fountain_core::access::SubjectStore;
use fountain_core::api_key::KeyStore;
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::{ChangeCursor, ChangeFeed, RevocationKey};
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

#[tokio::test]
async fn the_application_can_do_all_that_a_store_does_and_nothing_more() {
    let database = deployed().await;
    use_everything(
        &store(&database, "fountain_app").await,
        &Fixtures::seeded(1),
    )
    .await;
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
