//! F-06: a fail-over to a standby that lags behind.

use std::time::Duration;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::access::SubjectStore;
use fountain_core::api_key::KeyStore;
use fountain_core::audit::AuditAction;
use fountain_core::change::{ChangeCursor, ChangeFeed, RevocationKey};
use fountain_core::signing::SigningKeyStore;
use fountain_core::token::{RefreshTokenStore, RevocationQuery, RevocationStore};
use fountain_core::{StoreError, StoreErrorKind, Tenant};
use fountain_store_postgres::PostgresStore;
use fountain_tests_faults::{Server, within};
use sqlx::PgPool;

async fn store(server: &Server) -> Result<PostgresStore, StoreError> {
    let pool = PgPool::connect_lazy(&server.url()).unwrap();
    PostgresStore::builder(pool).migrate(false).build().await
}

/// What it knows may be old: it neither finds, nor verifies, nor says that the feed is read. Nor does it change.
#[tokio::test]
async fn a_standby_answers_nothing() {
    let primary = Server::postgres(&[]).await;
    let options = primary.url().parse().unwrap();
    PostgresStore::migrate(&options).await.unwrap();
    let writes = store(&primary).await.unwrap();
    let (fixtures, tenant) = (Fixtures::seeded(1), Tenant::default());
    let key = fixtures.api_key(&tenant);
    let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
    KeyStore::insert(&writes, key.clone(), event).await.unwrap();
    writes.head().await.unwrap();

    let standby = primary.standby(Duration::ZERO).await;
    let bound = Duration::from_secs(30);
    let reads = async || store(&standby).await.ok();
    let (reads, _) = within("the standby has the tables", bound, reads).await;

    let refused = |answer: Result<(), StoreError>| {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(format!("{error:?}").contains("Standby"), "{error:?}");
    };
    let (issuer, id, subject) = (fixtures.issuer(), fixtures.token_id(), fixtures.subject());
    refused(KeyStore::find(&reads, &key.id).await.map(drop));
    refused(KeyStore::find_in(&reads, &tenant, &key.id).await.map(drop));
    refused(KeyStore::find(&reads, &fixtures.key_id()).await.map(drop));
    refused(reads.ring(&issuer).await.map(drop));
    refused(
        SubjectStore::find(&reads, &tenant, &subject)
            .await
            .map(drop),
    );
    let token = fixtures.digest();
    refused(
        RefreshTokenStore::find(&reads, &tenant, &token, NOW)
            .await
            .map(drop),
    );
    let asked = RevocationQuery {
        issuer: &issuer,
        id: &id,
        tenant: &tenant,
        subject: &subject,
        family: None,
        issued_at: NOW,
    };
    refused(reads.is_revoked(asked).await.map(drop));
    refused(reads.head().await.map(drop));
    refused(reads.since(ChangeCursor(0), 10).await.map(drop));

    let event = fixtures.event(&tenant, AuditAction::TokenRevoked);
    let revocation = fixtures.revocation(RevocationKey::Token { issuer, id });
    let changed = RevocationStore::revoke(&reads, revocation, event).await;
    assert_eq!(changed.unwrap_err().kind(), StoreErrorKind::Unavailable);
}
