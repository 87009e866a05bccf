//! The tables' versions: noted in a table of their own, never in the host's `_sqlx_migrations`.

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::migrate::{Migrate, MigrateError, Migration as SqlxMigration, MigrationType};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{Connection, Executor, SqlSafeStr};

use crate::error::from_sqlx;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, connect};

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

/// Every migration, oldest first: for hosts that run them with a tool of their own, and then build the store
/// with [`migrate(false)`](crate::PostgresStoreBuilder::migrate). Each is to run whole, in one transaction.
///
/// ```
/// for migration in fountain_store_postgres::MIGRATIONS {
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
        name: "login",
        sql: include_str!("../migrations/0003_login.sql"),
    },
];

/// The version that this crate reads and writes.
const VERSION: u32 = 3;

const TABLE: &str = "fountain._migrations";

const HAS_TABLES: &str = "SELECT to_regclass('fountain.schema') IS NOT NULL AS present";
const STANDING: &str = "SELECT version, serves_from FROM fountain.schema WHERE id = 1";

/// Brings the tables to this crate's version, on a connection of its own.
///
/// In one transaction under an advisory lock, so that one migrates and the others find it done (R-108), and who is
/// killed half way leaves nothing behind (F-37). The lock ends with the transaction: a pooler cannot keep it.
pub(crate) async fn run(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = connect(options).await?;
    let done = migrate(&mut connection).await;
    // Dropped, the connection is closed at once: a transaction that failed ends with it.
    if done.is_ok() {
        connection.close().await.map_err(from_sqlx)?;
    }
    done
}

async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.map_err(from_sqlx)?;
    // The number is arbitrary and ours: "fountain" in ASCII.
    transaction
        .execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; SELECT pg_advisory_xact_lock(7381240360074832238)")
        .await
        .map_err(from_sqlx)?;
    let present = transaction.fetch_one(HAS_TABLES).await.map_err(from_sqlx)?;
    let (current, version) = if is_present(&present)? {
        let standing = transaction.fetch_optional(STANDING).await;
        let standing = standing.map_err(from_sqlx)?;
        let version = standing.as_ref().map_or(Ok(0), version)?;
        (judge(standing.as_ref(), true)?, version)
    } else {
        (false, 0)
    };
    if !current {
        migrate_within(&mut transaction, version)
            .await
            .map_err(from_migrate)?;
    }
    transaction.commit().await.map_err(from_sqlx)
}

/// What sqlx's `Migrator` does, within a transaction of ours.
///
/// What leads to the version that stands is left alone where it is not noted: a tool of the host's has run it.
async fn migrate_within(connection: &mut PgConnection, standing: i32) -> Result<(), MigrateError> {
    // Not IF NOT EXISTS: that asks for the right to make one even when there is one.
    let schema = "DO $$ BEGIN IF to_regnamespace('fountain') IS NULL THEN CREATE SCHEMA fountain; END IF; END $$";
    connection.execute(schema).await?;
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

/// Whether the tables are this crate's; whether they may be made so is asked by `migrate`.
pub(crate) async fn is_current(store: &PostgresStore, migrate: bool) -> Result<bool, StoreError> {
    let present = store.one(Statement::look_up(HAS_TABLES)).await?;
    if !is_present(&present)? {
        return if migrate {
            Ok(false)
        } else {
            Err(StoreErrorKind::Schema.into())
        };
    }
    let standing = store.row(Statement::look_up(STANDING)).await?;
    judge(standing.as_ref(), migrate)
}

fn is_present(row: &PgRow) -> Result<bool, StoreError> {
    Fields {
        row,
        table: "pg_class",
    }
    .value("present")
}

fn version(row: &PgRow) -> Result<i32, StoreError> {
    Fields {
        row,
        table: "schema",
    }
    .value("version")
}

/// Newer tables are served as long as they say that this version may.
fn judge(standing: Option<&PgRow>, migrate: bool) -> Result<bool, StoreError> {
    let Some(row) = standing else {
        return Err(StoreErrorKind::Schema.into());
    };
    let fields = Fields {
        row,
        table: "schema",
    };
    let version = version(row)?;
    let serves_from: i32 = fields.value("serves_from")?;
    let ours = i64::from(VERSION);
    if i64::from(version) >= ours && i64::from(serves_from) <= ours {
        Ok(true)
    } else if i64::from(version) < ours && migrate {
        Ok(false)
    } else {
        Err(StoreErrorKind::Schema.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_by_one_and_end_at_this_crates() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|m| m.version).collect();
        assert_eq!(versions, (1..=VERSION).collect::<Vec<_>>());
    }
}
