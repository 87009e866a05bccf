//! A host's own transaction carries what Fountain does: both commit, or neither.

use std::sync::Arc;

use fountain_core::access::RoleCatalog;
use fountain_core::api_key::{ApiKeys, KeyStore};
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::{ChangeCursor, ChangeFeed};
use fountain_core::{Store, StoreErrorKind};
use fountain_store_postgres::{Carried, PostgresStore};
use sqlx::{PgPool, PgTransaction};

use crate::server::{number, run};
use crate::workbench::Workbench;

async fn host(bench: &Workbench) -> (PgPool, PostgresStore) {
    run(
        &mut bench.beside().await,
        "CREATE TABLE customers (name text)",
    )
    .await;
    let pool = bench.database.pool(4);
    let store = PostgresStore::builder(pool.clone()).build().await.unwrap();
    (pool, store)
}

async fn sign_up(pool: &PgPool) -> PgTransaction<'static> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO customers VALUES ('Ada')")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction
}

const CUSTOMERS: &str = "SELECT count(*) FROM customers";
const EVENTS: &str = "SELECT count(*) FROM fountain.audit";

#[tokio::test]
async fn a_key_a_customer_and_the_event_are_there_after_the_commit_and_not_before() {
    let bench = Workbench::new().await;
    let (pool, store) = host(&bench).await;
    let carried = store.carried_by(sign_up(&pool).await);
    let key = bench.insert(&carried.store()).await.unwrap();

    // Within the transaction it is there; for everybody else it is not, and nobody waits for it.
    assert!(
        KeyStore::find(&carried.store(), &key.id)
            .await
            .unwrap()
            .is_some()
    );
    assert!(KeyStore::find(&store, &key.id).await.unwrap().is_none());
    assert_eq!(store.head().await.unwrap(), ChangeCursor(0));
    let other = bench.insert(&store).await.unwrap();
    assert_eq!(store.head().await.unwrap(), ChangeCursor(1));

    carried.release().await.unwrap().commit().await.unwrap();
    for id in [&key.id, &other.id] {
        assert!(KeyStore::find(&store, id).await.unwrap().is_some());
    }
    // What committed later is later in the feed, although it was made earlier.
    let feed = store.since(ChangeCursor(1), 10).await.unwrap();
    assert_eq!((feed.gap, feed.changes.len()), (false, 1));
    let trail = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    assert_eq!(trail.items.len(), 2);
    assert_eq!(number(&mut bench.beside().await, CUSTOMERS).await, 1);
}

#[tokio::test]
async fn nothing_of_it_is_there_after_a_rollback_or_a_drop() {
    let bench = Workbench::new().await;
    let (pool, store) = host(&bench).await;
    let mut ids = Vec::new();
    let roll_back: Carried = store.carried_by(sign_up(&pool).await);
    ids.push(bench.insert(&roll_back.store()).await.unwrap().id);
    roll_back.release().await.unwrap().rollback().await.unwrap();

    let forgotten = store.carried_by(sign_up(&pool).await);
    ids.push(bench.insert(&forgotten.store()).await.unwrap().id);
    drop(forgotten);

    for id in ids {
        assert!(KeyStore::find(&store, &id).await.unwrap().is_none());
    }
    let mut beside = bench.beside().await;
    assert_eq!(number(&mut beside, CUSTOMERS).await, 0);
    assert_eq!(number(&mut beside, EVENTS).await, 0);
    assert_eq!(store.head().await.unwrap(), ChangeCursor(0));
}

/// The services of the core work on it as on any store.
#[tokio::test]
async fn a_service_issues_a_key_within_the_hosts_transaction() {
    let bench = Workbench::new().await;
    let (pool, store) = host(&bench).await;
    let carried = store.carried_by(sign_up(&pool).await);
    let as_any: Arc<dyn Store> = Arc::new(carried.store());
    let catalog = RoleCatalog::builder().build().unwrap();
    let keys = ApiKeys::builder(Arc::new(carried.store()), catalog)
        .build()
        .unwrap();
    let record = bench.insert(&carried.store()).await.unwrap();
    let listed = keys.find(&bench.tenant, &record.id).await.unwrap();
    assert_eq!(listed.map(|key| key.id), Some(record.id));
    drop((as_any, keys));
    carried.release().await.unwrap().commit().await.unwrap();
    assert_eq!(number(&mut bench.beside().await, EVENTS).await, 1);
}

#[tokio::test]
async fn a_store_whose_transaction_was_given_back_refuses() {
    let bench = Workbench::new().await;
    let (pool, store) = host(&bench).await;
    let carried = store.carried_by(sign_up(&pool).await);
    let late = carried.store();
    let transaction = carried.release().await.unwrap();
    let refused = bench.insert(&late).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    transaction.commit().await.unwrap();
    assert_eq!(number(&mut bench.beside().await, EVENTS).await, 0);
}

/// what fails in it fails all of it.
#[tokio::test]
async fn a_change_that_fails_takes_the_hosts_work_with_it() {
    let bench = Workbench::new().await;
    let (pool, store) = host(&bench).await;
    run(
        &mut bench.beside().await,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
         CREATE TRIGGER no BEFORE INSERT ON fountain.audit FOR EACH ROW EXECUTE FUNCTION no()",
    )
    .await;
    let carried = store.carried_by(sign_up(&pool).await);
    let record = bench.fixtures.api_key(&bench.tenant);
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyIssued);
    let failed = KeyStore::insert(&carried.store(), record, event).await;
    assert_eq!(failed.unwrap_err().kind(), StoreErrorKind::Unavailable);
    // PostgreSQL answers the commit of a failed transaction with a rollback.
    let _ended = carried.release().await.unwrap().commit().await;
    assert_eq!(number(&mut bench.beside().await, CUSTOMERS).await, 0);
}
