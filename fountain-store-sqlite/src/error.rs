//! What SQLite and sqlx report, as the one error of every store.

use std::io;

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::error::DatabaseError;

/// A stored value that is not what its column should hold. Names the place, never the value.
#[derive(Debug, thiserror::Error)]
#[error("{table}.{column} does not hold what it should")]
struct Undecodable {
    table: &'static str,
    column: &'static str,
}

/// The error for a record that cannot be read, reported to the log as well: somebody must look at it.
pub(crate) fn corrupt(table: &'static str, column: &'static str) -> StoreError {
    tracing::error!(
        name: "fountain.store.corrupt",
        table,
        column,
        "a stored record cannot be read"
    );
    StoreError::with_source(StoreErrorKind::Corrupt, Undecodable { table, column })
}

/// The error for what sqlx reports.
pub(crate) fn from_sqlx(error: sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    let kind = match &error {
        E::Database(error) => from_code(error.as_ref()),
        E::PoolTimedOut => StoreErrorKind::Timeout,
        E::ColumnDecode { .. }
        | E::Decode(_)
        | E::ColumnNotFound(_)
        | E::ColumnIndexOutOfBounds { .. }
        | E::TypeNotFound { .. }
        | E::RowNotFound => StoreErrorKind::Corrupt,
        E::Migrate(_) => StoreErrorKind::Schema,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::with_source(kind, error)
}

pub(crate) fn from_io(error: io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::with_source(kind, error)
}

/// Result codes: <https://www.sqlite.org/rescode.html>. The low byte is the primary one.
fn from_code(error: &dyn DatabaseError) -> StoreErrorKind {
    const ERROR: i32 = 1;
    const BUSY: i32 = 5;
    const BUSY_SNAPSHOT: i32 = 517;
    const LOCKED: i32 = 6;
    const NO_MEMORY: i32 = 7;
    const CORRUPT: i32 = 11;
    const FULL: i32 = 13;
    const SCHEMA: i32 = 17;
    const TOO_BIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const CONSTRAINT_TRIGGER: i32 = 1811;
    const NOT_A_DATABASE: i32 = 26;

    let code = error
        .code()
        .and_then(|code| code.parse::<i32>().ok())
        .unwrap_or_default();
    match (code, code & 0xff) {
        (BUSY_SNAPSHOT, _) => StoreErrorKind::Contended,
        // A trigger of the host's refuses the row.
        (CONSTRAINT_TRIGGER, _) => StoreErrorKind::Unavailable,
        (_, BUSY | LOCKED) => StoreErrorKind::Timeout,
        (_, FULL | NO_MEMORY | TOO_BIG) => StoreErrorKind::Full,
        // Our statements are fixed and tested: one that does not compile means other tables than ours.
        (_, ERROR | SCHEMA) => StoreErrorKind::Schema,
        // They keep every constraint themselves, unless what is stored contradicts itself.
        (_, CORRUPT | NOT_A_DATABASE | CONSTRAINT) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    }
}
