use std::sync::Arc;

use super::blocklist::PasswordBlocklist;
use super::expected::{is_derived, is_predictable};
use super::normal::{MAX_INPUT, normal};
use crate::error::{ConfigError, ConfigErrors, Error};
use crate::secret::Secret;

/// What may be chosen as a password: NIST SP 800-63B-4 section 3.1.1.2. Length and blocklists; nothing is asked of its
/// composition, and no password expires.
///
/// Judged when a password is chosen, never when one is verified: rules that change lock nobody out.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::Secret;
/// use fountain_core::password::{PasswordRules, PasswordVerdict, WordBlocklist};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let known = WordBlocklist::read(&b"what everybody chooses\n"[..])?;
/// let rules = PasswordRules::builder()
///     .context("Example Shop")
///     .blocklist(Arc::new(known))
///     .build()?;
///
/// let judge = async |text: &str| rules.judge(&Secret::from(text.to_owned()), &["alice"]).await;
/// assert_eq!(judge("correct horse battery staple").await?, PasswordVerdict::Accepted);
/// assert_eq!(judge("Tr0ub4dor&3").await?, PasswordVerdict::TooShort { min: 15 });
/// assert_eq!(judge("What everybody chooses").await?, PasswordVerdict::Known);
/// assert_eq!(judge("Alice-ExampleShop-2026").await?, PasswordVerdict::Derived);
/// assert_eq!(judge("1234567890123456").await?, PasswordVerdict::Predictable);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PasswordRules {
    min: usize,
    max: usize,
    context: Vec<String>,
    blocklists: Vec<Arc<dyn PasswordBlocklist>>,
}

/// What the rules say. Tell the person which it is, as NIST has it: nothing of it is a secret from who chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use]
pub enum PasswordVerdict {
    /// It may be used.
    Accepted,
    /// It has fewer characters than this.
    TooShort {
        /// The least number of Unicode code points.
        min: usize,
    },
    /// It has more characters than this, or more than 1,024 bytes.
    TooLong {
        /// The greatest number of Unicode code points.
        max: usize,
    },
    /// It is a few characters repeated, or a run along the alphabet, the digits or the keyboard.
    Predictable,
    /// It consists of the names at hand: the user's, the service's.
    Derived,
    /// It is on a list of known passwords.
    Known,
}

impl PasswordRules {
    /// Starts to wire them.
    pub fn builder() -> PasswordRulesBuilder {
        PasswordRulesBuilder {
            min: None,
            with_second_factor: false,
            max: MAX_CHARACTERS,
            context: Vec::new(),
            blocklists: Vec::new(),
        }
    }

    /// Judges a password that somebody wants to use. `about` are the words that belong to that person: user name, e-mail
    /// address, display name; at most 16 are looked at, and of each at most 255 bytes.
    ///
    /// In this order: length; predictable; derived from the context or from `about`; known to a blocklist.
    ///
    /// # Errors
    /// Those of a blocklist that cannot be asked; the password is then not accepted.
    ///
    /// # Cancel safety
    /// Nothing is kept.
    pub async fn judge(&self, password: &Secret, about: &[&str]) -> Result<PasswordVerdict, Error> {
        let Some(normal) = normal(password.expose()) else {
            return Ok(PasswordVerdict::TooLong { max: self.max });
        };
        let characters = normal.chars().count();
        if characters < self.min {
            return Ok(PasswordVerdict::TooShort { min: self.min });
        }
        if characters > self.max {
            return Ok(PasswordVerdict::TooLong { max: self.max });
        }
        if is_predictable(&normal) {
            return Ok(PasswordVerdict::Predictable);
        }
        let about = about
            .iter()
            .copied()
            .filter(|word| word.len() <= 255)
            .take(16);
        let context = self.context.iter().map(String::as_str);
        if is_derived(&normal, context.chain(about)) {
            return Ok(PasswordVerdict::Derived);
        }
        let normal = Secret::from(String::clone(&normal));
        for list in &self.blocklists {
            if list.holds(&normal).await? {
                return Ok(PasswordVerdict::Known);
            }
        }
        Ok(PasswordVerdict::Accepted)
    }
}

/// The least that a password may have which is all that is asked for (63B-4 section 3.1.1.2).
const MIN_ALONE: usize = 15;
/// The least that a password may have which is never enough without a second factor.
const MIN_WITH_SECOND_FACTOR: usize = 8;
/// The greatest number of code points: each has at most 4 bytes.
const MAX_CHARACTERS: usize = MAX_INPUT / 4;
/// At least this many must be allowed.
const LEAST_MAX: usize = 64;

/// Wires [`PasswordRules`].
///
/// Unless told otherwise: 15 to 256 characters, no context, no blocklists.
#[derive(Debug, Clone)]
#[must_use]
pub struct PasswordRulesBuilder {
    min: Option<usize>,
    with_second_factor: bool,
    max: usize,
    context: Vec<String>,
    blocklists: Vec<Arc<dyn PasswordBlocklist>>,
}

impl PasswordRulesBuilder {
    /// Everybody has to show a second factor as well: 8 characters are then enough, instead of 15.
    pub fn with_second_factor(mut self) -> Self {
        self.with_second_factor = true;
        self
    }

    /// The least number of Unicode code points: 15, or 8 with a second factor; neither can be undercut.
    pub fn min(mut self, characters: usize) -> Self {
        self.min = Some(characters);
        self
    }

    /// The greatest number of Unicode code points: 64 to 256, and 256 unless told otherwise.
    pub fn max(mut self, characters: usize) -> Self {
        self.max = characters;
        self
    }

