//! a dropped future drops an answer, never a transaction.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::api_key::{KeyStore, RotateKeyOutcome};
use fountain_core::audit::AuditAction;
use fountain_core::token::{RefreshOutcome, RefreshTokenStore};

use crate::workbench::{Workbench, number, run};

/// Polls `future` up to `polls` times, lets others run in between, and drops it.
async fn poll_and_drop(future: impl Future, polls: usize) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if future.as_mut().poll(&mut context).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_200_dropped_futures_the_writer_works_and_no_transaction_is_open() {
    let bench = Workbench::new();
    let store = bench
        .builder()
        .patience(Duration::from_secs(20))
        .open()
        .await
        .unwrap();
    for polls in 1..=200 {
        let record = bench.fixtures.api_key(&bench.tenant);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyIssued);
        poll_and_drop(KeyStore::insert(&store, record.clone(), event), polls).await;
        poll_and_drop(KeyStore::find(&store, &record.id), polls).await;
    }
    // Steps are carried out in turn, so that this one comes after all of those.
    bench.insert(&store).await.unwrap();

    let mut beside = bench.beside().await;
    run(&mut beside, "PRAGMA busy_timeout = 0").await;
    run(&mut beside, "BEGIN IMMEDIATE").await;
    run(&mut beside, "ROLLBACK").await;
    let keys = number(&mut beside, "SELECT count(*) FROM fountain_api_keys").await;
    let events = number(&mut beside, "SELECT count(*) FROM fountain_audit").await;
    let changes = number(&mut beside, "SELECT count(*) FROM fountain_changes").await;
    assert!(keys > 1, "some of them must have got through");
    assert_eq!((events, changes), (keys, keys));

    // No reader is stuck either: as many as there are read at once.
    let reads = (0..8).map(|_| {
        let store = store.clone();
        let id = bench.fixtures.key_id();
        tokio::spawn(async move { KeyStore::find(&store, &id).await })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap().unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_rotation_happened_whole_or_not_at_all() {
    let bench = Workbench::new();
    let store = bench.open().await;
    for polls in 1..=100 {
        let key = bench.insert(&store).await.unwrap();
        let lost = bench.fixtures.successor_of(&key);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRotated);
        let rotation = store.rotate(&bench.tenant, &key.id, lost.clone(), NOW, NOW, event);
        poll_and_drop(rotation, polls).await;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_use_of_a_token_can_be_repeated() {
    let bench = Workbench::new();
    let store = bench.open().await;
    for polls in 1..=100 {
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
        poll_and_drop(lost, polls).await;
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
    let live = "SELECT max(n) FROM (SELECT count(*) AS n FROM fountain_refresh_tokens
                WHERE spent_at IS NULL GROUP BY family)";
    assert_eq!(number(&mut bench.beside().await, live).await, 1);
}

#[tokio::test]
async fn close_finishes_what_waits_and_refuses_what_comes_after() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let inserts: Vec<_> = (0..50)
        .map(|_| {
            let (store, record) = (store.clone(), bench.fixtures.api_key(&bench.tenant));
            let event = bench
                .fixtures
                .event(&bench.tenant, AuditAction::ApiKeyIssued);
            tokio::spawn(async move { KeyStore::insert(&store, record, event).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut stored = 0;
    for insert in inserts {
        match insert.await.unwrap() {
            Ok(_) => stored += 1,
            Err(error) => assert_eq!(error.kind(), fountain_core::StoreErrorKind::Unavailable),
        }
    }
    let mut beside = bench.beside().await;
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM fountain_api_keys").await,
        stored
    );
    assert!(stored > 0);
    assert!(bench.insert(&store).await.is_err());
    assert!(
        KeyStore::find(&store, &bench.fixtures.key_id())
            .await
            .is_err()
    );
}
