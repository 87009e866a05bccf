use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fountain_core::StoreError;
use sqlx::sqlite::SqliteConnection;

use crate::builder::SqliteStoreBuilder;
use crate::readers::Readers;
use crate::sql::{self, Query};
use crate::trail::Trail;
use crate::writer::{StepFuture, Writer};

/// How many rows one step of a purge removes.
const ROWS_IN_A_PURGE: i64 = 500;

/// Every store trait of Fountain, in one SQLite file.
///
/// Cheap to clone; all clones are one store. See the [crate's documentation](crate) for what it promises.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) trail: Trail,
}

impl SqliteStore {
    /// Opens the store in this file with the defaults of [`SqliteStore::builder`], and makes the file if there is none.
    ///
    /// Call it within a tokio runtime with time enabled: the store lives as long as that runtime.
    ///
    /// # Errors
    /// - `Schema`: the file was written by a newer version of this crate, or its tables are not this crate's.
    /// - `Timeout`: another process holds its lock for longer than 1 s.
    /// - `Corrupt`: it is not a SQLite database, or a damaged one.
    /// - `Full`, `Unavailable`: it cannot be made or opened.
    ///
    /// # Cancel safety
    /// When dropped, the file may or may not have been made; its tables are there whole or not at all.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::builder(path).open().await
    }

    /// What to decide before opening.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.as_ref())
    }

    /// The file, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Finishes the changes that wait, then closes the file. Calls that come after are `Unavailable`.
    ///
    /// Not needed for durability, since every acknowledged change is on disk already; it empties the
    /// write-ahead log into the file and gives the file free.
    ///
    /// # Cancel safety
    /// When dropped, the store may stay open; close it again.
    pub async fn close(&self) {
        self.shared.writer.close().await;
        self.shared.readers.close().await;
    }

    pub(crate) const fn from_shared(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn trail(&self) -> Trail {
        self.shared.trail
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.shared.readers
    }

    /// One atomic step: see [`Writer::step`].
    pub(crate) async fn write<T, F>(&self, step: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> StepFuture<'c, T> + Send + 'static,
    {
        self.shared.writer.step(step).await
    }

    /// Deletes at most `limit` rows by a statement that deletes at most as many as it is told, a bounded number
    /// in each step, so that nobody waits long behind it.
    pub(crate) async fn purge_in_batches(
        &self,
        limit: usize,
        delete: impl Fn(i64) -> Query<'static> + Copy + Send + 'static,
    ) -> Result<u64, StoreError> {
        let mut left = sql::limit(limit);
        let mut removed = 0;
        while left > 0 {
            let batch = left.min(ROWS_IN_A_PURGE);
            let gone = self
                .write(move |connection| {
                    Box::pin(async move {
                        let done = sql::execute(connection, delete(batch)).await?;
                        Ok(done.rows_affected())
                    })
                })
                .await?;
            removed += gone;
            if sql::counter(gone) < batch {
                break;
            }
            left -= batch;
        }
        Ok(removed)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}