    /// A word that passwords here may not consist of, such as the service's name.
    pub fn context(mut self, word: impl Into<String>) -> Self {
        self.context.push(word.into());
        self
    }

    /// A list of known passwords, asked after those that were given before.
    pub fn blocklist(mut self, list: Arc<dyn PasswordBlocklist>) -> Self {
        self.blocklists.push(list);
        self
    }

    /// Builds the rules.
    ///
    /// # Errors
    /// When the least length is less than NIST's, the greatest is not 64 to 256, or the first is beyond the second.
    pub fn build(self) -> Result<PasswordRules, ConfigErrors> {
        let mut errors = Vec::new();
        let mut mistake = |setting, hint| errors.push(ConfigError::Invalid { setting, hint });
        let (floor, hint) = if self.with_second_factor {
            (MIN_WITH_SECOND_FACTOR, "give at least 8")
        } else {
            (
                MIN_ALONE,
                "give at least 15, or at least 8 and .with_second_factor() where everybody has one",
            )
        };
        let min = self.min.unwrap_or(floor);
        if min < floor {
            mistake("min", hint);
        }
        if !(LEAST_MAX..=MAX_CHARACTERS).contains(&self.max) {
            mistake("max", "give 64 to 256");
        } else if min > self.max {
            mistake("min", "give at most the greatest length");
        }
        ConfigErrors::from_iter(errors).into_result()?;
        Ok(PasswordRules {
            min,
            max: self.max,
            context: self.context,
            blocklists: self.blocklists,
        })
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::error::ErrorKind;

    fn judge(rules: &PasswordRules, password: &str) -> Result<PasswordVerdict, Error> {
        crate::password::testing::block_on(
            rules.judge(&Secret::from(password.to_owned()), &["alice"]),
        )
    }

    fn of_length(characters: usize) -> String {
        "zäq1xsw2".chars().cycle().take(characters).collect()
    }

    #[test]
    fn the_lengths_are_nists_and_are_counted_in_characters() {
        use PasswordVerdict::{Accepted, TooLong, TooShort};
        let alone = PasswordRules::builder().build().unwrap();
        let second = PasswordRules::builder()
            .with_second_factor()
            .build()
            .unwrap();
        for (rules, min) in [(&alone, 15), (&second, 8)] {
            let said = |length| judge(rules, &of_length(length)).unwrap();
            assert_eq!(said(min - 1), TooShort { min });
            assert_eq!((said(min), said(256)), (Accepted, Accepted));
            assert_eq!(said(257), TooLong { max: 256 });
            assert_eq!(said(100_000), TooLong { max: 256 });
        }
        // 15 letters with an accent each, in two pieces: 15 characters
        assert_eq!(
            judge(&alone, &"e\u{301}x".repeat(7)).unwrap(),
            TooShort { min: 15 }
        );
        assert!(judge(&alone, &format!("ze\u{301}{}", of_length(13))).unwrap() == Accepted);
    }

    #[test]
    fn no_composition_is_asked_for() {
        let rules = PasswordRules::builder().build().unwrap();
        for fine in [
            "only lower case letters",
            "ONLYUPPERCASELETTERS",
            "294857602983746",
            "пароль на русском языке",
            "🦀🐙🦑🐡🐠🐟🐬🐳🦈🐋🐊🐢🦎🐍🐲",
        ] {
            assert_eq!(
                judge(&rules, fine).unwrap(),
                PasswordVerdict::Accepted,
                "{fine}"
            );
        }
    }

    #[test]
    fn lengths_that_nist_does_not_allow_are_not_built() {
        let alone = PasswordRules::builder;
        let hint = |builder: PasswordRulesBuilder| builder.build().unwrap_err().to_string();
        assert!(hint(alone().min(14)).contains("with_second_factor"));
        assert!(hint(alone().with_second_factor().min(7)).contains("at least 8"));
        assert!(hint(alone().max(63)).contains("64 to 256"));
        assert!(hint(alone().max(257)).contains("64 to 256"));
        assert!(hint(alone().min(65).max(64)).contains("greatest"));
        assert!(alone().min(64).max(64).build().is_ok());
        assert!(alone().with_second_factor().min(8).build().is_ok());
    }

    #[derive(Debug)]
    struct Broken;

    #[async_trait]
    impl PasswordBlocklist for Broken {
        async fn holds(&self, _: &Secret) -> Result<bool, Error> {
            Err(ErrorKind::Unavailable.into())
        }
    }

    #[derive(Debug)]
    struct OfNormalForm;

    #[async_trait]
    impl PasswordBlocklist for OfNormalForm {
        async fn holds(&self, password: &Secret) -> Result<bool, Error> {
            Ok(password.expose() == "\u{e9}t\u{e9} a la campagne")
        }
    }

    #[test]
    fn a_list_that_cannot_be_asked_accepts_nothing() {
        let rules = PasswordRules::builder()
            .blocklist(Arc::new(OfNormalForm))
            .blocklist(Arc::new(Broken))
            .build()
            .unwrap();
        let error = judge(&rules, "correct horse battery staple").unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unavailable);
        // What is refused for another reason needs no list.
        assert_eq!(
            judge(&rules, "alice alice alice").unwrap(),
            PasswordVerdict::Derived
        );
        // And a list sees what will be hashed: the normal form.
        let typed_otherwise = "e\u{301}te\u{301} a la campagne";
        assert_eq!(
            judge(&rules, typed_otherwise).unwrap(),
            PasswordVerdict::Known
        );
    }
}
