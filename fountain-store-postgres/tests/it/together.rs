//! Look-ups that travel together: few statements, and everybody has the answer that would have come alone.

use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::api_key::{ApiKeyRecord, KeyStore};
use fountain_core::audit::AuditAction;
use fountain_core::{Digest, StoreError, StoreErrorKind};
use fountain_store_postgres::PostgresStore;
use sqlx::postgres::{PgConnection, PgPoolOptions};
use tokio::task::{JoinHandle, yield_now};

use crate::server::{number, run};
use crate::workbench::Workbench;

/// The lock that lets nobody read a key, until it is given back.
const HOLD: &str = "BEGIN; LOCK fountain.api_keys IN ACCESS EXCLUSIVE MODE";

/// How many statements wait for that lock.
const HELD: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted
                    AND relation = 'fountain.api_keys'::regclass
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

type Found = Result<Option<ApiKeyRecord>, StoreError>;

/// A store that waits for the lock as long as it takes.
async fn patient(bench: &Workbench, connections: u32) -> PostgresStore {
    let options = PgPoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false);
    PostgresStore::builder(options.connect_lazy_with(bench.database.options()))
        .deadline(Duration::from_secs(60))
        .build()
        .await
        .unwrap()
}

fn ask(store: &PostgresStore, digest: Digest) -> JoinHandle<Found> {
    let store = store.clone();
    tokio::spawn(async move { store.find_by_digest(&digest).await })
}

/// Asks one question, and goes on when the server has it and is held up.
async fn ask_and_hold(
    store: &PostgresStore,
    digest: Digest,
    beside: &mut PgConnection,
) -> JoinHandle<Found> {
    let asked = ask(store, digest);
    while number(beside, HELD).await == 0 {
        yield_now().await;
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_send_few_statements_and_each_has_its_own_answer() {
    let bench = Workbench::new().await;
    let store = patient(&bench, 32).await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(bench.insert(&store).await.unwrap());
    }
    let (mut holder, mut beside) = (bench.beside().await, bench.beside().await);
    run(&mut holder, HOLD).await;
    let mut calls = Vec::new();
    for number in 0..1_000 {
        let expected = keys.get(number % 25).cloned();
        let digest = expected
            .as_ref()
            .map_or_else(|| bench.fixtures.digest(), |key: &ApiKeyRecord| key.digest);
        calls.push((ask(&store, digest), expected));
    }
    while number(&mut beside, HELD).await == 0 {
        yield_now().await;
    }
    // One for each that is stuck; alone, each call would have had a connection, and 32 of them.
    assert!(number(&mut beside, HELD).await <= 16);
    run(&mut holder, "ROLLBACK").await;
    for (call, expected) in calls {
        assert_eq!(call.await.unwrap().unwrap(), expected);
    }
}

/// F-35
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_read_fails_nobody_who_asked_with_it() {
    let bench = Workbench::new().await;
    let store = patient(&bench, 1).await;
    let (first, damaged, sound) = (
        bench.insert(&store).await.unwrap(),
        bench.insert(&store).await.unwrap(),
        bench.insert(&store).await.unwrap(),
    );
    let (mut holder, mut beside) = (bench.beside().await, bench.beside().await);
    let id = damaged.id.as_str();
    let damage = format!("UPDATE fountain.api_keys SET owner = '' WHERE id = '{id}'");
    run(&mut beside, &damage).await;
    run(&mut holder, HOLD).await;
    // The only connection has this one's statement; all others travel with the next ones.
    let alone = ask_and_hold(&store, first.digest, &mut beside).await;
    let calls: Vec<_> = (0..30)
        .map(|_| {
            [damaged.digest, sound.digest, bench.fixtures.digest()]
                .map(|digest| ask(&store, digest))
        })
        .collect();
    run(&mut holder, "ROLLBACK").await;
    assert_eq!(alone.await.unwrap().unwrap(), Some(first));
    for [bad, good, none] in calls {
        assert_eq!(
            bad.await.unwrap().unwrap_err().kind(),
            StoreErrorKind::Corrupt
        );
        assert_eq!(good.await.unwrap().unwrap().as_ref(), Some(&sound));
        assert_eq!(none.await.unwrap().unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_of_a_statement_is_the_error_of_each_of_its_callers() {
    let bench = Workbench::new().await;
    let store = patient(&bench, 8).await;
    bench.insert(&store).await.unwrap();
    let mut holder = bench.beside().await;
    run(&mut holder, HOLD).await;
    let mut beside = bench.beside().await;
    let first = ask_and_hold(&store, bench.fixtures.digest(), &mut beside).await;
    let calls: Vec<_> = (0..100)
        .map(|_| ask(&store, bench.fixtures.digest()))
        .collect();
    run(&mut holder, "DROP TABLE fountain.api_keys CASCADE; COMMIT").await;
    for call in calls.into_iter().chain([first]) {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Schema);
        assert!(std::error::Error::source(&error).is_some());
    }
}

/// whoever is dropped, be it the caller on whose behalf the statement was sent, takes nobody along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_are_dropped_harm_nobody() {
    let bench = Workbench::new().await;
    let store = patient(&bench, 1).await;
    let key = bench.insert(&store).await.unwrap();
    let (mut holder, mut beside) = (bench.beside().await, bench.beside().await);
    for round in 0..20 {
        run(&mut holder, HOLD).await;
        let first = ask_and_hold(&store, key.digest, &mut beside).await;
        let calls: Vec<_> = (0..40).map(|_| ask(&store, key.digest)).collect();
        for _ in 0..round {
            yield_now().await;
        }
        first.abort();
        let mut left = Vec::new();
        for (at, call) in calls.into_iter().enumerate() {
            if at % 3 == 0 {
                left.push(call);
            } else {
                call.abort();
            }
        }
        run(&mut holder, "ROLLBACK").await;
        for call in left {
            assert_eq!(call.await.unwrap().unwrap().as_ref(), Some(&key));
        }
    }
}

/// whoever waits for a statement that is held up, or for the one behind it, is told in time; and the store is well
/// afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_who_waits_has_a_deadline_of_their_own() {
    let bench = Workbench::new().await;
    let builder = PostgresStore::builder(bench.database.pool(2));
    let store = builder
        .deadline(Duration::from_millis(300))
        .build()
        .await
        .unwrap();
    let patient = patient(&bench, 1).await;
    let key = bench.insert(&patient).await.unwrap();
    let (mut holder, mut beside) = (bench.beside().await, bench.beside().await);
    run(&mut holder, HOLD).await;
    let first = ask_and_hold(&store, key.digest, &mut beside).await;
    let calls: Vec<_> = (0..200).map(|_| ask(&store, key.digest)).collect();
    for call in calls.into_iter().chain([first]) {
        // A late answer would never come: the lock is held.
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout);
    }
    run(&mut holder, "ROLLBACK").await;
    let found = patient.find_by_digest(&key.digest).await.unwrap();
    assert_eq!(found.as_ref(), Some(&key));
    // Behind the connections that were given up, which takes at most as long again.
    let mut found = store.find_by_digest(&key.digest).await;
    for _ in 0..10 {
        if found.is_ok() {
            break;
        }
        found = store.find_by_digest(&key.digest).await;
    }
    assert_eq!(found.unwrap(), Some(key));
}

