use std::num::NonZeroU32;
use std::time::Duration;

use fountain_core::StoreError;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::bell::Bell;
use crate::link::Link;
use crate::migration;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, Shared};
use crate::together::Desk;

/// What to decide before a [`PostgresStore`] is used. Every default is the safe one.
///
/// ```no_run
/// # async fn example(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
/// use fountain_store_postgres::PostgresStore;
/// use std::time::Duration;
///
/// let store = PostgresStore::builder(pool)
///     .deadline(Duration::from_millis(500))
///     .migrate(false)
///     .build()
///     .await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder asks nothing of the server until `build`"]
pub struct PostgresStoreBuilder {
    pool: PgPool,
    deadline: Duration,
    feed_length: NonZeroU32,
    migrate: bool,
    migrate_as: Option<PgConnectOptions>,
    prepared: bool,
}

impl PostgresStoreBuilder {
    /// How many changes the feed keeps unless told otherwise: 100,000.
    pub const DEFAULT_FEED_LENGTH: NonZeroU32 = NonZeroU32::MIN.saturating_add(99_999);

    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            deadline: PostgresStore::DEFAULT_DEADLINE,
            feed_length: Self::DEFAULT_FEED_LENGTH,
            migrate: true,
            migrate_as: None,
            prepared: true,
        }
    }

    /// The longest that a call waits before it is `Timeout`, its wait for a connection included, up to one hour.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.min(Duration::from_secs(3_600));
        self
    }

    /// How many changes the feed keeps at least; a node that was away for more of them forgets all its caches.
    pub const fn feed_length(mut self, changes: NonZeroU32) -> Self {
        self.feed_length = changes;
        self
    }

    /// Whether building brings the tables to this crate's version, which is the default.
    ///
    /// With `false` somebody else does, by [`PostgresStore::migrate`] or by running
    /// [`MIGRATIONS`](crate::MIGRATIONS) with a tool of their own, and tables that are older are `Schema`.
    pub const fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// As whom to connect for migrating: the schema's owner, and past a pooler. The pool's own log-in otherwise.
    pub fn migrate_as(mut self, options: PgConnectOptions) -> Self {
        self.migrate_as = Some(options);
        self
    }

    /// Whether statements are prepared once for each connection, which is the default, or sent as text each time.
    ///
    /// `false` is for a pooler that gives each transaction another connection and does not keep prepared statements
    /// apart: PgBouncer in transaction mode before 1.21, or with `max_prepared_statements = 0`. Each call then costs
    /// the server another parsing and planning.
    ///
    /// # Security
    /// Values are then written into the statement, quoted by this crate.
    pub const fn prepared(mut self, prepared: bool) -> Self {
        self.prepared = prepared;
        self
    }

    /// Looks at the tables, migrates if need be, and gives the store.
    ///
    /// # Errors
    /// - `Schema`: the tables are of a newer version that this one may not work on, older ones with
    ///   [`migrate(false)`](Self::migrate), or not Fountain's.
    /// - `Timeout`, `Unavailable`, `Full`: the server did not answer in time, cannot be reached, or refuses (F-01).
    ///
    /// # Cancel safety
    /// When dropped, the tables are there whole or as they were.
    pub async fn build(self) -> Result<PostgresStore, StoreError> {
        let store = PostgresStore::from_shared(Shared {
            link: Link::Pool(self.pool.clone()),
            bell: Bell::default(),
            deadline: self.deadline,
            feed_length: self.feed_length.get(),
            prepared: self.prepared,
            keys: Desk::default(),
        });
        if !migration::is_current(&store, self.migrate).await? {
            match self.migrate_as {
                Some(options) => migration::run(&options).await?,
                None => migration::run(&self.pool.connect_options()).await?,
            }
        }
        warn_of_endless_statements(&store).await?;
        Ok(store)
    }
}

/// A call that is given up leaves its statement to the server, which should end it some time as well.
async fn warn_of_endless_statements(store: &PostgresStore) -> Result<(), StoreError> {
    let setting = Statement::look_up(
        "SELECT setting = '0' AS endless FROM pg_settings WHERE name = 'statement_timeout'",
    );
    let row = store.one(setting).await?;
    let fields = Fields {
        row: &row,
        table: "pg_settings",
    };
    if fields.value("endless")? {
        tracing::warn!(
            name: "fountain.store.no_statement_timeout",
            "the server ends no statement: set statement_timeout for the role or the pool"
        );
    }
    Ok(())
}
