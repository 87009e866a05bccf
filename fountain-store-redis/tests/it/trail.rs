//! The feed and the trail: their bounds, and what becomes of them when the server loses them.

use std::num::NonZeroU32;
use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::Timestamp;
use fountain_core::api_key::{KeyId, KeyStore};
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::{Change, ChangeCursor, ChangeFeed, RecordedChange};
use fountain_store_redis::RedisStore;
use fountain_store_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use fountain_store_redis::redis::{Client, PushKind};
use fountain_tests_faults::{Server, within};

use crate::workbench::{Workbench, address};

/// The head, once the connection is there again: the first call after a crash finds out that it is not.
async fn head(store: &RedisStore) -> ChangeCursor {
    let ask = async || store.head().await.ok();
    within("the store answers again", Duration::from_secs(5), ask)
        .await
        .0
}

#[tokio::test]
async fn the_feed_keeps_its_length_and_tells_of_the_gap() {
    let bench = Workbench::new();
    let length = NonZeroU32::new(100).unwrap();
    let store = bench
        .builder()
        .await
        .feed_length(length)
        .open()
        .await
        .unwrap();
    let start = store.head().await.unwrap();
    for _ in 0..1_000 {
        bench.insert(&store).await.unwrap();
    }
    let kept: u64 = bench.run(&["XLEN", "@changes"]).await;
    assert!((100..=300).contains(&kept), "{kept}");

    let head = store.head().await.unwrap();
    assert_eq!(head.0 - start.0, 1_000);
    let lost = store.since(start, 1_000).await.unwrap();
    assert!(lost.gap && lost.changes.is_empty() && lost.cursor == head);
    let read = store
        .since(ChangeCursor(head.0 - 100), 1_000)
        .await
        .unwrap();
    assert!(!read.gap && read.changes.len() == 100 && read.cursor == head);
}

/// F-17
#[tokio::test]
async fn a_store_that_was_flushed_is_a_gap_even_when_it_has_grown_again() {
    let server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let store = bench.open().await;
    let start = store.head().await.unwrap();
    for _ in 0..3 {
        bench.insert(&store).await.unwrap();
    }
    let before = store.head().await.unwrap();

    for grown in [0, 1, 10] {
        let cursor = store.head().await.unwrap();
        let () = bench.run(&["FLUSHALL"]).await;
        for _ in 0..grown {
            bench.insert(&store).await.unwrap();
        }
        let batch = store.since(cursor, 100).await.unwrap();
        assert!(batch.gap && batch.changes.is_empty(), "grown by {grown}");
        assert!(batch.cursor > cursor, "places are not given again");
    }
    assert!(store.since(start, 100).await.unwrap().gap);
    assert!(store.since(before, 100).await.unwrap().gap);
}

/// F-17, F-18: the server comes back as it was some changes ago, and makes as many others under the same numbers.
#[tokio::test]
async fn a_server_that_lost_its_newest_changes_and_made_others_is_a_gap() {
    let mut server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let store = bench.open().await;
    store.head().await.unwrap();
    for _ in 0..3 {
        bench.insert(&store).await.unwrap();
    }
    let () = bench.run(&["SAVE"]).await;
    let kept = store.head().await.unwrap();
    bench.insert(&store).await.unwrap();
    bench.insert(&store).await.unwrap();
    let read = store.head().await.unwrap();
    assert_eq!(read.0, kept.0 + 2);

    server.kill().await;
    server.start().await;
    // A node of which nothing is known writes first, without ever looking at the feed.
    let other = bench.open().await;
    for _ in 0..5 {
        bench.insert(&other).await.unwrap();
    }
    let position: u64 = bench.run(&["HGET", "@meta", "position"]).await;
    assert_eq!(
        position,
        kept.0 + 5,
        "the numbers are given again, and past the reader"
    );
    let batch = other.since(read, 100).await.unwrap();
    assert!(batch.gap && batch.changes.is_empty());

    // From there on it is a feed like any other.
    let cursor = head(&store).await;
    assert_eq!(cursor, batch.cursor);
    let key = bench.insert(&store).await.unwrap();
    let batch = store.since(cursor, 100).await.unwrap();
    assert!(!batch.gap);
    assert_eq!(batch.changes, [made(key.id, Some(NOW))]);
}

