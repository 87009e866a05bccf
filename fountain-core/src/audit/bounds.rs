//! The bounds of an event's texts, kept where events are written and where they are read: a store that was written to
//! by something else cannot bring in what no event could hold, and nothing is written that could not be read again.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many details an event has at most.
pub(super) const MAX_DETAILS: usize = 16;
/// The longest text of an event, in bytes.
pub(super) const MAX_TEXT: usize = 256;

const BROKEN: &str = "an audit event has at most 16 details, and texts of at most 256 bytes without control characters";

fn holds(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

pub(super) mod text {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        text: &str,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if !holds(text) {
            return Err(S::Error::custom(BROKEN));
        }
        text.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<String, D::Error> {
        let text = String::deserialize(deserializer)?;
        if holds(&text) {
            Ok(text)
        } else {
            Err(D::Error::custom(BROKEN))
        }
    }
}

pub(super) mod optional_text {
    use super::*;

    #[expect(
        clippy::ref_option,
        reason = "serde calls it with a reference to the field"
    )]
    pub(in super::super) fn serialize<S: Serializer>(
        text: &Option<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if !text.as_deref().is_none_or(holds) {
            return Err(S::Error::custom(BROKEN));
        }
        text.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        if text.as_deref().is_none_or(holds) {
            Ok(text)
        } else {
            Err(D::Error::custom(BROKEN))
        }
    }
}

pub(super) mod details {
    use super::*;

    fn hold(details: &BTreeMap<String, String>) -> bool {
        details.len() <= MAX_DETAILS
            && details
                .iter()
                .all(|(name, value)| holds(name) && holds(value))
    }

    pub(in super::super) fn serialize<S: Serializer>(
        details: &BTreeMap<String, String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if !hold(details) {
            return Err(S::Error::custom(BROKEN));
        }
        details.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, String>, D::Error> {
        let details = BTreeMap::deserialize(deserializer)?;
        if hold(&details) {
            Ok(details)
        } else {
            Err(D::Error::custom(BROKEN))
        }
    }
}
