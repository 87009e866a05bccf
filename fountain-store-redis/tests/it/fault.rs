//! F-15 to F-20: a server that forgets scripts, is down, full, slow, or would evict.

use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::StoreErrorKind;
use fountain_core::api_key::KeyStore;
use fountain_core::audit::AuditAction;
use fountain_core::change::ChangeFeed;
use fountain_store_redis::redis::Client;
use fountain_store_redis::{OpenError, RedisStore};
use fountain_tests_faults::{Cut, Direction, Proxy, Seen, Server, within};

use crate::workbench::{Workbench, connect};

/// F-20
#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_again_and_nothing_happens_twice() {
    let bench = Workbench::new();
    let store = bench.open().await;
    bench.insert(&store).await.unwrap();
    for round in 2..=5 {
        let () = bench.run(&["SCRIPT", "FLUSH"]).await;
        let key = bench.insert(&store).await.unwrap();
        let () = bench.run(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(KeyStore::find(&store, &key.id).await.unwrap(), Some(key));
        let events: u64 = bench.run(&["XLEN", "@audit:default"]).await;
        let changes: u64 = bench.run(&["XLEN", "@changes"]).await;
        assert_eq!((events, changes), (round, round));
    }
}

/// F-15, R-106: nothing is answered from less, and the store works again without being opened again.
#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_one_that_comes_back_is_used() {
    let mut server = Server::redis(&["appendonly yes", "appendfsync always"]).await;
    let bench = Workbench::on(&server.url());
    let store = bench
        .builder()
        .await
        .patience(Duration::from_secs(1))
        .open()
        .await
        .unwrap();
    let key = bench.insert(&store).await.unwrap();
    server.kill().await;
    for _ in 0..3 {
        let error = KeyStore::find(&store, &key.id).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        let error = store.head().await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        let error = bench.insert(&store).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
    }
    server.start().await;
    let back = async || KeyStore::find(&store, &key.id).await.ok();
    let (found, _) = within("the store answers again", Duration::from_secs(5), back).await;
    assert_eq!(found, Some(key));
    bench.insert(&store).await.unwrap();
}

/// F-10, R-104: whether a change whose answer was lost has happened, only the server knows. It is not sent again; a call
/// that looks is.
#[tokio::test]
async fn a_change_whose_answer_was_lost_happened_once_and_one_that_was_not_heard_did_not() {
    let server = Server::redis(&[]).await;
    let proxy = Proxy::to(server.address()).await;
    let beside = Workbench::on(&server.url());
    let bench = Workbench::on(&server.url_through(proxy.address()));
    let store = bench.open().await;
    let keys = || {
        let key = bench.key("api_keys");
        let beside = &beside;
        async move { beside.run::<u64>(&["HLEN", &key]).await }
    };
    let first = bench.insert(&store).await.unwrap();

    proxy.cut_when(Direction::ToClient, Seen::Bytes(1), Cut::Before);
    let error = bench.insert(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    assert_eq!(
        (proxy.sprung(), keys().await),
        (1, 2),
        "the answer was lost"
    );

    let back = async || KeyStore::find(&store, &first.id).await.ok();
    within("the store answers again", Duration::from_secs(5), back).await;
    proxy.cut_when(Direction::ToServer, Seen::Bytes(1), Cut::Before);
    let error = bench.insert(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    assert_eq!(
        (proxy.sprung(), keys().await),
        (2, 2),
        "the request was lost"
    );

    within("the store answers again", Duration::from_secs(5), back).await;
    proxy.cut_when(Direction::ToClient, Seen::Bytes(1), Cut::Before);
    let found = KeyStore::find(&store, &first.id).await;
    assert_eq!((proxy.sprung(), found.unwrap()), (3, Some(first)));
}

/// F-16, R-90: a server that does not answer is a timeout, within the patience.
#[tokio::test]
async fn a_server_that_does_not_answer_is_a_timeout_and_its_late_answers_are_nobodys() {
    let server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let store = bench
        .builder()
        .await
        .patience(Duration::from_millis(200))
        .open()
        .await
        .unwrap();
    let key = bench.insert(&store).await.unwrap();
    server.freeze();
    for _ in 0..3 {
        let error = KeyStore::find(&store, &key.id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout);
        let error = bench.insert(&store).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout);
    }
    server.thaw();
    // The changes that timed out happen all the same, once the server goes on: ask, do not assume.
    let patient = bench.open().await;
    assert_eq!(
        KeyStore::find(&patient, &key.id).await.unwrap(),
        Some(key.clone())
    );
    assert_eq!(KeyStore::find(&store, &key.id).await.unwrap(), Some(key));
    let keys: u64 = bench.run(&["HLEN", "@api_keys"]).await;
    assert_eq!(keys, 4);
}

/// F-19, R-69: a full server refuses, forgets nothing, still answers, and takes changes again once something is gone.
#[tokio::test]
async fn a_full_server_refuses_changes_whole_and_forgets_nothing() {
    let server = Server::redis(&["maxmemory 4mb", "maxmemory-policy noeviction"]).await;
    let bench = Workbench::on(&server.url());
    let store = bench.open().await;
    let mut stored = Vec::new();
    let full = loop {
        match bench.insert(&store).await {
            Ok(key) => stored.push(key),
            Err(error) => break error,
        }
        assert!(stored.len() < 20_000, "4 MiB are never full");
    };
    assert_eq!(full.kind(), StoreErrorKind::Full);
    let count = u64::try_from(stored.len()).unwrap();
    let keys: u64 = bench.run(&["HLEN", "@api_keys"]).await;
    let pages: u64 = bench.run(&["ZCARD", "@api_keys:pages"]).await;
    let events: u64 = bench.run(&["XLEN", "@audit:default"]).await;
    let changes: u64 = bench.run(&["XLEN", "@changes"]).await;
    assert_eq!((keys, pages, events, changes), (count, count, count, count));
    for key in &stored {
        assert_eq!(
            KeyStore::find(&store, &key.id).await.unwrap().as_ref(),
            Some(key)
        );
    }
    // What connections use comes and goes; from here on it is full by far.
    let () = bench.run(&["CONFIG", "SET", "maxmemory", "3mb"]).await;
    assert!(store.head().await.is_ok(), "looking needs no memory");
    bench.open().await;

    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyRevoked);
    let refused = KeyStore::revoke(&store, &bench.tenant, &stored[0].id, NOW, event).await;
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Full);
    let purged = KeyStore::purge(&store, fountain_core::Timestamp::MAX, stored.len() / 2).await;
    assert_eq!(purged.unwrap(), count / 2);
    let () = bench.run(&["CONFIG", "SET", "maxmemory", "4mb"]).await;
    bench.insert(&store).await.unwrap();
}

