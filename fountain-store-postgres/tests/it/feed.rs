//! The change feed and the trail: their places, their length, and what happens to them from outside.

use std::num::NonZeroU32;

use fountain_conformance::NOW;
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::{ChangeCursor, ChangeFeed};
use fountain_core::token::RevocationStore;

use crate::server::{number, run};
use crate::workbench::Workbench;

#[tokio::test]
async fn the_feed_keeps_its_length_and_tells_of_the_gap() {
    let bench = Workbench::new().await;
    let length = NonZeroU32::new(10).unwrap();
    let store = bench.builder().feed_length(length).build().await.unwrap();
    for _ in 0..200 {
        bench.insert(&store).await.unwrap();
    }
    let head = store.head().await.unwrap();
    assert_eq!(head, ChangeCursor(200));
    let mut beside = bench.beside().await;
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM fountain.changes").await,
        10
    );
    let lost = store.since(ChangeCursor(0), 1000).await.unwrap();
    assert!(lost.gap && lost.changes.is_empty() && lost.cursor == head);
    let read = store.since(ChangeCursor(190), 1000).await.unwrap();
    assert!(!read.gap && read.changes.len() == 10 && read.cursor == head);
}

#[tokio::test]
async fn a_feed_that_was_emptied_or_set_back_is_a_gap() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    for _ in 0..5 {
        bench.insert(&store).await.unwrap();
    }
    let beyond = store.since(ChangeCursor(6), 10).await.unwrap();
    assert!(beyond.gap && beyond.cursor == ChangeCursor(5));

    run(&mut bench.beside().await, "DELETE FROM fountain.changes").await;
    let emptied = store.since(ChangeCursor(2), 10).await.unwrap();
    assert!(emptied.gap && emptied.cursor == ChangeCursor(5));
    let nothing_missed = store.since(ChangeCursor(5), 10).await.unwrap();
    assert!(!nothing_missed.gap);
    bench.insert(&store).await.unwrap();
    assert_eq!(store.head().await.unwrap(), ChangeCursor(6));
}

/// A change that began first and commits last gets its place when it is there, so that no reader has passed it; one that
/// is rolled back leaves no hole.
#[tokio::test]
async fn places_are_given_in_the_order_in_which_changes_become_visible() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let (mut slow, mut failed) = (bench.beside().await, bench.beside().await);
    let note =
        "BEGIN; SELECT fountain.note('NAME', 'default', '{}', 'api_key', '', '7Kq3nX0aVb2LmZ9T')";
    run(&mut slow, &note.replace("NAME", "slow")).await;
    run(&mut failed, &note.replace("NAME", "failed")).await;
    bench.insert(&store).await.unwrap();
    let first = store.since(ChangeCursor(0), 10).await.unwrap();
    assert_eq!((first.cursor, first.changes.len()), (ChangeCursor(1), 1));

    run(&mut failed, "ROLLBACK").await;
    run(&mut slow, "COMMIT").await;
    let second = store.since(first.cursor, 10).await.unwrap();
    assert_eq!(
        (second.cursor, second.changes.len(), second.gap),
        (ChangeCursor(2), 1, false)
    );
}

/// batches that hold the same events in other orders wait for each other crosswise. The server ends at least one of
/// them, which may be sent again, and each event is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_meet_crosswise_all_come_to_an_end() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    for _ in 0..3 {
        let forwards: Vec<_> = (0..1000)
            .map(|_| {
                bench
                    .fixtures
                    .event(&bench.tenant, AuditAction::Authenticated)
            })
            .collect();
        let before = number(&mut bench.beside().await, EVENTS).await;
        let backwards: Vec<_> = forwards.iter().rev().cloned().collect();
        let calls = [forwards, backwards].map(|batch| {
            let store = store.clone();
            tokio::spawn(async move {
                while let Err(error) = store.record_all(batch.clone()).await {
                    assert!(error.is_retryable(), "{error:?}");
                }
            })
        });
        for call in calls {
            call.await.unwrap();
        }
        let after = number(&mut bench.beside().await, EVENTS).await;
        assert_eq!(after - before, 1000);
    }
}

const EVENTS: &str = "SELECT count(*) FROM fountain.audit";

#[tokio::test]
async fn the_sequence_has_no_holes_and_is_never_used_again() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::Authenticated);
    let mut beside = bench.beside().await;
    for _ in 0..3 {
        store.record(event.clone()).await.unwrap();
        bench.insert(&store).await.unwrap();
        run(
            &mut beside,
            "BEGIN; SELECT fountain.note('lost', 'default', '{}', NULL, NULL, NULL); ROLLBACK",
        )
        .await;
    }
    let page = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    let places: Vec<_> = page.items.iter().map(|item| item.sequence.0).collect();
    assert_eq!(places, [1, 2, 3, 4]);

    // A host's own retention takes the newest away: its place is not given again.
    run(&mut beside, "DELETE FROM fountain.audit WHERE sequence = 4").await;
    bench.insert(&store).await.unwrap();
    let page = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    assert_eq!(page.items.last().unwrap().sequence.0, 5);
}

/// More than one statement gives a place to: all of them are there, once each.
#[tokio::test]
async fn a_long_wait_for_places_is_worked_off_in_steps() {
    let bench = Workbench::new().await;
    let store = bench
        .builder()
        .deadline(std::time::Duration::from_secs(60))
        .build()
        .await
        .unwrap();
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "INSERT INTO fountain.audit (id, tenant, event)
         SELECT 'e' || n, 'other', '{}' FROM generate_series(1, 25000) AS n;
         INSERT INTO fountain.changes (kind, scope, id)
         SELECT 'api_key', '', '7Kq3nX0aVb2LmZ9T' FROM generate_series(1, 25000)",
    )
    .await;
    bench.insert(&store).await.unwrap();
    let page = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    assert_eq!(page.items[0].sequence.0, 25_001);
    assert_eq!(store.head().await.unwrap(), ChangeCursor(25_001));
    assert_eq!(
        number(
            &mut beside,
            "SELECT count(DISTINCT sequence) FROM fountain.audit"
        )
        .await,
        25_001
    );
}

/// Where nobody reads, the purge of every tick keeps the feed short.
#[tokio::test]
async fn a_purge_gives_places_and_cuts_the_feed() {
    let bench = Workbench::new().await;
    let length = NonZeroU32::new(10).unwrap();
    let store = bench.builder().feed_length(length).build().await.unwrap();
    for _ in 0..30 {
        bench.insert(&store).await.unwrap();
    }
    RevocationStore::purge(&store, NOW, 10).await.unwrap();
    let mut beside = bench.beside().await;
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM fountain.changes").await,
        10
    );
    let waiting = "SELECT count(*) FROM fountain.audit WHERE sequence IS NULL";
    assert_eq!(number(&mut beside, waiting).await, 0);
}
