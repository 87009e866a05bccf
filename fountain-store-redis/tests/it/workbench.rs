//! What the tests share: a namespace of their own in a server, and a store in it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use fountain_conformance::Fixtures;
use fountain_core::api_key::{ApiKeyRecord, InsertKeyOutcome, KeyStore};
use fountain_core::audit::AuditAction;
use fountain_core::{StoreError, Tenant};
use fountain_store_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use fountain_store_redis::redis::{Client, FromRedisValue, cmd};
use fountain_store_redis::{RedisStore, RedisStoreBuilder};

/// The address in this variable. A test without its server has not run, and does not pass.
pub(crate) fn address(variable: &str, service: &str) -> String {
    std::env::var_os(variable)
        .and_then(|url| url.into_string().ok())
        .unwrap_or_else(|| {
            panic!(
                "{variable} is not set: run `eval \"$(scripts/services start {service})\"` first"
            )
        })
}

/// A namespace that nothing else uses; its keys are deleted when it is dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    pub(crate) name: String,
    nodes: Vec<Client>,
}

impl Namespace {
    pub(crate) fn new(nodes: &[Client]) -> Self {
        // Random by the system's own keys: no run meets what a killed one left.
        let name = format!("test:{:016x}", RandomState::new().hash_one(()));
        Self {
            name,
            nodes: nodes.to_vec(),
        }
    }
}

impl Namespace {
    /// The keys of this namespace on a node; none when the node is gone.
    pub(crate) fn keys(&self, node: &Client) -> Vec<String> {
        let Ok(mut connection) = node.get_connection_with_timeout(Duration::from_secs(10)) else {
            return Vec::new();
        };
        let (mut found, mut cursor) = (Vec::new(), 0_u64);
        loop {
            let page: Result<(u64, Vec<String>), _> = cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(format!("{{{}}}:*", self.name))
                .arg("COUNT")
                .arg(1_000)
                .query(&mut connection);
            let Ok((next, keys)) = page else { return found };
            found.extend(keys);
            if next == 0 {
                return found;
            }
            cursor = next;
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for node in &self.nodes {
            // A server that a test has killed holds nothing any more.
            let Ok(mut connection) = node.get_connection_with_timeout(Duration::from_secs(10))
            else {
                continue;
            };
            for key in self.keys(node) {
                let _gone = cmd("UNLINK").arg(key).exec(&mut connection);
            }
        }
    }
}

/// One multiplexed connection, patient: many cases share few cores, and a late answer is a failure to the suite.
pub(crate) async fn connect(client: &Client) -> ConnectionManager {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(30)))
        .set_response_timeout(Some(Duration::from_secs(60)));
    ConnectionManager::new_with_config(client.clone(), config)
        .await
        .unwrap()
}

/// A server, a namespace in it, and what is made for it.
pub(crate) struct Workbench {
    pub(crate) client: Client,
    pub(crate) namespace: Namespace,
    pub(crate) fixtures: Fixtures,
    pub(crate) tenant: Tenant,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        Self::on(&address("FOUNTAIN_TEST_REDIS", "redis"))
    }

    pub(crate) fn on(url: &str) -> Self {
        let client = Client::open(url).unwrap();
        Self {
            namespace: Namespace::new(std::slice::from_ref(&client)),
            client,
            fixtures: Fixtures::seeded(1),
            tenant: Tenant::default(),
        }
    }

    pub(crate) async fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(connect(&self.client).await)
            .namespace(&self.namespace.name)
            .patience(Duration::from_secs(20))
            .accept_volatile_security_state()
    }

    pub(crate) async fn open(&self) -> RedisStore {
        self.builder().await.open().await.unwrap()
    }

    pub(crate) async fn insert(&self, store: &RedisStore) -> Result<ApiKeyRecord, StoreError> {
        let record = self.fixtures.api_key(&self.tenant);
        let event = self.fixtures.event(&self.tenant, AuditAction::ApiKeyIssued);
        let outcome = KeyStore::insert(store, record.clone(), event).await?;
        assert_eq!(outcome, InsertKeyOutcome::Inserted);
        Ok(record)
    }

    /// The name of one of the store's keys.
    pub(crate) fn key(&self, table: &str) -> String {
        format!("{{{}}}:{table}", self.namespace.name)
    }

    /// Runs a command beside the store: words with a blank between them, where `@table` is one of the store's keys.
    pub(crate) async fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let mut words = words.iter();
        let mut command = cmd(words.next().unwrap());
        for word in words {
            match word.strip_prefix('@') {
                Some(table) => command.arg(self.key(table)),
                None => command.arg(word),
            };
        }
        command.query_async(&mut connection).await.unwrap()
    }
}