/// F-19, R-107
#[tokio::test]
async fn a_server_that_evicts_is_refused_and_one_that_may_forget_needs_the_hosts_word() {
    let server = Server::redis(&["maxmemory 64mb", "maxmemory-policy allkeys-lru"]).await;
    let bench = Workbench::on(&server.url());
    let refused = bench.builder().await.open().await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::Evicts(policy) if policy == "allkeys-lru"),
        "{refused}"
    );
    assert!(refused.to_string().contains("noeviction"));
    let refused = bench
        .builder()
        .await
        .assume_noeviction()
        .open()
        .await
        .unwrap_err();
    assert!(matches!(refused, OpenError::Evicts(_)), "{refused}");

    let () = bench
        .run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .await;
    let connection = connect(&bench.client).await;
    let refused = RedisStore::builder(connection).open().await.unwrap_err();
    assert!(matches!(refused, OpenError::Volatile { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .contains("accept_volatile_security_state()"),
        "{refused}"
    );
    bench.open().await;
}

/// no answer comes from a replica, at the start and when the primary has become one.
#[tokio::test]
async fn a_replica_is_refused_and_a_primary_that_became_one_answers_nothing() {
    let primary = Server::redis(&[]).await;
    let server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    let port = primary.address().port().to_string();
    let () = bench.run(&["REPLICAOF", "127.0.0.1", &port]).await;

    let looked = KeyStore::find(&store, &key.id).await.unwrap_err();
    let inserted = bench.insert(&store).await.unwrap_err();
    let head = store.head().await.unwrap_err();
    for error in [looked, inserted, head] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    }
    let refused = bench.builder().await.open().await.unwrap_err();
    assert!(matches!(refused, OpenError::Store(_)), "{refused}");
}

/// F-18: a primary that lost its replicas, and may have been replaced already, does not answer from what it has.
#[tokio::test]
async fn a_primary_that_lost_its_replicas_answers_nothing_where_the_server_is_told_so() {
    let server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    let () = bench
        .run(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .await;
    let looked = KeyStore::find(&store, &key.id).await.unwrap_err();
    let inserted = bench.insert(&store).await.unwrap_err();
    let read = store.head().await.unwrap_err();
    for error in [looked, inserted, read] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    }
}

/// A user without the right to `INFO` is told which right it is.
#[tokio::test]
async fn a_missing_right_is_named() {
    let server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let () = bench
        .run(&[
            "ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-info",
        ])
        .await;
    let url = format!("redis://app:pass@{}/", server.address());
    let refused = Workbench::on(&url)
        .builder()
        .await
        .open()
        .await
        .unwrap_err();
    let mut shown = refused.to_string();
    let mut source = std::error::Error::source(&refused);
    while let Some(error) = source {
        shown.push_str(&format!(": {error}"));
        source = error.source();
    }
    assert!(shown.contains("may not run INFO"), "{shown}");
}

/// The rights that the README lists are enough.
#[tokio::test]
async fn the_rights_in_the_readme_are_enough() {
    let server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let readme = include_str!("../../README.md");
    let rights = readme
        .lines()
        .find_map(|line| line.strip_prefix("ACL SETUSER fountain "))
        .unwrap();
    let rights = rights.replace("{fountain}", &format!("{{{}}}", bench.namespace.name));
    let words: Vec<_> = ["ACL", "SETUSER", "fountain"]
        .into_iter()
        .chain(rights.split(' '))
        .collect();
    let () = bench.run(&words).await;
    let url = format!("redis://fountain:a-long-password@{}/", server.address());
    let limited = connect(&Client::open(url).unwrap()).await;
    let store = RedisStore::builder(limited)
        .namespace(&bench.namespace.name)
        .accept_volatile_security_state()
        .open()
        .await
        .unwrap();
    let key = bench.insert(&store).await.unwrap();
    assert_eq!(KeyStore::find(&store, &key.id).await.unwrap(), Some(key));
    store.head().await.unwrap();
    KeyStore::purge(&store, NOW, 10).await.unwrap();
}

#[tokio::test]
async fn a_namespace_that_cannot_be_a_hash_tag_and_a_store_of_a_later_version_are_refused() {
    let bench = Workbench::new();
    for wrong in ["", "a{b", "a}b", "a b", "ü", &"x".repeat(65)] {
        let refused = bench
            .builder()
            .await
            .namespace(wrong)
            .open()
            .await
            .unwrap_err();
        assert!(
            matches!(refused, OpenError::Namespace),
            "{wrong}: {refused}"
        );
    }
    bench.open().await;
    let _: u64 = bench.run(&["HSET", "@meta", "format", "2"]).await;
    let refused = bench.builder().await.open().await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::Store(error) if error.kind() == StoreErrorKind::Schema),
        "{refused}"
    );
}
