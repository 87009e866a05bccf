//! What the tests share: a database, a store in it, and records.

use fountain_conformance::Fixtures;
use fountain_core::api_key::{ApiKeyRecord, InsertKeyOutcome, KeyStore};
use fountain_core::audit::AuditAction;
use fountain_core::{StoreError, Tenant};
use fountain_store_postgres::{PostgresStore, PostgresStoreBuilder};
use sqlx::postgres::PgConnection;

use crate::server::Database;

/// A database of its own, dropped with this.
pub(crate) struct Workbench {
    pub(crate) database: Database,
    pub(crate) fixtures: Fixtures,
    pub(crate) tenant: Tenant,
}

impl Workbench {
    pub(crate) async fn new() -> Self {
        Self {
            database: Database::migrated().await,
            fixtures: Fixtures::seeded(1),
            tenant: Tenant::default(),
        }
    }

    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(self.database.pool(4))
    }

    pub(crate) async fn open(&self) -> PostgresStore {
        self.builder().build().await.unwrap()
    }

    pub(crate) async fn insert(&self, store: &PostgresStore) -> Result<ApiKeyRecord, StoreError> {
        let record = self.fixtures.api_key(&self.tenant);
        let event = self.fixtures.event(&self.tenant, AuditAction::ApiKeyIssued);
        let outcome = KeyStore::insert(store, record.clone(), event).await?;
        assert_eq!(outcome, InsertKeyOutcome::Inserted);
        Ok(record)
    }

    pub(crate) async fn beside(&self) -> PgConnection {
        self.database.beside().await
    }
}
