//! Reading what a script answers and what a line holds: each value is checked as it is read.

use std::str::FromStr;

use fountain_core::{StoreError, Timestamp};
use redis::Value;
use serde::de::DeserializeOwned;

use crate::error::{corrupt, unexpected};
use crate::words::{NONE, untime, unword};

/// An answer that is a list.
pub(crate) fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(unexpected()),
    }
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into()),
        _ => Err(unexpected()),
    }
}

/// An answer that is there or not.
pub(crate) fn bytes_option(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        value => bytes(value).map(Some),
    }
}

/// An answer that one of our scripts writes, and not a stored text.
pub(crate) fn text(value: Value) -> Result<String, StoreError> {
    String::from_utf8(bytes(value)?).map_err(|_| unexpected())
}

pub(crate) fn count(value: &Value) -> Result<u64, StoreError> {
    match value {
        Value::Int(count) => u64::try_from(*count).map_err(|_| unexpected()),
        _ => Err(unexpected()),
    }
}

/// The next part of an answer.
pub(crate) fn next(parts: &mut impl Iterator<Item = Value>) -> Result<Value, StoreError> {
    parts.next().ok_or_else(unexpected)
}

/// A stored line, read word by word.
pub(crate) struct Line<'l> {
    table: &'static str,
    rest: Option<&'l str>,
}

impl<'l> Line<'l> {
    pub(crate) fn new(table: &'static str, line: &'l [u8]) -> Result<Self, StoreError> {
        let line = std::str::from_utf8(line).map_err(|_| corrupt(table, "utf8"))?;
        Ok(Self {
            table,
            rest: Some(line),
        })
    }

    /// The next word, or nothing behind the last.
    pub(crate) fn word_option(&mut self) -> Option<&'l str> {
        let rest = self.rest?;
        match rest.split_once(' ') {
            Some((word, rest)) => {
                self.rest = Some(rest);
                Some(word)
            }
            None => self.rest.take(),
        }
    }

    pub(crate) fn word(&mut self, what: &'static str) -> Result<&'l str, StoreError> {
        self.word_option().ok_or_else(|| corrupt(self.table, what))
    }

    /// All that is left.
    pub(crate) fn rest(&mut self, what: &'static str) -> Result<&'l str, StoreError> {
        self.rest.take().ok_or_else(|| corrupt(self.table, what))
    }

    /// A text that its type checks.
    pub(crate) fn parsed<T: FromStr>(&mut self, what: &'static str) -> Result<T, StoreError> {
        let text = unword(self.word(what)?);
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| corrupt(self.table, what))
    }

    pub(crate) fn time(&mut self, what: &'static str) -> Result<Timestamp, StoreError> {
        untime(self.word(what)?).ok_or_else(|| corrupt(self.table, what))
    }

    pub(crate) fn time_option(
        &mut self,
        what: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        match self.word(what)? {
            NONE => Ok(None),
            word => untime(word)
                .map(Some)
                .ok_or_else(|| corrupt(self.table, what)),
        }
    }

    /// All that is left, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(
        &mut self,
        what: &'static str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(self.rest(what)?).map_err(|_| corrupt(self.table, what))
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.rest.is_none()
    }

    /// Two places that say the same say it alike.
    pub(crate) fn agree(&self, what: &'static str, agree: bool) -> Result<(), StoreError> {
        if agree {
            Ok(())
        } else {
            Err(corrupt(self.table, what))
        }
    }
}