/// A server that was restarted and lost nothing costs every reader one gap, and no change.
#[tokio::test]
async fn a_restart_that_loses_nothing_keeps_everything_but_the_feed() {
    let mut server = Server::redis(&["appendonly yes", "appendfsync always"]).await;
    let bench = Workbench::on(&server.url());
    let store = bench.open().await;
    store.head().await.unwrap();
    let key = bench.insert(&store).await.unwrap();
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyRevoked);
    KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event)
        .await
        .unwrap();
    let read = store.head().await.unwrap();

    server.kill().await;
    server.start().await;
    head(&store).await;
    let found = KeyStore::find(&store, &key.id).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(NOW));
    let page = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 2);
    assert!(store.since(read, 10).await.unwrap().gap);
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

    // A host's own retention takes the oldest away, as the README says, and even all of them.
    let trail = format!("@audit:{}", bench.tenant);
    let _: u64 = bench.run(&["XTRIM", &trail, "MINID", "4"]).await;
    let page = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    let _: u64 = bench.run(&["XTRIM", &trail, "MAXLEN", "0"]).await;
    bench.insert(&store).await.unwrap();
    let page = AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    assert_eq!(page.items.last().unwrap().sequence.0, 5);
}

/// The recipe of the README: one connection carries the calls and hears of changes, and subscribes again by itself.
#[tokio::test]
async fn every_change_is_announced_on_the_stores_channel() {
    let bench = Workbench::new();
    let url = format!("{}?protocol=resp3", address("FOUNTAIN_TEST_REDIS", "redis"));
    let (wake, mut woken) = tokio::sync::mpsc::unbounded_channel();
    let config = ConnectionManagerConfig::new()
        .set_push_sender(wake)
        .set_automatic_resubscription();
    let client = Client::open(url).unwrap();
    let mut connection = ConnectionManager::new_with_config(client, config)
        .await
        .unwrap();
    let store = RedisStore::builder(connection.clone())
        .namespace(&bench.namespace.name)
        .patience(Duration::from_secs(20))
        .accept_volatile_security_state()
        .open()
        .await
        .unwrap();
    connection.subscribe(store.channel()).await.unwrap();
    let start = store.head().await.unwrap();

    bench.insert(&store).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let push = woken.recv().await.unwrap();
            if push.kind == PushKind::Message {
                return push;
            }
        }
    });
    heard.await.unwrap();
    assert_eq!(store.since(start, 10).await.unwrap().changes.len(), 1);
}

fn made(id: KeyId, at: Option<Timestamp>) -> RecordedChange {
    let change = Change::ApiKey { id };
    RecordedChange { change, at }
}

/// L-13: nodes of before changes had a time work on one feed with those of after. Their entries have none, and they read
/// the first field of every entry.
#[tokio::test]
async fn a_node_that_keeps_no_times_goes_on_beside_one_that_does() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let start = head(&store).await;
    let place = (start.0 + 1).to_string();
    let of_old = "7Kq3nX0aVb2LmZ9T";
    let _: String = bench
        .run(&[
            "XADD",
            "@changes",
            &format!("{place}-0"),
            "change",
            &format!("api_key {of_old}"),
        ])
        .await;
    let _: u64 = bench.run(&["HSET", "@meta", "position", &place]).await;
    let key = bench.insert(&store).await.unwrap();

    let batch = store.since(start, 10).await.unwrap();
    assert!(!batch.gap);
    let old = made(of_old.parse().unwrap(), None);
    assert_eq!(batch.changes, [old, made(key.id.clone(), Some(NOW))]);

    let entries: Vec<(String, Vec<String>)> = bench.run(&["XRANGE", "@changes", "-", "+"]).await;
    let first: Vec<_> = entries.iter().map(|(_, fields)| &fields[..2]).collect();
    let words = [of_old, key.id.as_str()].map(|id| format!("api_key {id}"));
    assert_eq!(first, [["change", &words[0]], ["change", &words[1]]]);
}
