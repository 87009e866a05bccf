use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fountain_conformance::{Harness, Rounds};
use fountain_core::Store;
use fountain_store_redis::RedisStore;
use fountain_store_redis::redis::Client;

use crate::workbench::{Namespace, address, connect};

/// A namespace of its own for each store.
#[derive(Debug, Default)]
struct Standalone {
    namespaces: Mutex<Vec<Namespace>>,
}

pub(crate) const FEED_LENGTH: u32 = 1_000;
/// The feed is cut by whole nodes of its stream, of up to 100 changes each.
pub(crate) const FEED_CAPACITY: usize = 1_200;

#[async_trait]
impl Harness for Standalone {
    async fn fresh(&self) -> Arc<dyn Store> {
        let client = Client::open(address("FOUNTAIN_TEST_REDIS", "redis")).unwrap();
        let namespace = Namespace::new(std::slice::from_ref(&client));
        let store = RedisStore::builder(connect(&client).await)
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

    fn rounds(&self) -> Rounds {
        Rounds::default().or_from_environment()
    }

    fn feed_capacity(&self) -> Option<usize> {
        Some(FEED_CAPACITY)
    }
}

fountain_conformance::conformance_tests!(Standalone::default());
