use std::fmt;

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::PgTransaction;

use crate::link::Link;
use crate::store::PostgresStore;

/// A store whose every change is part of a transaction that the host began and the host ends.
///
/// ```no_run
/// # async fn sign_up(
/// #     pool: sqlx::PgPool,
/// #     store: fountain_store_postgres::PostgresStore,
/// #     record: fountain_core::api_key::ApiKeyRecord,
/// #     event: fountain_core::audit::AuditEvent,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use fountain_core::api_key::KeyStore;
///
/// let mut transaction = pool.begin().await?;
/// sqlx::query("INSERT INTO customers (name) VALUES ($1)").bind("Ada").execute(&mut *transaction).await?;
///
/// let carried = store.carried_by(transaction);
/// // Any service of fountain-core takes it as its store as well: `Arc::new(carried.store())`.
/// KeyStore::insert(&carried.store(), record, event).await?;
///
/// // The customer and the key are there now, or neither is.
/// carried.release().await?.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// - A statement that fails fails the whole transaction, as always in PostgreSQL: roll it back. Nothing is tried again.
/// - Until the commit, rows that Fountain changed stay locked. Keep such a transaction short.
/// - What it counts, a host that rolls back takes back: an attempt of a [`LockoutStore`](fountain_core::lockout::LockoutStore),
///   an answer to a challenge, the step of a code, a recovery code. Judge those by a store on the pool (R-62).
/// - Its events and changes get their places after the commit: the audit trail and the change feed as read through
///   this store do not show them. Other nodes hear of them when the transaction commits.
/// - When this and its stores are dropped without [`release`](Self::release), the transaction is rolled back.
pub struct Carried {
    store: PostgresStore,
}

impl Carried {
    pub(crate) const fn new(store: PostgresStore) -> Self {
        Self { store }
    }

    /// The store, to call or to build services on. After [`release`](Self::release) it is `Unavailable`.
    #[must_use]
    pub fn store(&self) -> PostgresStore {
        self.store.clone()
    }

    /// Gives the transaction back, to commit it or to roll it back. Waits for calls that are under way.
    ///
    /// # Errors
    /// `Unavailable`, never as long as this is the only `Carried` of its transaction, which it is.
    ///
    /// # Cancel safety
    /// When dropped, the transaction is rolled back.
    pub async fn release(self) -> Result<PgTransaction<'static>, StoreError> {
        match self.store.link() {
            Link::Carried(transaction) => transaction
                .lock()
                .await
                .take()
                .ok_or_else(|| StoreErrorKind::Unavailable.into()),
            Link::Pool(_) => Err(StoreErrorKind::Unavailable.into()),
        }
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried").finish_non_exhaustive()
    }
}
