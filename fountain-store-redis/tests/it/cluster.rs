//! The same suite on a cluster of three primaries: every script's keys are in one slot.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fountain_conformance::{Fixtures, Harness, Rounds};
use fountain_core::api_key::KeyStore;
use fountain_core::audit::AuditAction;
use fountain_core::change::{ChangeBell, ChangeFeed};
use fountain_core::{Store, Tenant};
use fountain_store_redis::redis::Client;
use fountain_store_redis::redis::cluster::ClusterClient;
use fountain_store_redis::redis::cluster_async::ClusterConnection;
use fountain_store_redis::{ChangeListener, RedisBell, RedisStore};

use crate::conformance::{FEED_CAPACITY, FEED_LENGTH};
use crate::workbench::{Namespace, address};

#[derive(Debug, Default)]
struct Cluster {
    namespaces: Mutex<Vec<Namespace>>,
}

fn nodes() -> Vec<String> {
    let nodes = address("FOUNTAIN_TEST_REDIS_CLUSTER", "redis-cluster");
    nodes.split(',').map(str::to_owned).collect()
}

fn clients() -> Vec<Client> {
    let open = |node| Client::open(node).unwrap();
    nodes().into_iter().map(open).collect()
}

async fn connect() -> ClusterConnection {
    ClusterClient::builder(nodes())
        .connection_timeout(Duration::from_secs(30))
        .response_timeout(Duration::from_secs(60))
        .build()
        .unwrap()
        .get_async_connection()
        .await
        .unwrap()
}

#[async_trait]
impl Harness for Cluster {
    async fn fresh(&self) -> Arc<dyn Store> {
        let namespace = Namespace::new(&clients());
        let store = RedisStore::builder(connect().await)
            .namespace(&namespace.name)
            .patience(Duration::from_secs(60))
            .feed_length(NonZeroU32::new(FEED_LENGTH).unwrap())
            .accept_volatile_security_state()
            .open()
            .await
            .unwrap();
        self.namespaces.lock().unwrap().push(namespace);
        Arc::new(store)
    }

    /// The scripts are the ones that a single server runs at full length; here it is their keys that are tried.
    fn rounds(&self) -> Rounds {
        Rounds::default().races(50).polls(50).sequences(50)
    }

    fn feed_capacity(&self) -> Option<usize> {
        Some(FEED_CAPACITY)
    }
}

fountain_conformance::conformance_tests!(Cluster::default());

/// Stores spread over the nodes by their namespaces, and each node alone holds all of its stores.
#[tokio::test]
async fn each_store_is_whole_on_one_node_and_stores_are_on_all_of_them() {
    let clients = clients();
    let fixtures = Fixtures::seeded(7);
    let tenant = Tenant::default();
    let mut holders = vec![0; clients.len()];
    for _ in 0..24 {
        let namespace = Namespace::new(&clients);
        let store = RedisStore::builder(connect().await)
            .namespace(&namespace.name)
            .accept_volatile_security_state()
            .patience(Duration::from_secs(20))
            .open()
            .await
            .unwrap();
        let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
        KeyStore::insert(&store, fixtures.api_key(&tenant), event)
            .await
            .unwrap();
        store.head().await.unwrap();
        let counts: Vec<_> = clients
            .iter()
            .map(|node| namespace.keys(node).len())
            .collect();
        let holding: Vec<_> = (0..counts.len()).filter(|&node| counts[node] > 0).collect();
        assert_eq!(holding.len(), 1, "{counts:?}");
        holders[holding[0]] += 1;
    }
    assert!(holders.iter().all(|&stores| stores > 0), "{holders:?}");
}

/// A message reaches every node of a cluster, so that any of them will do to listen on; and any carries a bell.
#[tokio::test]
async fn whichever_node_is_listened_on_hears_of_a_change_and_of_a_bell() {
    let namespace = Namespace::new(&clients());
    let store = RedisStore::builder(connect().await)
        .namespace(&namespace.name)
        .accept_volatile_security_state()
        .patience(Duration::from_secs(20))
        .open()
        .await
        .unwrap();
    let bell = RedisBell::new(connect().await, store.channel());
    let listen = |node| ChangeListener::new(node, store.channel());
    let mut listeners: Vec<_> = clients().into_iter().map(listen).collect();
    assert!(listeners.len() > 1);
    for listener in &mut listeners {
        listener.changed().await;
    }
    let fixtures = Fixtures::seeded(8);
    for round in 0..6 {
        if round % 2 == 0 {
            let event = fixtures.event(&Tenant::default(), AuditAction::ApiKeyIssued);
            let key = fixtures.api_key(&Tenant::default());
            KeyStore::insert(&store, key, event).await.unwrap();
        } else {
            bell.ring();
        }
        for listener in &mut listeners {
            let heard = tokio::time::timeout(Duration::from_millis(900), listener.changed());
            assert!(heard.await.is_ok(), "it waited for the poll");
        }
    }
}
