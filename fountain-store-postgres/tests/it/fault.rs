//! Locks, full pools, failing audit rows: everything fails closed, and recovers.

use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::StoreErrorKind;
use fountain_core::api_key::{KeyChangeOutcome, KeyStore};
use fountain_core::audit::AuditAction;
use fountain_core::change::{ChangeCursor, ChangeFeed};
use fountain_core::token::RefreshTokenStore;
use fountain_store_postgres::PostgresStore;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::server::{number, run};
use crate::workbench::Workbench;

/// Has every insert into a table raise this state, where `condition` holds.
fn trigger(table: &str, state: &str, condition: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF {condition} THEN RAISE 'no' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$;
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON fountain.{table} FOR EACH ROW EXECUTE FUNCTION fail()"
    )
}

/// F-14, F-36, R-92: what fails after the first row of several leaves none.
#[tokio::test]
async fn a_change_whose_trace_cannot_be_written_is_rolled_back() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    let family = bench.fixtures.family(&bench.tenant);
    let first = bench.fixtures.refresh_token();
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::TokenIssued);
    let attempt = bench.fixtures.use_of(&family, first.digest);
    RefreshTokenStore::insert(&store, family, first, event)
        .await
        .unwrap();
    let mut beside = bench.beside().await;
    let all = "SELECT hashtext((SELECT json_agg(k) FROM fountain.api_keys AS k)::text ||
                  (SELECT json_agg(t) FROM fountain.refresh_tokens AS t)::text ||
                  (SELECT count(*) FROM fountain.audit))::bigint";
    let before = number(&mut beside, all).await;
    for table in ["audit", "changes"] {
        run(&mut beside, &trigger(table, "P0001", "true")).await;
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRevoked);
        let revoked = KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event).await;
        assert_eq!(revoked.unwrap_err().kind(), StoreErrorKind::Unavailable);
        let successor = bench.fixtures.successor_of(&key);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRotated);
        let rotated = store
            .rotate(&bench.tenant, &key.id, successor, NOW, NOW, event)
            .await;
        assert_eq!(rotated.unwrap_err().kind(), StoreErrorKind::Unavailable);
        if table == "audit" {
            let used = store.use_token(attempt.clone()).await;
            assert_eq!(used.unwrap_err().kind(), StoreErrorKind::Unavailable);
        }
        assert_eq!(number(&mut beside, all).await, before, "{table}");
        run(
            &mut beside,
            &format!("DROP TRIGGER fail ON fountain.{table}"),
        )
        .await;
    }
    assert_eq!(store.head().await.unwrap(), ChangeCursor(1));
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyRevoked);
    let revoked = KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event).await;
    assert_eq!(revoked.unwrap(), KeyChangeOutcome::Changed);
}

/// F-07: tried again for what a second try can cure, three times at most, and for nothing else.
#[tokio::test]
async fn only_serialisation_conflicts_and_deadlocks_are_tried_again() {
    let bench = Workbench::new().await;
    let store = bench
        .builder()
        .deadline(Duration::from_secs(20))
        .build()
        .await
        .unwrap();
    let mut beside = bench.beside().await;
    // Sequences count what a rollback takes back.
    run(&mut beside, "CREATE SEQUENCE tries").await;
    for (state, fails, tries, kind) in [
        ("40001", 2, 3, None),
        ("40P01", 3, 4, None),
        ("40001", 99, 4, Some(StoreErrorKind::Contended)),
        ("40P01", 99, 4, Some(StoreErrorKind::Contended)),
        ("53100", 99, 1, Some(StoreErrorKind::Full)),
        ("25006", 99, 1, Some(StoreErrorKind::Unavailable)),
        ("57014", 99, 1, Some(StoreErrorKind::Timeout)),
        ("23505", 99, 1, Some(StoreErrorKind::Corrupt)),
        ("P0001", 99, 1, Some(StoreErrorKind::Unavailable)),
    ] {
        run(&mut beside, "ALTER SEQUENCE tries RESTART").await;
        let condition = format!("nextval('tries') <= {fails}");
        run(&mut beside, &trigger("audit", state, &condition)).await;
        let stored = bench.insert(&store).await;
        assert_eq!(stored.err().map(|error| error.kind()), kind, "{state}");
        let tried = number(&mut beside, "SELECT last_value FROM tries").await;
        assert_eq!(tried, tries, "{state}");
    }
    // Each that got through is there once.
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM fountain.api_keys").await,
        2
    );
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM fountain.audit").await,
        2
    );
}

