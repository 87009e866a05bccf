use std::str::FromStr;

use fountain_core::{Digest, StoreError, Timestamp};
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row};

use crate::error::corrupt;

/// A row of one of our tables: each value is checked as it is read.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'r> {
    pub(crate) row: &'r PgRow,
    pub(crate) table: &'static str,
}

impl<'r> Fields<'r> {
    pub(crate) fn value<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
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

    /// A set or list of texts, each checked by its type; a set that holds one twice is not what was stored.
    pub(crate) fn all_parsed<T: FromStr, C: FromIterator<T>>(
        &self,
        column: &'static str,
    ) -> Result<C, StoreError> {
        let texts: Vec<String> = self.value(column)?;
        texts
            .iter()
            .map(|text| text.parse().map_err(|_| corrupt(self.table, column)))
            .collect()
    }

    /// JSON; its column is selected as text.
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

    fn instant(&self, column: &'static str, micros: i64) -> Result<Timestamp, StoreError> {
        let time = Timestamp::from_unix_micros(micros);
        if time.as_unix_micros() == micros {
            Ok(time)
        } else {
            Err(corrupt(self.table, column))
        }
    }

    pub(crate) fn digest(&self, column: &'static str) -> Result<Digest, StoreError> {
        // Not borrowed: as text, it comes in another form.
        let bytes: Vec<u8> = self.value(column)?;
        <[u8; 32]>::try_from(bytes)
            .map(Digest::from_bytes)
            .map_err(|_| corrupt(self.table, column))
    }

    pub(crate) fn digest_option(&self, column: &'static str) -> Result<Option<Digest>, StoreError> {
        match self.value::<Option<Vec<u8>>>(column)? {
            None => Ok(None),
            Some(_) => self.digest(column).map(Some),
        }
    }

    pub(crate) fn counter(&self, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.value::<i64>(column)?).map_err(|_| corrupt(self.table, column))
    }

    /// A counter that ends at 2^32 - 1.
    pub(crate) fn small_counter(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.value::<i64>(column)?).map_err(|_| corrupt(self.table, column))
    }

    pub(crate) fn small_counter_option(
        &self,
        column: &'static str,
    ) -> Result<Option<u32>, StoreError> {
        match self.value::<Option<i64>>(column)? {
            None => Ok(None),
            Some(_) => self.small_counter(column).map(Some),
        }
    }
}
