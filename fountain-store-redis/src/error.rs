//! What Redis and its client report, as the one error of every store.

use fountain_core::{StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError};

/// A stored value that is not what it should be. Names the place, never the value.
#[derive(Debug, thiserror::Error)]
#[error("{table} does not hold what it should: {what}")]
struct Undecodable {
    table: String,
    what: String,
}

/// The error for a record that cannot be read, reported to the log as well: somebody must look at it.
pub(crate) fn corrupt(table: &str, what: &str) -> StoreError {
    tracing::error!(
        name: "fountain.store.corrupt",
        table,
        what,
        "a stored record cannot be read"
    );
    let source = Undecodable {
        table: table.into(),
        what: what.into(),
    };
    StoreError::with_source(StoreErrorKind::Corrupt, source)
}

/// An answer that none of this crate's scripts gives.
#[derive(Debug, thiserror::Error)]
#[error("the server answered in another form than was asked for")]
struct Unexpected;

pub(crate) fn unexpected() -> StoreError {
    StoreError::with_source(StoreErrorKind::Unavailable, Unexpected)
}

/// The error for what the client or the server reports.
pub(crate) fn from_redis(error: RedisError) -> StoreError {
    let kind = match error.kind() {
        ErrorKind::Io if error.is_timeout() => StoreErrorKind::Timeout,
        ErrorKind::Extension => match error.code() {
            Some("CORRUPT") => return undecodable(&error),
            Some(code) => from_code(code),
            None => StoreErrorKind::Unavailable,
        },
        // The connection is gone, or the server refuses to work, for now or until somebody acts: it loads, is a replica,
        // has given the slot away or waits for the cluster, has no right for us (LOADING, READONLY, MOVED, ASK, TRYAGAIN,
        // CLUSTERDOWN, MASTERDOWN, NOPERM, NOSCRIPT twice).
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::with_source(kind, error)
}

/// What a script of ours could not read: its error says where.
fn undecodable(error: &RedisError) -> StoreError {
    let mut words = error.detail().unwrap_or_default().split(' ');
    let table = words.next().unwrap_or_default();
    corrupt(table, words.next().unwrap_or_default())
}

/// The codes that the client has no name for.
fn from_code(code: &str) -> StoreErrorKind {
    match code {
        "OOM" => StoreErrorKind::Full,
        // Of a script of ours.
        "CONFLICT" => StoreErrorKind::Conflict,
        // A key of ours has another type.
        "WRONGTYPE" => StoreErrorKind::Corrupt,
        // BUSY, MISCONF, NOREPLICAS, NOAUTH, WRONGPASS, UNKILLABLE, …
        _ => StoreErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use redis::parse_redis_value;

    use super::*;

    fn reply(line: &str) -> RedisError {
        let value = parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    /// F-19, F-20, F-35, R-106: each of the server's errors is an error, and says what a caller may do about it.
    #[test]
    fn every_error_of_the_server_has_its_kind() {
        use StoreErrorKind as K;
        for (line, kind) in [
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                K::Full,
            ),
            ("OOM allow-oom flag is not set on the script", K::Full),
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                K::Corrupt,
            ),
            (
                "CORRUPT api_keys record script: 0123, on @user_script:7.",
                K::Corrupt,
            ),
            (
                "LOADING Redis is loading the dataset in memory",
                K::Unavailable,
            ),
            (
                "READONLY You can't write against a read only replica.",
                K::Unavailable,
            ),
            ("MASTERDOWN Link with MASTER is down", K::Unavailable),
            ("CLUSTERDOWN The cluster is down", K::Unavailable),
            ("MOVED 3999 127.0.0.1:6381", K::Unavailable),
            ("ASK 3999 127.0.0.1:6381", K::Unavailable),
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                K::Unavailable,
            ),
            (
                "CROSSSLOT Keys in request don't hash to the same slot",
                K::Unavailable,
            ),
            ("NOSCRIPT No matching script.", K::Unavailable),
            ("BUSY Redis is busy running a script.", K::Unavailable),
            (
                "MISCONF Redis is configured to save RDB snapshots",
                K::Unavailable,
            ),
            (
                "NOREPLICAS Not enough good replicas to write.",
                K::Unavailable,
            ),
            (
                "NOPERM this user has no permissions to run the 'info' command",
                K::Unavailable,
            ),
            ("NOAUTH Authentication required.", K::Unavailable),
            ("EXECABORT Transaction discarded", K::Unavailable),
            ("ERR max number of clients reached", K::Unavailable),
        ] {
            let error = from_redis(reply(line));
            assert_eq!(error.kind(), kind, "{line}");
        }
    }

    #[test]
    fn a_timeout_is_told_from_a_lost_connection() {
        use StoreErrorKind as K;
        for (error, kind) in [
            (io::ErrorKind::TimedOut, K::Timeout),
            (io::ErrorKind::WouldBlock, K::Timeout),
            (io::ErrorKind::ConnectionRefused, K::Unavailable),
            (io::ErrorKind::ConnectionReset, K::Unavailable),
            (io::ErrorKind::BrokenPipe, K::Unavailable),
            (io::ErrorKind::UnexpectedEof, K::Unavailable),
        ] {
            let error = from_redis(RedisError::from(io::Error::from(error)));
            assert_eq!(error.kind(), kind);
            assert!(error.is_retryable());
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_shown() {
        let error = from_redis(reply(
            "CORRUPT api_keys record script: 0123, on @user_script:7.",
        ));
        let source = error.source().unwrap().to_string();
        assert_eq!(source, "api_keys does not hold what it should: record");
    }
}
