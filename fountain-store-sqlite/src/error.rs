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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;

    use sqlx::error::ErrorKind;

    use super::*;

    #[derive(Debug)]
    struct Code(&'static str);

    impl fmt::Display for Code {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Code {}

    impl DatabaseError for Code {
        fn message(&self) -> &str {
            self.0
        }
        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }
        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    /// F-35, R-106: each of SQLite's codes is an error, and says what a caller may do about it.
    #[test]
    fn every_result_code_has_its_kind() {
        use StoreErrorKind as K;
        for (code, kind) in [
            ("1", K::Schema),         // no such table
            ("5", K::Timeout),        // busy
            ("261", K::Timeout),      // busy, recovering the log
            ("517", K::Contended),    // busy, the snapshot is old
            ("6", K::Timeout),        // locked
            ("7", K::Full),           // out of memory
            ("8", K::Unavailable),    // read-only
            ("1032", K::Unavailable), // read-only, the file was moved
            ("10", K::Unavailable),   // I/O
            ("1034", K::Unavailable), // I/O, fsync
            ("11", K::Corrupt),       // damaged
            ("13", K::Full),          // disk full
            ("14", K::Unavailable),   // cannot open
            ("17", K::Schema),        // the schema changed
            ("19", K::Corrupt),       // constraint
            ("1811", K::Unavailable), // constraint, by a host's trigger
            ("2067", K::Corrupt),     // constraint, unique
            ("26", K::Corrupt),       // not a database
            ("nonsense", K::Unavailable),
        ] {
            let error = from_sqlx(sqlx::Error::Database(Box::new(Code(code))));
            assert_eq!(error.kind(), kind, "{code}");
        }
        assert_eq!(from_sqlx(sqlx::Error::WorkerCrashed).kind(), K::Unavailable);
        assert_eq!(from_sqlx(sqlx::Error::RowNotFound).kind(), K::Corrupt);
    }
}
