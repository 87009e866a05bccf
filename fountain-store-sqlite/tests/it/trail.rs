use std::num::NonZeroU32;

use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::{ChangeCursor, ChangeFeed};

use crate::workbench::{Workbench, number, run};

#[tokio::test]
async fn the_feed_keeps_its_length_and_tells_of_the_gap() {
    let bench = Workbench::new();
    let length = NonZeroU32::new(10).unwrap();
    let store = bench.builder().feed_length(length).open().await.unwrap();
    for _ in 0..200 {
        bench.insert(&store).await.unwrap();
    }
    let kept = number(
        &mut bench.beside().await,
        "SELECT count(*) FROM fountain_changes",
    )
    .await;
    assert!((10..=74).contains(&kept), "{kept}");

    let head = store.head().await.unwrap();
    assert_eq!(head, ChangeCursor(200));
    let lost = store.since(ChangeCursor(0), 1000).await.unwrap();
    assert!(lost.gap && lost.changes.is_empty() && lost.cursor == head);
    let read = store.since(ChangeCursor(190), 1000).await.unwrap();
    assert!(!read.gap && read.changes.len() == 10 && read.cursor == head);
}

#[tokio::test]
async fn a_feed_that_was_emptied_or_set_back_is_a_gap() {
    let bench = Workbench::new();
    let store = bench.open().await;
    for _ in 0..5 {
        bench.insert(&store).await.unwrap();
    }
    let beyond = store.since(ChangeCursor(6), 10).await.unwrap();
    assert!(beyond.gap && beyond.cursor == ChangeCursor(5));

    run(&mut bench.beside().await, "DELETE FROM fountain_changes").await;
    let emptied = store.since(ChangeCursor(2), 10).await.unwrap();
    assert!(emptied.gap && emptied.cursor == ChangeCursor(5));
    let nothing_missed = store.since(ChangeCursor(5), 10).await.unwrap();
    assert!(!nothing_missed.gap);
    bench.insert(&store).await.unwrap();
    assert_eq!(store.head().await.unwrap(), ChangeCursor(6));
}

/// The last of a batch cannot be written: the others are not there either, and use up no place.
#[tokio::test]
async fn a_batch_that_fails_half_way_leaves_nothing() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let event = || {
        let fixtures = &bench.fixtures;
        fixtures.event(&bench.tenant, AuditAction::Authenticated)
    };
    let (first, mut broken) = (event(), event());
    broken.request_id = Some("too long".repeat(100));
    let batch = vec![first.clone(), event(), broken];
    store.record_all(batch).await.unwrap_err();
    store.record_all(vec![first.clone()]).await.unwrap();
    let page = AuditStore::page(&store, &bench.tenant, None, 10).await;
    let items = page.unwrap().items;
    assert_eq!((items.len(), items[0].sequence.0), (1, 1));
    assert_eq!(items[0].event, first);
}

#[tokio::test]
async fn the_sequence_has_no_holes_and_is_never_used_again() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::Authenticated);
    for _ in 0..3 {
        store.record(event.clone()).await.unwrap();
        bench.insert(&store).await.unwrap();
    }
    let page = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    let places: Vec<_> = page.items.iter().map(|item| item.sequence.0).collect();
    assert_eq!(places, [1, 2, 3, 4]);

    // A host's own retention takes the newest away: its place is not given again.
    run(
        &mut bench.beside().await,
        "DELETE FROM fountain_audit WHERE sequence = 4",
    )
    .await;
    bench.insert(&store).await.unwrap();
    let page = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    assert_eq!(page.items.last().unwrap().sequence.0, 5);
}
