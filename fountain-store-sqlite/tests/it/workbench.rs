//! What the tests share: a file, a store in it, and a connection beside the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fountain_conformance::Fixtures;
use fountain_core::api_key::{ApiKeyRecord, InsertKeyOutcome, KeyStore};
use fountain_core::audit::AuditAction;
use fountain_core::{Digest, StoreError, Tenant};
use fountain_store_sqlite::{SqliteStore, SqliteStoreBuilder};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tempfile::TempDir;

/// A folder of its own, removed when dropped.
pub(crate) struct Workbench {
    folder: TempDir,
    pub(crate) fixtures: Fixtures,
    pub(crate) tenant: Tenant,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            fixtures: Fixtures::seeded(1),
            tenant: Tenant::default(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("fountain.db")
    }

    pub(crate) fn builder(&self) -> SqliteStoreBuilder {
        SqliteStore::builder(self.path()).insecure_unsynced()
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        self.builder().open().await.unwrap()
    }

    pub(crate) async fn insert(&self, store: &SqliteStore) -> Result<ApiKeyRecord, StoreError> {
        let record = self.fixtures.api_key(&self.tenant);
        let event = self.fixtures.event(&self.tenant, AuditAction::ApiKeyIssued);
        let outcome = KeyStore::insert(store, record.clone(), event).await?;
        assert_eq!(outcome, InsertKeyOutcome::Inserted);
        Ok(record)
    }

    /// A connection that is not the store's.
    pub(crate) async fn beside(&self) -> SqliteConnection {
        connect(&self.path()).await
    }
}

pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(20))
        .connect()
        .await
        .unwrap()
}

pub(crate) async fn run(connection: &mut SqliteConnection, sql: &str) {
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}

pub(crate) async fn number(connection: &mut SqliteConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .unwrap()
}

/// A digest as SQL writes it, between `x'` and `'`.
pub(crate) fn hex(digest: &Digest) -> String {
    digest
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
