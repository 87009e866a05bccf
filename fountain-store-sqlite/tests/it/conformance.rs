use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fountain_conformance::{Harness, Rounds};
use fountain_core::Store;
use fountain_store_sqlite::SqliteStore;
use tempfile::TempDir;

/// A file of its own for each store. Not synced: the disk's speed is not what the suite asks about.
#[derive(Debug, Default)]
struct Sqlite {
    folders: Mutex<Vec<TempDir>>,
}

const FEED_LENGTH: u32 = 4_000;

#[async_trait]
impl Harness for Sqlite {
    async fn fresh(&self) -> Arc<dyn Store> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fountain.db");
        self.folders.lock().unwrap().push(folder);
        let store = SqliteStore::builder(path)
            .insecure_unsynced()
            // Many cases share few cores, and a late answer is a failure to the suite.
            .patience(Duration::from_secs(60))
            .feed_length(NonZeroU32::new(FEED_LENGTH).unwrap())
            .open()
            .await
            .unwrap();
        Arc::new(store)
    }

    fn rounds(&self) -> Rounds {
        Rounds::default().or_from_environment()
    }

    fn feed_capacity(&self) -> Option<usize> {
        // The feed is cut in steps of 64.
        Some(usize::try_from(FEED_LENGTH).unwrap() + 64)
    }
}

fountain_conformance::conformance_tests!(Sqlite::default());
