use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{Connection, Executor, PgPool, PgTransaction, Row};

use crate::api_key::KeyByDigest;
use crate::bell::Bell;
use crate::builder::PostgresStoreBuilder;
use crate::carried::Carried;
use crate::error::{from_sqlx, standby};
use crate::link::Link;
use crate::migration;
use crate::sql::{self, Fields, Statement};
use crate::together::Desk;

/// How many rows one step of a purge removes.
const ROWS_IN_A_PURGE: i64 = 500;

/// Every store trait of Fountain, in the schema `fountain` of a PostgreSQL database.
///
/// Cheap to clone; all clones are one store. See the [crate's documentation](crate) for what it promises.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) bell: Bell,
    pub(crate) deadline: Duration,
    pub(crate) feed_length: u32,
    pub(crate) prepared: bool,
    pub(crate) keys: Desk<KeyByDigest>,
}

impl PostgresStore {
    /// The longest that a call waits unless told otherwise, its wait for a connection included: 1 s (R-90, R-105).
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(1);

    /// What to decide before the store is used; the pool is the host's.
    pub fn builder(pool: PgPool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(pool)
    }

    /// Settings for a pool that serves Fountain: a start to change, not a demand.
    ///
    /// - A connection is waited for 1 s at most (R-105), and is not asked whether it lives before each use: that is a
    ///   trip to the server for each call.
    /// - The server ends a statement that takes longer than 2 s, and one that waits for a lock longer than 1 s: a
    ///   call that was given up must not go on occupying the server. PgBouncer in transaction mode would mix these
    ///   up between clients: there, set them for the role instead, as `deploy/roles.sql` does.
    /// - A connection that comes back with a transaction open is closed. sqlx 0.9 leaves one open when the future of
    ///   a `begin` is dropped at the wrong moment; this store never calls it on a pool, but a host may (R-103). It
    ///   costs a trip to the server behind each call.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use fountain_store_postgres::PostgresStore;
    ///
    /// let pool = PostgresStore::pool_options()
    ///     .max_connections(16)
    ///     .connect("postgres://fountain_app@db/orders?sslmode=verify-full")
    ///     .await?;
    /// let store = PostgresStore::builder(pool).build().await?;
    /// # drop(store);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pool_options() -> PgPoolOptions {
        PgPoolOptions::new()
            .acquire_timeout(Self::DEFAULT_DEADLINE)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let limits = "SET statement_timeout = '2s'; SET lock_timeout = '1s'";
                    connection.execute(limits).await.map(drop)
                })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    // In an open transaction, now() is when that began.
                    let row = connection
                        .fetch_one("SELECT now() = statement_timestamp() AS clean")
                        .await?;
                    row.try_get("clean")
                })
            })
    }

    /// Brings the tables to this crate's version, on a connection of its own: for a deployment that does it as
    /// the schema's owner, before its nodes start with [`migrate(false)`](PostgresStoreBuilder::migrate).
    ///
    /// Of many that call this at once one migrates and the others find it done (R-108).
    ///
    /// # Errors
    /// - `Schema`: the tables are of a newer version that this one may not work on, or not Fountain's.
    /// - `Timeout`: no connection within 10 s, or another one migrates for longer than 60 s.
    /// - `Unavailable`, `Full`: the server cannot be reached, or refuses.
    ///
    /// # Cancel safety
    /// When dropped, the tables are there whole or as they were.
    pub async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
        migration::run(options).await
    }

    /// This store within a transaction of the host's, so that what the host does and what Fountain does commit
    /// together: see [`Carried`].
    #[must_use]
    pub fn carried_by(&self, transaction: PgTransaction<'static>) -> Carried {
        Carried::new(Self::from_shared(Shared {
            link: Link::Carried(Some(transaction).into()),
            bell: Bell::default(),
            deadline: self.shared.deadline,
            feed_length: self.shared.feed_length,
            prepared: self.shared.prepared,
            keys: Desk::default(),
        }))
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn link(&self) -> &Link {
        &self.shared.link
    }

    pub(crate) fn feed_length(&self) -> u32 {
        self.shared.feed_length
    }

    /// Runs a statement; all of its rows.
    pub(crate) async fn rows(&self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        let shared = &self.shared;
        let statement = statement.prepared(shared.prepared);
        shared.link.rows(&statement, shared.deadline).await
    }

    /// Runs a statement; its first row, if there is one.
    pub(crate) async fn row(&self, statement: Statement<'_>) -> Result<Option<PgRow>, StoreError> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    /// Runs a statement that always has a row; without one, nothing is known.
    pub(crate) async fn one(&self, statement: Statement<'_>) -> Result<PgRow, StoreError> {
        let row = self.row(statement).await?;
        row.ok_or_else(|| StoreErrorKind::Unavailable.into())
    }

    /// Runs a look-up made by [`on_primary!`](crate::store::on_primary): a standby's answer may be old, and is none.
    pub(crate) async fn look_up(&self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        let mut rows = self.rows(statement).await?;
        let Some(first) = rows.first() else {
            return Err(StoreErrorKind::Unavailable.into());
        };
        let fields = Fields {
            row: first,
            table: "fountain",
        };
        if fields.value("standby")? {
            return Err(standby());
        }
        if fields.value::<Option<bool>>("present")?.is_none() {
            rows.clear();
        }
        Ok(rows)
    }

    /// Deletes at most `limit` rows by a statement that deletes at most as many as its last argument says and has a
    /// row for each, a bounded number in each step, so that nobody waits long behind it (R-101).
    pub(crate) async fn purge_in_batches(
        &self,
        limit: usize,
        delete: Statement<'_>,
    ) -> Result<u64, StoreError> {
        let mut left = sql::limit(limit);
        let mut removed = 0;
        while left > 0 {
            let batch = left.min(ROWS_IN_A_PURGE);
            let gone = self.rows(delete.clone().number(batch)).await?.len();
            removed += u64::try_from(gone).unwrap_or(u64::MAX);
            if sql::limit(gone) < batch {
                break;
            }
            left -= batch;
        }
        Ok(removed)
    }
}

/// A look-up whose rows say whether the server is a standby: one row without `present` when nothing is found.
macro_rules! on_primary {
    ($query:expr, $order:literal) => {
        concat!(
            "SELECT pg_is_in_recovery() AS standby, found.* FROM (VALUES (1)) AS one LEFT JOIN (SELECT true AS present, ",
            $query,
            ") AS found ON true ",
            $order
        )
    };
}
pub(crate) use on_primary;

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("deadline", &self.shared.deadline)
            .finish_non_exhaustive()
    }
}

/// Opens a connection that no pool knows.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<sqlx::PgConnection, StoreError> {
    const CONNECT: Duration = Duration::from_secs(10);
    tokio::time::timeout(CONNECT, sqlx::PgConnection::connect_with(options))
        .await
        .map_err(|_| StoreError::new(StoreErrorKind::Timeout))?
        .map_err(from_sqlx)
}
