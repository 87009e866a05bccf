//! The bell that tells other nodes of a change (issue 3), and the wirings that the builder refuses.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fountain_core::access::Authority;
use fountain_core::api_key::{NewApiKey, Rotation};
use fountain_core::change::{ChangeBell, ChangeCursor, ChangeFeed};
use fountain_core::identity::ClientId;
use fountain_core::memory::MemoryStore;
use fountain_core::token::{NewTokens, RefreshRequest};
use fountain_core::{
    Actor, ConfigError, Fountain, FountainBuilder, ManualClock, Subject, Tenant, Timestamp,
};

use crate::tokens::builder;

/// Notes how much was in the feed at each ring.
#[derive(Debug)]
struct Noting {
    feed: Arc<MemoryStore>,
    rings: AtomicU64,
    newest: Mutex<ChangeCursor>,
}

impl ChangeBell for Noting {
    fn ring(&self) {
        // The memory store answers at once.
        let head = pin!(self.feed.head()).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(head)) = head else {
            panic!("the memory store waits for nobody")
        };
        *self.newest.lock().unwrap() = head;
        self.rings.fetch_add(1, Ordering::SeqCst);
    }
}

struct Node {
    fountain: Fountain,
    store: Arc<MemoryStore>,
    bell: Arc<Noting>,
    clock: Arc<ManualClock>,
    tenant: Tenant,
}

impl Node {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
        let store = Arc::new(MemoryStore::new());
        let bell = Arc::new(Noting {
            feed: store.clone(),
            rings: AtomicU64::new(0),
            newest: Mutex::default(),
        });
        let fountain = builder(&store, &clock).change_bell(bell.clone());
        Self {
            fountain: fountain.build().await.unwrap(),
            store,
            bell,
            clock,
            tenant: Tenant::default(),
        }
    }

    /// Makes a change, which must be in the feed when the bell has rung for the last time.
    async fn rings_after<T>(&self, what: &str, change: impl Future<Output = T>) -> T {
        let rang = self.bell.rings.load(Ordering::SeqCst);
        let before = self.store.head().await.unwrap();
        let made = change.await;
        let after = self.store.head().await.unwrap();
        assert!(after > before, "{what} is a change");
        assert!(self.bell.rings.load(Ordering::SeqCst) > rang, "{what}");
        assert_eq!(
            *self.bell.newest.lock().unwrap(),
            after,
            "{what}: too early"
        );
        made
    }
}

/// L-13: whatever a node changes, it rings for, and not before the store has it.
#[tokio::test]
async fn the_bell_rings_after_every_kind_of_change() {
    let node = Node::new().await;
    let (fountain, tenant) = (&node.fountain, &node.tenant);
    let system = Authority::System;

    let keys = fountain.api_keys();
    let new = NewApiKey::for_service("billing").scope("orders:read");
    let issued = keys.issue(system, tenant, new).await.unwrap();
    let id = &issued.record.id;
    let made = node.rings_after("disabling a key", keys.disable(system, tenant, id));
    made.await.unwrap();
    let made = node.rings_after("enabling a key", keys.enable(system, tenant, id));
    made.await.unwrap();
    let rotation = Rotation::new();
    let made = node.rings_after("rotating a key", keys.rotate(system, tenant, id, rotation));
    drop(made.await.unwrap());
    let made = node.rings_after("revoking a key", keys.revoke(system, tenant, id));
    made.await.unwrap();

    let (subjects, alice) = (fountain.subjects(), Subject::new("alice").unwrap());
    let registered = subjects.register(system, tenant, &alice, [""; 0]);
    registered.await.unwrap();
    let made = subjects.assign(system, tenant, &alice, ["clerk"]);
    node.rings_after("new roles", made).await.unwrap();
    let made = subjects.disable(system, tenant, &alice);
    node.rings_after("disabling a subject", made).await.unwrap();
    let made = subjects.enable(system, tenant, &alice);
    node.rings_after("enabling a subject", made).await.unwrap();

    let (tokens, client) = (fountain.tokens(), ClientId::new("web").unwrap());
    let issue = async || {
        let new = NewTokens::new(alice.clone(), client.clone());
        tokens.issue(&Actor::System, new).await.unwrap()
    };
    let family = issue().await.family;
    let made = tokens.revoke_family(&Actor::System, tenant, &family);
    node.rings_after("ending a family", made).await.unwrap();
    // Disabling her has revoked all that she was issued up to then.
    node.clock.advance(Duration::from_secs(2));
    let made = tokens.revoke_subject(&Actor::System, tenant, &alice);
    node.rings_after("ending a subject's tokens", made)
        .await
        .unwrap();

    let stolen = issue().await.refresh_token;
    let refresh = async || {
        let request = RefreshRequest::new(stolen.clone(), client.clone());
        tokens.refresh(request).await
    };
    drop(refresh().await.unwrap());
    node.clock.advance(Duration::from_secs(60));
    let refused = node.rings_after("a spent refresh token that came back", refresh());
    refused.await.unwrap_err();

    let kid = fountain.keyring().bootstrap().await.unwrap();
    let made = fountain.keyring().revoke(&kid, Actor::System, "stolen");
    node.rings_after("revoking a signing key", made)
        .await
        .unwrap();
}

/// What changes nothing that others could remember rings for nobody: a bell for each request would wake every node.
#[tokio::test]
async fn the_bell_is_silent_while_nothing_changes() {
    let node = Node::new().await;
    let rang = node.bell.rings.load(Ordering::SeqCst);
    let new = NewTokens::new(
        Subject::new("alice").unwrap(),
        ClientId::new("web").unwrap(),
    );
    let issued = node.fountain.tokens().issue(&Actor::System, new).await;
    let issued = issued.unwrap();
    let access = issued.access.access_token.expose();
    node.fountain.tokens().verify(access).await.unwrap();
    let request = RefreshRequest::new(issued.refresh_token, ClientId::new("web").unwrap());
    drop(node.fountain.tokens().refresh(request).await.unwrap());
    node.fountain.tick().await.unwrap();
    assert_eq!(node.bell.rings.load(Ordering::SeqCst), rang);
}

/// L-13: a store beside the first one is refused where its changes could be in no feed, or a family's end in no store.
#[tokio::test]
async fn wirings_that_open_a_hole_by_omission_are_refused() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let (store, other) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    let refused = async |wiring: FountainBuilder| {
        let errors = wiring.build().await.unwrap_err();
        let settings = errors.iter().filter_map(|error| match error {
            ConfigError::Invalid { setting, .. } => Some(*setting),
            _ => None,
        });
        settings.collect::<Vec<_>>()
    };
    let wiring = || builder(&store, &clock);
    for without_feed in [
        wiring().key_store(other.clone()),
        wiring().signing_key_store(other.clone()),
        wiring().subject_store(other.clone()),
        wiring()
            .refresh_token_store(other.clone())
            .revocation_store(other.clone()),
    ] {
        assert_eq!(refused(without_feed).await, ["change_feed"]);
    }
    for apart in [
        wiring().refresh_token_store(other.clone()),
        wiring().revocation_store(other.clone()),
    ] {
        let apart = apart.change_feed(store.clone());
        assert_eq!(refused(apart).await, ["revocation_store"]);
    }
    let whole = wiring()
        .refresh_token_store(other.clone())
        .revocation_store(other.clone())
        .change_feed(other.clone());
    whole.build().await.unwrap();
    // Holds no state that anybody remembers.
    wiring().audit_store(other).build().await.unwrap();
}
