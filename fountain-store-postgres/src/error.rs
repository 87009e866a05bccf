//! What PostgreSQL and sqlx report, as the one error of every store.

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::error::DatabaseError;

/// A stored value that is not what its column should hold. Names the place, never the value.
#[derive(Debug, thiserror::Error)]
#[error("{table}.{column} does not hold what it should")]
struct Undecodable {
    table: &'static str,
    column: &'static str,
}

/// The server is a standby, whose answers may be old.
#[derive(Debug, thiserror::Error)]
#[error("the server is a standby; point the pool at the primary")]
struct Standby;

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

pub(crate) fn standby() -> StoreError {
    StoreError::with_source(StoreErrorKind::Unavailable, Standby)
}

/// The error for what sqlx reports.
pub(crate) fn from_sqlx(error: sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    let kind = match &error {
        E::Database(error) => from_state(error.as_ref()),
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

/// Whether the connection is of no further use: what it was told may be half said.
pub(crate) fn breaks_connection(error: &sqlx::Error) -> bool {
    use sqlx::Error as E;
    match error {
        E::Io(_) | E::Tls(_) | E::Protocol(_) | E::WorkerCrashed => true,
        // The server closes it after these: 57P01 admin_shutdown, 57P02 crash_shutdown, 57P03 cannot_connect_now.
        E::Database(error) => error.code().is_some_and(|code| code.starts_with("57P0")),
        _ => false,
    }
}

/// SQLSTATEs: PostgreSQL's documentation, appendix A.
fn from_state(error: &dyn DatabaseError) -> StoreErrorKind {
    use StoreErrorKind as K;
    let code = error.code().unwrap_or_default();
    match code.as_ref() {
        "40001" | "40P01" => K::Contended,
        // statement_timeout or a cancellation; lock_timeout.
        "57014" | "55P03" => K::Timeout,
        // A pooler that does not keep prepared statements apart: see the README on PgBouncer.
        "26000" | "42P05" | "42501" => K::Unavailable,
        // Text that PostgreSQL cannot hold, such as one with a NUL.
        "22021" | "22P05" => K::Unavailable,
        "XX001" | "XX002" => K::Corrupt,
        code => match code.get(..2) {
            // Disk, memory, connections; rows that are too large.
            Some("53" | "54") => K::Full,
            // Our statements are fixed and tested: one that names what is not there means other tables than ours.
            Some("42" | "3F") => K::Schema,
            // They keep every constraint themselves, and read what has its type, unless what is stored
            // contradicts itself.
            Some("22" | "23") => K::Corrupt,
            // Connections (08), a standby (25006), an aborted transaction (25P02), a refused log-in (28), a
            // trigger of the host's (P0001), a shutdown (57P01) and whatever else.
            _ => K::Unavailable,
        },
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

    fn reported(code: &'static str) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Code(code)))
    }

    /// F-06, F-07, F-08, F-35: each state is an error, and says what a caller may do about it.
    #[test]
    fn every_state_has_its_kind() {
        use StoreErrorKind as K;
        for (code, kind) in [
            ("40001", K::Contended),   // serialization_failure
            ("40P01", K::Contended),   // deadlock_detected
            ("57014", K::Timeout),     // query_canceled
            ("55P03", K::Timeout),     // lock_not_available
            ("53000", K::Full),        // insufficient_resources
            ("53100", K::Full),        // disk_full
            ("53200", K::Full),        // out_of_memory
            ("53300", K::Full),        // too_many_connections
            ("54000", K::Full),        // program_limit_exceeded
            ("25006", K::Unavailable), // read_only_sql_transaction
            ("25P02", K::Unavailable), // in_failed_sql_transaction
            ("08006", K::Unavailable), // connection_failure
            ("28P01", K::Unavailable), // invalid_password
            ("42501", K::Unavailable), // insufficient_privilege
            ("57P01", K::Unavailable), // admin_shutdown
            ("57P03", K::Unavailable), // cannot_connect_now
            ("P0001", K::Unavailable), // raise_exception
            ("26000", K::Unavailable), // invalid_sql_statement_name
            ("42P05", K::Unavailable), // duplicate_prepared_statement
            ("22021", K::Unavailable), // character_not_in_repertoire
            ("58030", K::Unavailable), // io_error
            ("42P01", K::Schema),      // undefined_table
            ("42703", K::Schema),      // undefined_column
            ("42883", K::Schema),      // undefined_function
            ("3F000", K::Schema),      // invalid_schema_name
            ("22003", K::Corrupt),     // numeric_value_out_of_range
            ("23502", K::Corrupt),     // not_null_violation
            ("23505", K::Corrupt),     // unique_violation
            ("23514", K::Corrupt),     // check_violation
            ("XX001", K::Corrupt),     // data_corrupted
            ("", K::Unavailable),
            ("nonsense", K::Unavailable),
        ] {
            assert_eq!(from_sqlx(reported(code)).kind(), kind, "{code}");
        }
        assert_eq!(from_sqlx(sqlx::Error::PoolTimedOut).kind(), K::Timeout);
        assert_eq!(from_sqlx(sqlx::Error::PoolClosed).kind(), K::Unavailable);
        assert_eq!(from_sqlx(sqlx::Error::RowNotFound).kind(), K::Corrupt);
    }

    #[test]
    fn only_what_ends_a_connection_is_taken_for_its_end() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(breaks_connection(&sqlx::Error::Io(io)));
        assert!(breaks_connection(&reported("57P01")));
        for code in ["57014", "40001", "23505", "53100"] {
            assert!(!breaks_connection(&reported(code)), "{code}");
        }
    }
}
