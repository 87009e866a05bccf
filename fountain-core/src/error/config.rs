use std::fmt;

use super::StoreError;

/// One mistake in the wiring, with what to write instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Something that has no safe default was not given.
    #[error("{setting} is missing: {hint}")]
    Missing {
        /// The builder's method.
        setting: &'static str,
        /// What to write.
        hint: &'static str,
    },
    /// A value is weak, contradictory or out of its range.
    #[error("{setting} is not acceptable: {hint}")]
    Invalid {
        /// The builder's method.
        setting: &'static str,
        /// What to write instead.
        hint: &'static str,
    },
    /// A role, permission or scope of the catalogue is not acceptable.
    #[error("role catalogue: {problem}: {name:?}")]
    Roles {
        /// What is wrong, and what to write instead.
        problem: &'static str,
        /// The role or permission, as the host's own code named it.
        name: String,
    },
    /// A store could not be asked while building.
    #[error(
        "the store could not be asked while building: start it, or check its address and credentials"
    )]
    Store(#[source] StoreError),
    /// The first signing key could not be made or read.
    #[error("the signing keys could not be made or opened: {hint}")]
    SigningKeys {
        /// What to check.
        hint: &'static str,
        /// What happened.
        #[source]
        source: Box<super::Error>,
    },
}

/// Every mistake that `build()` found, all at once.
///
/// ```
/// use fountain_core::{ConfigError, ConfigErrors};
///
/// let errors = ConfigErrors::from_iter([ConfigError::Missing {
///     setting: "issuer",
///     hint: "write .issuer(\"https://auth.example.com\")",
/// }]);
/// assert_eq!(errors.iter().count(), 1);
/// assert!(errors.to_string().contains("issuer is missing"));
/// ```
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The mistakes in the order in which the builder's methods are documented.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// `Ok` when there is no mistake.
    ///
    /// # Errors
    /// `self` when there is at least one.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl FromIterator<ConfigError> for ConfigErrors {
    fn from_iter<I: IntoIterator<Item = ConfigError>>(errors: I) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} configuration error(s)", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "; {error}"))
    }
}

impl std::error::Error for ConfigErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.first().and_then(std::error::Error::source)
    }
}
