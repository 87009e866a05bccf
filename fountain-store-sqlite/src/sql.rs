//! Running a statement and reading a row, with this crate's errors.

use std::str::FromStr;

use fountain_core::{Digest, StoreError, StoreErrorKind, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteQueryResult, SqliteRow};
use sqlx::{Row, Sqlite};

use crate::error::{corrupt, from_sqlx};

pub(crate) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

pub(crate) fn query<'q>(sql: &'static str) -> Query<'q> {
    sqlx::query(sql)
}

pub(crate) async fn execute(
    connection: &mut SqliteConnection,
    query: Query<'_>,
) -> Result<SqliteQueryResult, StoreError> {
    query.execute(connection).await.map_err(from_sqlx)
}

/// Runs a statement; whether it touched a row.
pub(crate) async fn changes(
    connection: &mut SqliteConnection,
    query: Query<'_>,
) -> Result<bool, StoreError> {
    Ok(execute(connection, query).await?.rows_affected() > 0)
}

pub(crate) async fn row(
    connection: &mut SqliteConnection,
    query: Query<'_>,
) -> Result<Option<SqliteRow>, StoreError> {
    query.fetch_optional(connection).await.map_err(from_sqlx)
}

pub(crate) async fn rows(
    connection: &mut SqliteConnection,
    query: Query<'_>,
) -> Result<Vec<SqliteRow>, StoreError> {
    query.fetch_all(connection).await.map_err(from_sqlx)
}

/// At most `limit`, as SQL counts.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A counter for a column; SQLite's integers end at 2^63 - 1, and so do ours.
pub(crate) fn counter(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// JSON for a column.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))
}

/// A row of one of our tables: each value is checked as it is read.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'r> {
    pub(crate) row: &'r SqliteRow,
    pub(crate) table: &'static str,
}

impl<'r> Fields<'r> {
    pub(crate) fn value<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
    {
        self.row
            .try_get(column)
            .map_err(|_| corrupt(self.table, column))
    }

    /// A text that its type checks.
    pub(crate) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        let text: &str = self.value(column)?;
        text.parse().map_err(|_| corrupt(self.table, column))
    }

    pub(crate) fn parsed_option<T: FromStr>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.value(column)?;
        text.map(|text| text.parse().map_err(|_| corrupt(self.table, column)))
            .transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        let text: &str = self.value(column)?;
        serde_json::from_str(text).map_err(|_| corrupt(self.table, column))
    }

    pub(crate) fn json_option<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.value(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|_| corrupt(self.table, column)))
            .transpose()
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.instant(column, self.value(column)?)
    }

    pub(crate) fn time_option(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let micros: Option<i64> = self.value(column)?;
        micros
            .map(|micros| self.instant(column, micros))
            .transpose()
    }

    pub(crate) fn instant(
        &self,
        column: &'static str,
        micros: i64,
    ) -> Result<Timestamp, StoreError> {
        let time = Timestamp::from_unix_micros(micros);
        if time.as_unix_micros() == micros {
            Ok(time)
        } else {
            Err(corrupt(self.table, column))
        }
    }

    pub(crate) fn digest(&self, column: &'static str) -> Result<Digest, StoreError> {
        let bytes: &[u8] = self.value(column)?;
        <[u8; 32]>::try_from(bytes)
            .map(Digest::from_bytes)
            .map_err(|_| corrupt(self.table, column))
    }

    pub(crate) fn digest_option(&self, column: &'static str) -> Result<Option<Digest>, StoreError> {
        match self.value::<Option<&[u8]>>(column)? {
            None => Ok(None),
            Some(_) => self.digest(column).map(Some),
        }
    }

    pub(crate) fn counter(&self, column: &'static str) -> Result<u64, StoreError> {
        self.integer(column)
    }

    /// A whole number that its type can hold.
    pub(crate) fn integer<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.value::<i64>(column)?).map_err(|_| corrupt(self.table, column))
    }
}
