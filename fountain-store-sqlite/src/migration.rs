//! The tables' versions: applied in a table of their own, never in the host's `_sqlx_migrations`.

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::migrate::{Migrate, MigrateError, Migration as SqlxMigration, MigrationType};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, SqlSafeStr};

use crate::error::from_sqlx;
use crate::sql::{Fields, query, row};

/// One step from a version of the tables to the next, as plain SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// The version that it leads to.
    pub version: u32,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

impl Migration {
    fn for_sqlx(self) -> SqlxMigration {
        SqlxMigration::new(
            i64::from(self.version),
            self.name.into(),
            MigrationType::Simple,
            self.sql.into_sql_str(),
            false,
        )
    }
}

/// Every migration, oldest first: for hosts that run them with a tool of their own, and then open the store
/// with [`migrate(false)`](crate::SqliteStoreBuilder::migrate).
///
/// ```
/// for migration in fountain_store_sqlite::MIGRATIONS {
///     println!("-- {:04} {}\n{}", migration.version, migration.name, migration.sql);
/// }
/// ```
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        sql: include_str!("../migrations/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "change times",
        sql: include_str!("../migrations/0002_change_times.sql"),
    },
    Migration {
        version: 3,
        name: "second factors",
        sql: include_str!("../migrations/0003_second_factors.sql"),
    },
];

/// The version that this crate reads and writes.
const VERSION: u32 = 3;

const TABLE: &str = "_fountain_migrations";

/// What a file holds of ours.
enum Found {
    Nothing,
    Version(u32),
}

/// Brings the tables to this crate's version, or, unless `migrate`, checks that they are.
///
/// Under the write lock, in one transaction: of many that open at once one migrates and the others find it
/// done (R-108); a process that is killed half way leaves nothing behind.
pub(crate) async fn run(
    connection: &mut SqliteConnection,
    migrate: bool,
) -> Result<(), StoreError> {
    // Without the lock first: a store that is up to date opens while somebody writes.
    if is_current(connection, migrate).await? {
        return Ok(());
    }
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(from_sqlx)?;
    if !is_current(&mut transaction, migrate).await? {
        let standing = match found(&mut transaction).await? {
            Found::Nothing => 0,
            Found::Version(version) => version,
        };
        migrate_within(&mut transaction, standing)
            .await
            .map_err(from_migrate)?;
    }
    transaction.commit().await.map_err(from_sqlx)
}

/// What sqlx's `Migrator` does; that one cannot be used within a transaction of ours by a future that is `Send`.
///
/// What leads to the version that stands is left alone where it is not noted: a tool of the host's has run it.
async fn migrate_within(
    connection: &mut SqliteConnection,
    standing: u32,
) -> Result<(), MigrateError> {
    connection.ensure_migrations_table(TABLE).await?;
    let applied = connection.list_applied_migrations(TABLE).await?;
    for migration in MIGRATIONS {
        let migration = migration.for_sqlx();
        match applied
            .iter()
            .find(|done| done.version == migration.version)
        {
            Some(done) if done.checksum == migration.checksum => {}
            Some(_) => return Err(MigrateError::VersionMismatch(migration.version)),
            None if migration.version <= i64::from(standing) => {}
            None => drop(connection.apply(TABLE, &migration).await?),
        }
    }
    Ok(())
}

fn from_migrate(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => from_sqlx(error),
        other => StoreError::with_source(StoreErrorKind::Schema, other),
    }
}

async fn is_current(connection: &mut SqliteConnection, migrate: bool) -> Result<bool, StoreError> {
    match found(connection).await? {
        Found::Version(VERSION) => Ok(true),
        Found::Version(version) if version > VERSION => Err(StoreErrorKind::Schema.into()),
        Found::Nothing | Found::Version(_) if migrate => Ok(false),
        Found::Nothing | Found::Version(_) => Err(StoreErrorKind::Schema.into()),
    }
}

async fn found(connection: &mut SqliteConnection) -> Result<Found, StoreError> {
    let table =
        query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'fountain_schema'");
    if row(connection, table).await?.is_none() {
        return Ok(Found::Nothing);
    }
    let version = query("SELECT version FROM fountain_schema WHERE id = 1");
    let Some(row) = row(connection, version).await? else {
        return Err(StoreErrorKind::Schema.into());
    };
    let version = Fields {
        row: &row,
        table: "fountain_schema",
    }
    .counter("version")?;
    u32::try_from(version)
        .map(Found::Version)
        .map_err(|_| StoreErrorKind::Schema.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_by_one_and_end_at_this_crates() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|m| m.version).collect();
        assert!(versions.is_sorted_by(|before, after| before + 1 == *after));
        assert_eq!(versions.last(), Some(&VERSION));
    }
}
