//! A statement with its arguments, with this crate's errors.

use std::borrow::Cow;

use fountain_core::audit::AuditEvent;
use fountain_core::{Digest, StoreError, StoreErrorKind, Timestamp};
use serde::Serialize;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::error::from_sqlx;

mod fields;
mod text;

pub(crate) use fields::Fields;

/// One argument, kept until the statement has succeeded: it may be tried again.
#[derive(Clone)]
enum Argument<'q> {
    Text(Option<Cow<'q, str>>),
    Texts(Option<Vec<&'q str>>),
    Number(Option<i64>),
    Numbers(Vec<i64>),
    Bytes(Option<&'q [u8]>),
    AllBytes(Vec<&'q [u8]>),
    Truth(Option<bool>),
}

/// A statement of ours: its text is fixed, its values travel beside it.
#[derive(Clone)]
pub(crate) struct Statement<'q> {
    sql: &'static str,
    arguments: Vec<Argument<'q>>,
    looks_up: bool,
    prepared: bool,
}

impl<'q> Statement<'q> {
    /// A statement that may change something.
    pub(crate) const fn new(sql: &'static str) -> Self {
        Self {
            sql,
            arguments: Vec::new(),
            looks_up: false,
            prepared: true,
        }
    }

    /// A statement that changes nothing, so that it may be asked again when a connection broke.
    pub(crate) const fn look_up(sql: &'static str) -> Self {
        Self {
            sql,
            arguments: Vec::new(),
            looks_up: true,
            prepared: true,
        }
    }

    pub(crate) const fn sql(&self) -> &'static str {
        self.sql
    }

    pub(crate) const fn looks_up(&self) -> bool {
        self.looks_up
    }

    pub(crate) const fn prepared(mut self, prepared: bool) -> Self {
        self.prepared = prepared;
        self
    }

    fn with(mut self, argument: Argument<'q>) -> Self {
        self.arguments.push(argument);
        self
    }

    pub(crate) fn text(self, text: &'q str) -> Self {
        self.text_option(Some(text))
    }

    pub(crate) fn text_option(self, text: Option<&'q str>) -> Self {
        self.with(Argument::Text(text.map(Cow::Borrowed)))
    }

    pub(crate) fn texts(self, texts: impl IntoIterator<Item = &'q str>) -> Self {
        self.with(Argument::Texts(Some(texts.into_iter().collect())))
    }

    pub(crate) fn no_texts(self) -> Self {
        self.with(Argument::Texts(None))
    }

    pub(crate) fn number(self, number: i64) -> Self {
        self.with(Argument::Number(Some(number)))
    }

    pub(crate) fn numbers(self, numbers: Vec<i64>) -> Self {
        self.with(Argument::Numbers(numbers))
    }

    pub(crate) fn counter(self, count: u64) -> Self {
        self.number(counter(count))
    }

    pub(crate) fn time(self, time: Timestamp) -> Self {
        self.number(time.as_unix_micros())
    }

    pub(crate) fn time_option(self, time: Option<Timestamp>) -> Self {
        self.with(Argument::Number(time.map(Timestamp::as_unix_micros)))
    }

    pub(crate) fn bytes(self, bytes: &'q [u8]) -> Self {
        self.with(Argument::Bytes(Some(bytes)))
    }

    pub(crate) fn bytes_option(self, bytes: Option<&'q [u8]>) -> Self {
        self.with(Argument::Bytes(bytes))
    }

    pub(crate) fn digest(self, digest: &'q Digest) -> Self {
        self.bytes(digest.as_bytes())
    }

    pub(crate) fn digests(self, digests: impl IntoIterator<Item = &'q Digest>) -> Self {
        let digests = digests.into_iter();
        self.with(Argument::AllBytes(
            digests.map(|digest| digest.as_bytes().as_slice()).collect(),
        ))
    }

    pub(crate) fn truth_option(self, truth: Option<bool>) -> Self {
        self.with(Argument::Truth(truth))
    }

    pub(crate) fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, StoreError> {
        Ok(self.with(Argument::Text(Some(json(value)?.into()))))
    }

    pub(crate) fn json_option<T: Serialize>(self, value: Option<&T>) -> Result<Self, StoreError> {
        match value {
            Some(value) => self.json(value),
            None => Ok(self.text_option(None)),
        }
    }

    /// Three arguments: the event's id, its tenant, and all of it.
    pub(crate) fn event(self, event: &'q AuditEvent) -> Result<Self, StoreError> {
        self.text(event.id.as_str())
            .text(event.tenant.as_str())
            .json(event)
    }

    /// The statement with its values written into it, for a pooler that cannot keep prepared statements; none when it
    /// is to be prepared.
    pub(crate) fn as_text(&self) -> Result<Option<SqlStr>, StoreError> {
        if self.prepared {
            return Ok(None);
        }
        let text = text::render(self.sql, &self.arguments)
            .ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable))?;
        // Each value is quoted by `text`; the rest is ours.
        Ok(Some(AssertSqlSafe(text).into_sql_str()))
    }

    /// The arguments, as sqlx sends them.
    pub(crate) fn arguments(&self) -> Result<PgArguments, StoreError> {
        let mut encoded = PgArguments::default();
        for argument in &self.arguments {
            match argument {
                Argument::Text(text) => encoded.add(text.as_deref()),
                Argument::Texts(texts) => encoded.add(texts.as_deref()),
                Argument::Number(number) => encoded.add(number),
                Argument::Numbers(numbers) => encoded.add(numbers.as_slice()),
                Argument::Bytes(bytes) => encoded.add(*bytes),
                Argument::AllBytes(all) => encoded.add(all.as_slice()),
                Argument::Truth(truth) => encoded.add(truth),
            }
            .map_err(|error| from_sqlx(sqlx::Error::Encode(error)))?;
        }
        Ok(encoded)
    }
}

/// JSON for a column.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))
}

/// At most `limit`, as SQL counts.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A counter for a column; `bigint` ends at 2^63 - 1, and so do ours.
pub(crate) fn counter(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
