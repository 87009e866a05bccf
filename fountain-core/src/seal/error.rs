use super::KekId;
use crate::error::{Error, ErrorKind};

/// Why a record was not sealed or opened. There is no plaintext with any of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The sealed bytes are cut, too long or not of the form that a seal has.
    #[error("the sealed record is malformed")]
    Malformed,
    /// The record is of a version that this release does not open: older than its floor, or newer than itself.
    #[error("the sealed record has version {0}, which this release does not open")]
    Version(u8),
    /// The record is sealed under a key-encryption key that is not configured.
    #[error("the key-encryption key {0} is not configured: add it, the record is kept as it is")]
    UnknownKek(KekId),
    /// The record, its place or the key-encryption key is not what it was sealed with.
    #[error(
        "the sealed record does not open: it was changed or moved, or the key-encryption key is another one"
    )]
    Tampered,
    /// The plaintext is too long to be sealed.
    #[error("the record is too long to be sealed: at most 1 MiB")]
    TooLarge,
    /// The key-encryption key has wrapped as many data keys as it may.
    #[error("the key-encryption key has been used as often as it may: configure a new one")]
    Exhausted,
    /// A key-encryption key is not acceptable.
    #[error("the key-encryption key is not acceptable: {0}")]
    WeakKek(&'static str),
    /// The operating system gave no randomness.
    #[error("no entropy")]
    Entropy,
    /// Who holds the key-encryption keys does not answer.
    #[error("the holder of the key-encryption keys does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync + 'static>),
}

impl SealError {
    /// Whether the same call may succeed later without being changed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        let kind = match &error {
            SealError::Malformed | SealError::Version(_) | SealError::Tampered => {
                ErrorKind::Corrupt
            }
            SealError::UnknownKek(_) => {
                ErrorKind::Crypto("the key-encryption key is not configured")
            }
            SealError::Exhausted => ErrorKind::Crypto("the key-encryption key is used up"),
            SealError::TooLarge => ErrorKind::InvalidInput {
                field: "record",
                problem: "it is too long to be sealed: at most 1 MiB",
            },
            SealError::WeakKek(problem) => ErrorKind::InvalidInput {
                field: "key-encryption key",
                problem,
            },
            SealError::Entropy => ErrorKind::Entropy,
            SealError::Unavailable(_) => ErrorKind::Unavailable,
        };
        Self::with_source(kind, error)
    }
}

/// The only error of a [`Random`](crate::Random) is the lack of entropy.
impl From<Error> for SealError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Entropy => Self::Entropy,
            _ => Self::Unavailable(error.into()),
        }
    }
}