/// F-03, R-90, R-106: while somebody holds the row, calls end at their deadline; others are not held up, and the pool is
/// whole again afterwards.
#[tokio::test]
async fn a_call_that_waits_for_a_lock_ends_at_its_deadline() {
    let bench = Workbench::new().await;
    let deadline = Duration::from_millis(100);
    let pool = bench.database.pool(4);
    let builder = PostgresStore::builder(pool.clone());
    let patient = builder
        .clone()
        .deadline(Duration::from_secs(20))
        .build()
        .await
        .unwrap();
    let store = builder.deadline(deadline).build().await.unwrap();
    let key = bench.insert(&patient).await.unwrap();
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "BEGIN; SELECT FROM fountain.api_keys FOR UPDATE",
    )
    .await;
    for _ in 0..8 {
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRevoked);
        let error = KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout);
        assert!(error.is_retryable());
        // More such calls than connections: those that were given up are not missing.
        assert_eq!(
            KeyStore::find(&patient, &key.id).await.unwrap().as_ref(),
            Some(&key)
        );
    }
    run(&mut beside, "ROLLBACK").await;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyEnabled);
    KeyStore::enable(&patient, &bench.tenant, &key.id, event)
        .await
        .unwrap();
    assert!(pool.size() <= 4);
}

/// F-09, R-105: with every connection taken, each of many callers has its error in time, and then all is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_pool_exhausted_every_call_ends_in_time_and_the_store_recovers() {
    let bench = Workbench::new().await;
    let pool = bench.database.pool(2);
    let store = PostgresStore::builder(pool.clone()).build().await.unwrap();
    let key = bench.insert(&store).await.unwrap();
    let taken = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let calls: Vec<_> = (0..1_000)
        .map(|_| {
            let (store, id) = (store.clone(), key.id.clone());
            tokio::spawn(async move { KeyStore::find(&store, &id).await })
        })
        .collect();
    for call in calls {
        // A late answer would never come: nobody gives a connection back.
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout);
    }
    drop(taken);
    assert_eq!(KeyStore::find(&store, &key.id).await.unwrap(), Some(key));
}

/// F-02: connections that the server has ended are replaced without the caller noticing, where nothing was changed;
/// a change is reported, and may be asked for again.
#[tokio::test]
async fn ended_connections_are_replaced() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    let mut beside = bench.beside().await;
    let end_all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..3 {
        assert!(number(&mut beside, end_all).await > 0);
        assert_eq!(
            KeyStore::find(&store, &key.id).await.unwrap().as_ref(),
            Some(&key)
        );
        number(&mut beside, end_all).await;
        if let Err(error) = bench.insert(&store).await {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        }
        bench.insert(&store).await.unwrap();
    }
}

/// F-01
#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_in_time() {
    // A port that nothing listens on: it was ours a moment ago.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let options = PgConnectOptions::new().host("127.0.0.1").port(port);
    let pool = PgPoolOptions::new().connect_lazy_with(options.clone());
    let built = PostgresStore::builder(pool).build().await;
    let kind = built.unwrap_err().kind();
    assert!(
        matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::Timeout),
        "{kind:?}"
    );
    let migrated = PostgresStore::migrate(&options).await;
    assert_eq!(migrated.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

/// F-04: a server that takes connections and says nothing, as a paused one does.
#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = PgConnectOptions::new().host("127.0.0.1").port(port);
    let pool = PgPoolOptions::new().connect_lazy_with(options);
    let built = PostgresStore::builder(pool)
        .deadline(Duration::from_millis(100))
        .build()
        .await;
    assert_eq!(built.unwrap_err().kind(), StoreErrorKind::Timeout);
}

/// F-06: a session that cannot write, as after a fail-over to a standby.
#[tokio::test]
async fn a_server_that_is_read_only_refuses_changes() {
    let bench = Workbench::new().await;
    bench.open().await;
    let read_only = bench
        .database
        .options()
        .options([("default_transaction_read_only", "on")]);
    let pool = PgPoolOptions::new().connect_lazy_with(read_only);
    let store = PostgresStore::builder(pool).build().await.unwrap();
    let refused = bench.insert(&store).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
}

/// The tables are gone under a store that is open: everything is refused, nothing is made anew.
#[tokio::test]
async fn tables_that_vanish_are_a_schema_error() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    run(&mut bench.beside().await, "DROP TABLE fountain.api_keys").await;
    let found = KeyStore::find(&store, &bench.fixtures.key_id())
        .await
        .unwrap_err();
    assert_eq!(found.kind(), StoreErrorKind::Schema);
    let inserted = bench.insert(&store).await.unwrap_err();
    assert_eq!(inserted.kind(), StoreErrorKind::Schema);
}
