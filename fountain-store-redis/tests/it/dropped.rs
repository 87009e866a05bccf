//! R-103, F-21, F-23: a dropped future drops an answer, never half of a change, and no other call gets its answer.

use std::pin::pin;
use std::task::{Context, Waker};

use fountain_conformance::NOW;
use fountain_core::api_key::{KeyStore, RotateKeyOutcome};
use fountain_core::audit::AuditAction;
use fountain_core::token::{RefreshOutcome, RefreshTokenStore};

use crate::workbench::Workbench;

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
async fn after_200_dropped_futures_every_answer_still_is_the_callers_own() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let known = bench.insert(&store).await.unwrap();
    for polls in 1..=200 {
        let record = bench.fixtures.api_key(&bench.tenant);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyIssued);
        poll_and_drop(KeyStore::insert(&store, record.clone(), event), polls).await;
        poll_and_drop(KeyStore::find(&store, &record.id), polls).await;
        let found = KeyStore::find(&store, &known.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&known));
    }
    let keys: u64 = bench.run(&["HLEN", "@api_keys"]).await;
    let events: u64 = bench.run(&["XLEN", "@audit:default"]).await;
    let changes: u64 = bench.run(&["XLEN", "@changes"]).await;
    assert!(keys > 1, "some of them must have got through");
    assert_eq!((events, changes), (keys, keys));
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
}

/// A client of a cluster sends a call again by itself when a connection is lost. The same use again, with the event that is
/// recorded already, is the same use: without a grace it would otherwise end the family.
#[tokio::test]
async fn the_very_same_use_sent_again_is_answered_as_the_first_was() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let family = bench.fixtures.family(&bench.tenant);
    let first = bench.fixtures.refresh_token();
    let presented = first.digest;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::TokenIssued);
    RefreshTokenStore::insert(&store, family.clone(), first, event)
        .await
        .unwrap();
    let mut attempt = bench.fixtures.use_of(&family, presented);
    attempt.grace = std::time::Duration::ZERO;
    let answer = store.use_token(attempt.clone()).await.unwrap();
    assert!(matches!(answer, RefreshOutcome::Rotated { .. }));
    assert_eq!(store.use_token(attempt.clone()).await.unwrap(), answer);
    let events: u64 = bench.run(&["XLEN", "@audit:default"]).await;
    assert_eq!(events, 2);

    // Anybody else with the spent token is a thief, whatever successor he names.
    let mut thief = bench.fixtures.use_of(&family, presented);
    thief.successor.digest = attempt.successor.digest;
    thief.grace = std::time::Duration::ZERO;
    let outcome = store.use_token(thief).await.unwrap();
    assert!(
        matches!(outcome, RefreshOutcome::Reused { .. }),
        "{outcome:?}"
    );
}
