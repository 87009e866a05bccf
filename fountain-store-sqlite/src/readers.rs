//! The connections that read.
//!
//! Not sqlx's pool: that asks each connection whether it lives as it comes back, which is another trip to the
//! connection's thread for every look-up. A connection to a file has no peer that could be gone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::from_sqlx;
use crate::sql::{self, Query};

#[derive(Debug)]
pub(crate) struct Readers {
    options: SqliteConnectOptions,
    patience: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection that goes back when this is dropped, wherever that happens: a look-up that is dropped half way
/// leaves nothing on it that the next one could see.
struct Loan<'r> {
    connection: Option<SqliteConnection>,
    readers: &'r Readers,
    // Dropped last: a connection is back before its permit is.
    _permit: SemaphorePermit<'r>,
}

impl Readers {
    /// At most `count` connections, each opened when it is first needed.
    pub(crate) fn new(options: SqliteConnectOptions, count: u32, patience: Duration) -> Self {
        let count = usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            options: options.pragma("query_only", "ON"),
            patience,
            permits: Semaphore::new(count.min(Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
        }
    }

    /// The one row of a query; it sees every change acknowledged so far.
    pub(crate) async fn row(&self, query: Query<'_>) -> Result<Option<SqliteRow>, StoreError> {
        let mut loan = self.lend().await?;
        let found = sql::row(loan.connection().await?, query).await;
        loan.settle(found)
    }

    /// The rows of a query; it sees every change acknowledged so far.
    pub(crate) async fn rows(&self, query: Query<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        let mut loan = self.lend().await?;
        let found = sql::rows(loan.connection().await?, query).await;
        loan.settle(found)
    }

    /// Closes what is idle; calls that come after are refused, and those that read still finish.
    pub(crate) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // It has read only: there is nothing that a failure could lose.
            let _closed = connection.close().await;
        }
    }

    async fn lend(&self) -> Result<Loan<'_>, StoreError> {
        let permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(self.patience, self.permits.acquire())
                .await
                .map_err(|_| StoreError::new(StoreErrorKind::Timeout))?
                .map_err(|_| StoreError::new(StoreErrorKind::Unavailable))?,
        };
        Ok(Loan {
            connection: self.idle().pop(),
            readers: self,
            _permit: permit,
        })
    }

    // A panic cannot leave a list of connections half changed.
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loan<'_> {
    async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.readers.options.connect().await.map_err(from_sqlx)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Gives up a connection that may be of no use any more.
    fn settle<T>(&mut self, found: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &found
            && error.kind() != StoreErrorKind::Timeout
        {
            self.connection = None;
        }
        found
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.readers.permits.is_closed()
        {
            self.readers.idle().push(connection);
        }
    }
}