/// An answer is of after its call began, however many ask: what was acknowledged before is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_acknowledged_is_seen_by_every_call_that_begins_then() {
    let bench = Workbench::new().await;
    let store = patient(&bench, 4).await;
    for _ in 0..50 {
        let key = bench.insert(&store).await.unwrap();
        // Others ask all the time, so that there are always statements on their way.
        let others: Vec<_> = (0..8)
            .map(|_| {
                let (store, digest) = (store.clone(), key.digest);
                tokio::spawn(async move {
                    while store
                        .find_by_digest(&digest)
                        .await
                        .unwrap()
                        .unwrap()
                        .revoked_at
                        .is_none()
                    {}
                })
            })
            .collect();
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRevoked);
        KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event)
            .await
            .unwrap();
        let calls: Vec<_> = (0..8).map(|_| ask(&store, key.digest)).collect();
        for call in calls {
            let found = call.await.unwrap().unwrap().unwrap();
            assert_eq!(found.revoked_at, Some(NOW));
        }
        for other in others {
            other.await.unwrap();
        }
    }
}

/// A runtime that ends takes its tasks along, and nobody of another runtime.
#[test]
fn callers_of_another_runtime_are_answered_when_one_ends() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (ends, stays) = (runtime(), runtime());
    let (bench, store, key, mut holder, mut beside) = stays.block_on(async {
        let bench = Workbench::new().await;
        let store = patient(&bench, 4).await;
        let key = bench.insert(&store).await.unwrap();
        let (mut holder, beside) = (bench.beside().await, bench.beside().await);
        run(&mut holder, HOLD).await;
        (bench, store, key, holder, beside)
    });
    let lost = {
        let _entered = ends.enter();
        ask(&store, key.digest)
    };
    let waiting = stays.block_on(async {
        while number(&mut beside, HELD).await == 0 {
            yield_now().await;
        }
        (0..20).map(|_| ask(&store, key.digest)).collect::<Vec<_>>()
    });
    ends.shutdown_background();
    stays.block_on(async {
        run(&mut holder, "ROLLBACK").await;
        for call in waiting {
            assert_eq!(call.await.unwrap().unwrap().as_ref(), Some(&key));
        }
        assert!(lost.await.is_err());
        drop((bench, holder, beside));
    });
}
