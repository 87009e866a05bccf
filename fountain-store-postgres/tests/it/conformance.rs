use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fountain_conformance::{Harness, Rounds};
use fountain_core::Store;
use fountain_store_postgres::PostgresStore;

use crate::server::Database;

/// A database of its own for each store.
#[derive(Debug, Default)]
struct Postgres {
    databases: Mutex<Vec<Database>>,
}

const FEED_LENGTH: u32 = 4_000;

#[async_trait]
impl Harness for Postgres {
    async fn fresh(&self) -> Arc<dyn Store> {
        let database = Database::migrated().await;
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(12)
            .acquire_timeout(Duration::from_secs(60))
            .test_before_acquire(false)
            .connect_lazy_with(database.options());
        self.databases.lock().unwrap().push(database);
        let store = PostgresStore::builder(pool)
            // Many cases share few cores, and a late answer is a failure to the suite.
            .deadline(Duration::from_secs(60))
            .feed_length(NonZeroU32::new(FEED_LENGTH).unwrap())
            .build()
            .await
            .unwrap();
        Arc::new(store)
    }

    fn rounds(&self) -> Rounds {
        Rounds::default()
            .races(20)
            .polls(50)
            .sequences(50)
            .or_from_environment()
    }

    fn feed_capacity(&self) -> Option<usize> {
        Some(usize::try_from(FEED_LENGTH).unwrap())
    }
}

fountain_conformance::conformance_tests!(Postgres::default());
