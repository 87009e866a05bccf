use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The name that a person signs in by, in its one canonical form: what is counted, looked up and stored (R-61, B-72).
///
/// The form is that of the profile UsernameCaseMapped of PRECIS (RFC 8265 section 3.3): full-width and half-width
/// characters are mapped, letters are lower case, all is in Unicode's normal form C, and what has no place in a name is refused:
/// blanks, controls, symbols that only look like letters. Blanks at both ends are dropped first, since people paste them. An
/// e-mail address is such a name, at most 255 bytes long, its domain written in either form.
///
/// # Security
/// Letters of different scripts that look alike (`а` and `a`) stay different names. Where people choose each other by name,
/// refuse mixed scripts when you register them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginName(Arc<str>);

impl LoginName {
    /// The longest name, in bytes, before and after it is brought into its form.
    pub const LONGEST: usize = 255;

    /// Brings a text into the canonical form.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty, longer than 255 bytes, or has a character that a name cannot have.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
        const REFUSED: Error = Error::invalid(
            "login name",
            "write at most 255 bytes of letters, digits and punctuation, without blanks",
        );
        // Before anything is looked at twice: what comes here is whatever a stranger sends.
        if text.as_ref().len() > Self::LONGEST {
            return Err(REFUSED);
        }
        let once = canonical(text.as_ref().trim()).ok_or(REFUSED)?;
        // RFC 8264 section 7: a form that changes when it is made again is no form.
        let twice = canonical(&once).ok_or(REFUSED)?;
        if once != twice || once.len() > Self::LONGEST {
            return Err(REFUSED);
        }
        Ok(Self(once.into()))
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn canonical(text: &str) -> Option<Cow<'_, str>> {
    UsernameCaseMapped::enforce(text).ok()
}

impl fmt::Display for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginName({:?})", &*self.0)
    }
}

impl std::str::FromStr for LoginName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl AsRef<str> for LoginName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for LoginName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LoginName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Option<String> {
        LoginName::new(text)
            .ok()
            .map(|name| name.as_str().to_owned())
    }

    /// B-72, CVE-2025-6004
    #[test]
    fn however_a_name_is_typed_it_is_one() {
        for text in [
            "alice",
            "Alice",
            " alice",
            "alice ",
            "ALICE",
            "ａｌｉｃｅ",
            "\talice\n",
        ] {
            assert_eq!(name(text).as_deref(), Some("alice"), "{text:?}");
        }
        assert_eq!(name("ALICE@x"), name("alice@X"));
        assert_eq!(name("caf\u{e9}"), name("CAFE\u{301}"));
        assert_ne!(name("\u{430}lice"), name("alice")); // Cyrillic: another name
        assert_ne!(name("straße"), name("strasse"));
    }

    #[test]
    fn what_has_no_place_in_a_name_is_refused() {
        let long = "x".repeat(256);
        for text in [
            "",
            " ",
            "a b",
            "a\u{a0}b",
            "a\u{200b}",
            "a\u{202e}b",
            "a\0",
            "a\r\nb",
            "\u{feff}a",
            "ﬁ",
            "Ⅳ",
            "👍",
            &long,
        ] {
            assert_eq!(name(text), None, "{text:?}");
        }
        assert_eq!(name(&long[..255]).map(|name| name.len()), Some(255));
        // İ grows by a byte when it becomes small.
        assert_eq!(name(&"İ".repeat(127)), None);
    }

    /// R-94, B-70
    #[test]
    fn it_shows_without_controls() {
        assert_eq!(
            format!("{:?}", LoginName::new("Alice").unwrap()),
            "LoginName(\"alice\")"
        );
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself_and_no_text_panics(text in "\\PC{0,40}") {
            if let Ok(once) = LoginName::new(&text) {
                prop_assert_eq!(&LoginName::new(once.as_str()).unwrap(), &once);
                prop_assert!(!once.as_str().chars().any(|c| c.is_control() || c.is_whitespace()));
                prop_assert!(once.as_str().len() <= LoginName::LONGEST);
            }
        }

        #[test]
        fn upper_and_lower_case_ascii_are_one(text in "[a-zA-Z0-9._@+-]{1,40}") {
            let forms = [text.to_uppercase(), text.to_lowercase(), format!(" {text} ")];
            let names: Vec<_> = forms.iter().map(|form| LoginName::new(form).unwrap()).collect();
            prop_assert!(names.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
