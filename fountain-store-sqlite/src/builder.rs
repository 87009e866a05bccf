use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fountain_core::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use crate::error::{from_io, from_sqlx};
use crate::readers::Readers;
use crate::store::{Shared, SqliteStore};
use crate::trail::Trail;
use crate::writer::Writer;
use crate::{file, migration};

/// Behind how many pages the write-ahead log is copied into the file: 16 MiB, four times SQLite's default.
const LOG_PAGES: &str = "4096";
/// To what size, in bytes, the log is cut back after that: the same 16 MiB.
const LOG_BYTES: &str = "16777216";

/// What to decide before a [`SqliteStore`] is opened. Every default is the safe one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("fountain.db");
/// use fountain_store_sqlite::SqliteStore;
/// use std::time::Duration;
///
/// let store = SqliteStore::builder(&path)
///     .patience(Duration::from_millis(500))
///     .max_bytes(1 << 30)
///     .open()
///     .await?;
/// store.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder opens nothing until `open`"]
pub struct SqliteStoreBuilder {
    path: PathBuf,
    patience: Duration,
    readers: NonZeroU32,
    feed_length: NonZeroU32,
    max_bytes: Option<u64>,
    migrate: bool,
    unsynced: bool,
}

async fn make_ready(connection: &mut SqliteConnection, migrate: bool) -> Result<(), StoreError> {
    file::use_write_ahead_log(connection).await?;
    migration::run(connection, migrate).await
}

impl SqliteStoreBuilder {
    /// How long a call waits for its turn and for the file's lock unless told otherwise: 1 s (R-105).
    pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(1);
    /// How many connections read at once unless told otherwise: 4.
    pub const DEFAULT_READERS: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
    /// How many changes the feed keeps unless told otherwise: 100,000.
    pub const DEFAULT_FEED_LENGTH: NonZeroU32 = NonZeroU32::MIN.saturating_add(99_999);

    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            patience: Self::DEFAULT_PATIENCE,
            readers: Self::DEFAULT_READERS,
            feed_length: Self::DEFAULT_FEED_LENGTH,
            max_bytes: None,
            migrate: true,
            unsynced: false,
        }
    }

    /// How long a call waits for its turn and for the file's lock before it is `Timeout`, up to one hour.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(Duration::from_secs(3_600));
        self
    }

    /// How many connections read at once.
    pub const fn readers(mut self, readers: NonZeroU32) -> Self {
        self.readers = readers;
        self
    }

    /// How many changes the feed keeps at least; a node that was away for more of them forgets all its caches.
    pub const fn feed_length(mut self, changes: NonZeroU32) -> Self {
        self.feed_length = changes;
        self
    }

    /// The size, in bytes, beyond which the file does not grow: a change that needs more is `Full` (R-69).
    ///
    /// Counts whole pages. The write-ahead log beside the file is cut back to 16 MiB; under load it may be larger
    /// for a while.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Whether opening brings the tables to this crate's version, which is the default.
    ///
    /// With `false` the host runs [`MIGRATIONS`](crate::MIGRATIONS) with a tool of its own, and opening a file
    /// whose tables are older is `Schema`.
    pub const fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// Acknowledges changes before they are on disk: for tests and throwaway stores only.
    ///
    /// # Security
    /// After a power cut, acknowledged revocations are gone and the file may be damaged.
    pub const fn insecure_unsynced(mut self) -> Self {
        self.unsynced = true;
        self
    }

    /// Opens the store, and makes the file if there is none.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    ///
    /// # Cancel safety
    /// As [`SqliteStore::open`].
    pub async fn open(self) -> Result<SqliteStore, StoreError> {
        // Absolute: SQLite gives `:memory:`, the empty name and `file:` meanings of their own.
        let path = std::path::absolute(&self.path).map_err(from_io)?;
        file::prepare(path.clone()).await?;

        let options = self.options(&path);
        let mut connection = options.connect().await.map_err(from_sqlx)?;
        if let Err(error) = make_ready(&mut connection, self.migrate).await {
            // Waited for, so that no lock outlives the answer. The error that counts is the first.
            let _closed = connection.close().await;
            return Err(error);
        }

        let readers = Readers::new(options.clone(), self.readers.get(), self.patience);
        Ok(SqliteStore::from_shared(Arc::new(Shared {
            path,
            writer: Writer::start(connection, options, self.patience),
            readers,
            trail: Trail {
                feed_length: self.feed_length.get(),
            },
        })))
    }

    fn options(&self, path: &Path) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(path)
            // The file is made by `file::prepare`. One that vanishes while the store is open is not made anew:
            // an empty store would have forgotten every revocation.
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(self.patience)
            .synchronous(if self.unsynced {
                SqliteSynchronous::Off
            } else {
                SqliteSynchronous::Full
            })
            // Nothing that a file's schema brings along may run functions with side effects.
            .pragma("trusted_schema", "OFF")
            // What is deleted or wiped is overwritten, not only forgotten: sealed keys, people's data.
            .pragma("secure_delete", "ON")
            // Where a sync needs more than that to reach the disk (macOS).
            .pragma("fullfsync", "ON")
            .pragma("checkpoint_fullfsync", "ON")
            // A page that many changes touch is copied into the file once for all of them.
            .pragma("wal_autocheckpoint", LOG_PAGES)
            // The log shrinks again after a burst.
            .pragma("journal_size_limit", LOG_BYTES)
            .disable_statement_logging();
        match self.max_bytes {
            None => options,
            Some(bytes) => {
                let pages = (bytes / u64::from(file::PAGE_BYTES)).clamp(1, u64::from(u32::MAX - 1));
                options.pragma("max_page_count", pages.to_string())
            }
        }
        .page_size(file::PAGE_BYTES)
    }
}
