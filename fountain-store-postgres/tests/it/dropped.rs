//! R-103, F-21, F-22: a dropped future drops an answer, never a transaction, and never a connection.

use std::pin::pin;
use std::task::Poll;

use fountain_conformance::NOW;
use fountain_core::api_key::{KeyStore, RotateKeyOutcome};
use fountain_core::audit::AuditAction;
use fountain_core::token::{RefreshOutcome, RefreshTokenStore};
use fountain_store_postgres::PostgresStore;
use sqlx::postgres::{PgConnection, PgPoolOptions};

use crate::server::{Database, number};
use crate::workbench::Workbench;

/// Polls a call at most so many times, each time when it asked to be, and drops it then.
async fn drop_after<F: Future>(polls: usize, call: F) {
    let mut call = pin!(call);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        left -= 1;
        match call.as_mut().poll(cx) {
            Poll::Pending if left > 0 => Poll::Pending,
            Poll::Pending | Poll::Ready(_) => Poll::Ready(()),
        }
    })
    .await;
}

/// How many connections to this database are idle within a transaction, once none is at work any more.
async fn left_open(beside: &mut PgConnection) -> i64 {
    let others =
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let active = format!("SELECT count(*) {others} AND state = 'active'");
    while number(beside, &active).await > 0 {
        tokio::task::yield_now().await;
    }
    number(
        beside,
        &format!("SELECT count(*) {others} AND state LIKE 'idle in transaction%'"),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_200_dropped_futures_of_each_call_nothing_is_open_and_the_pool_is_whole() {
    let bench = Workbench::new().await;
    let pool = bench.database.pool(2);
    let store = PostgresStore::builder(pool.clone()).build().await.unwrap();
    let mut beside = bench.beside().await;
    for polls in 1..=200 {
        let record = bench.fixtures.api_key(&bench.tenant);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyIssued);
        drop_after(polls, KeyStore::insert(&store, record.clone(), event)).await;
        drop_after(polls, KeyStore::find(&store, &record.id)).await;
        let family = bench.fixtures.family(&bench.tenant);
        let first = bench.fixtures.refresh_token();
        let presented = first.digest;
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::TokenIssued);
        let begun = RefreshTokenStore::insert(&store, family.clone(), first, event);
        drop_after(polls, begun).await;
        let used = store.use_token(bench.fixtures.use_of(&family, presented));
        drop_after(polls, used).await;
    }
    assert_eq!(left_open(&mut beside).await, 0);
    // As many as the pool has can still be had at once, and they work.
    let both = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(both);
    bench.insert(&store).await.unwrap();

    let keys = number(&mut beside, "SELECT count(*) FROM fountain.api_keys").await;
    let changes = number(&mut beside, "SELECT count(*) FROM fountain.changes").await;
    let families = number(&mut beside, "SELECT count(*) FROM fountain.families").await;
    let spent = "SELECT count(*) FROM fountain.refresh_tokens WHERE spent_at IS NOT NULL";
    let spent = number(&mut beside, spent).await;
    let events = number(&mut beside, "SELECT count(*) FROM fountain.audit").await;
    assert!(
        keys > 1 && spent > 1,
        "some of them must have got through: {keys}, {spent}"
    );
    assert_eq!((changes, events), (keys, keys + families + spent));
}

/// How often the control looks for what it must find at least once.
const MOST_TRIES: usize = 40;

/// The control of the test above: what it looks for is there to be found when somebody drops a `begin`.
///
/// sqlx 0.9.0 leaves the transaction open. When it no longer does, this fails, and `pool_options` can do without its
/// hook.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_begin_leaves_a_transaction_open_unless_the_pool_is_ours() {
    let database = Database::migrated().await;
    let mut beside = database.beside().await;
    let plain = PgPoolOptions::new().test_before_acquire(false);
    let ours = PostgresStore::pool_options();
    // A drop has to fall between a `BEGIN` and its answer, which no number of polls is sure to do.
    let mut open = 0;
    for _ in 0..MOST_TRIES {
        open += drop_begins(&plain, &database, &mut beside).await;
        assert_eq!(drop_begins(&ours, &database, &mut beside).await, 0);
        if open > 0 {
            return;
        }
    }
    panic!("sqlx cleans up by itself");
}

/// Drops a `begin` after each of so many polls; how many transactions that leaves open.
async fn drop_begins(
    options: &PgPoolOptions,
    database: &Database,
    beside: &mut PgConnection,
) -> i64 {
    let mut open = 0;
    for polls in 1..=12 {
        let pool = options
            .clone()
            .max_connections(1)
            .connect_lazy_with(database.options());
        // Connected beforehand, so that the polls meet the begin itself.
        drop(pool.acquire().await.unwrap());
        while pool.num_idle() < 1 {
            tokio::task::yield_now().await;
        }
        drop_after(polls, pool.begin()).await;
        // Back, or replaced by another one.
        while pool.num_idle() < 1 && pool.size() > 0 {
            tokio::task::yield_now().await;
        }
        // A connection that was closed ends its transaction as soon as the server notices.
        let mut left = left_open(beside).await;
        for _ in 0..500 {
            if left > 0 {
                left = left_open(beside).await;
            }
        }
        open += left;
        pool.close().await;
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_rotation_happened_whole_or_not_at_all() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    for polls in 1..=40 {
        let key = bench.insert(&store).await.unwrap();
        let lost = bench.fixtures.successor_of(&key);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRotated);
        let rotation = store.rotate(&bench.tenant, &key.id, lost.clone(), NOW, NOW, event);
        drop_after(polls, rotation).await;

        let again = bench.fixtures.successor_of(&key);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRotated);
        let outcome = store
            .rotate(&bench.tenant, &key.id, again.clone(), NOW, NOW, event)
            .await
            .unwrap();
        let first = KeyStore::find(&store, &lost.id).await.unwrap();
        let second = KeyStore::find(&store, &again.id).await.unwrap();
        match outcome {
            RotateKeyOutcome::Rotated { .. } => assert!(first.is_none() && second.is_some()),
            RotateKeyOutcome::AlreadyRotated { successor } => {
                assert!(first.is_some() && second.is_none() && successor == lost.id);
            }
            other => panic!("{other:?}"),
        }
    }
}

///
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_use_of_a_token_can_be_repeated() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    for polls in 1..=40 {
        let family = bench.fixtures.family(&bench.tenant);
        let first = bench.fixtures.refresh_token();
        let presented = first.digest;
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::TokenIssued);
        RefreshTokenStore::insert(&store, family.clone(), first, event)
            .await
            .unwrap();
        let lost = store.use_token(bench.fixtures.use_of(&family, presented));
        drop_after(polls, lost).await;
        let outcome = store
            .use_token(bench.fixtures.use_of(&family, presented))
            .await
            .unwrap();
        assert!(
            matches!(
                outcome,
                RefreshOutcome::Rotated { .. } | RefreshOutcome::Repeated { .. }
            ),
            "{outcome:?}"
        );
    }
    let live = "SELECT max(n) FROM (SELECT count(*) AS n FROM fountain.refresh_tokens
                WHERE spent_at IS NULL GROUP BY family) AS live";
    assert_eq!(number(&mut bench.beside().await, live).await, 1);
}
