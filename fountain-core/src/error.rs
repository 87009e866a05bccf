//! Errors, refusals and configuration mistakes: three things that a caller treats differently.
//!
//! - [`Error`]: a service could not do what it was asked (the store is down, the input is not valid).
//! - [`Rejection`]: a request is refused. One public face per status; the precise [`Reason`] is for
//!   logs, metrics and the audit trail only.
//! - [`ConfigErrors`]: the host wired something weak or left something out; found by `build()`.
//!
//! [`StoreError`] is what a store adapter returns.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

mod config;
mod reason;

pub use config::{ConfigError, ConfigErrors};
pub use reason::Reason;

type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a service could not do what it was asked.
///
/// Opaque: a kind to act on, and a source for the log. Its text never holds input bytes.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    kind: ErrorKind,
    #[source]
    source: Option<BoxError>,
}

/// What an [`Error`] is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is not valid; nothing was changed.
    #[error("{field} is not valid: {problem}")]
    InvalidInput {
        /// Which argument.
        field: &'static str,
        /// What is wrong with it, and what to give instead.
        problem: &'static str,
    },
    /// The record does not exist, or belongs to another tenant.
    #[error("not found")]
    NotFound,
    /// The record exists already, or another node was first.
    #[error("conflicts with what is stored: {0}")]
    Conflict(&'static str),
    /// The actor may not do this; nothing was changed.
    #[error("not permitted: {0}")]
    Forbidden(&'static str),
    /// The request was refused as a whole; see [`Error::rejection`].
    #[error("refused")]
    Refused(Rejection),
    /// A clock of the signing-key state machine has not run out yet (L-01).
    #[error("too early: {0}")]
    TooEarly(&'static str),
    /// The store, or something behind it, did not answer.
    #[error("a store did not answer")]
    Unavailable,
    /// The store holds something that cannot be read: it is kept, and this call fails closed.
    #[error("a stored record cannot be read")]
    Corrupt,
    /// The operating system gave no randomness; nothing was made from less (R-78).
    #[error("no entropy")]
    Entropy,
    /// Sealing, opening, signing or generating failed.
    #[error("cryptographic operation failed: {0}")]
    Crypto(&'static str),
}

impl Error {
    /// An error of this kind without a source.
    #[must_use]
    pub const fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error of this kind, caused by `source`.
    pub fn with_source(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// An argument is not valid.
    #[must_use]
    pub const fn invalid(field: &'static str, problem: &'static str) -> Self {
        Self::new(ErrorKind::InvalidInput { field, problem })
    }

    /// What the error is about.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether the same call may succeed later without being changed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::TooEarly(_))
    }

    /// The refusal to answer a client with, for every kind: nothing fails open.
    ///
    /// Whatever is not a refusal by itself is answered as `unavailable` (503); the reason tells a record that cannot be
    /// read from a store that does not answer.
    #[must_use]
    pub fn rejection(&self) -> Rejection {
        match &self.kind {
            ErrorKind::Refused(rejection) => rejection.clone(),
            ErrorKind::Corrupt => Rejection::unavailable(Reason::StoreCorrupt),
            _ => Rejection::unavailable(Reason::StoreUnavailable),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::new(ErrorKind::Refused(rejection))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind() {
            StoreErrorKind::Corrupt => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        };
        Self::with_source(kind, error)
    }
}

/// Why a store could not answer. The only error type of every store trait.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct StoreError {
    kind: StoreErrorKind,
    #[source]
    source: Option<BoxError>,
}

/// What a [`StoreError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The server cannot be reached, or refuses to work now.
    #[error("the store cannot be reached")]
    Unavailable,
    /// No answer within the deadline; the change may or may not have happened.
    #[error("the store did not answer in time")]
    Timeout,
    /// A bound of the store is reached (memory, disk, connections). Nothing was evicted to make room.
    #[error("the store is full")]
    Full,
    /// A serialisation conflict that outlived the adapter's own retries.
    #[error("the store could not serialise the change")]
    Contended,
    /// A stored record cannot be read. It is left as it is.
    #[error("a stored record cannot be read")]
    Corrupt,
    /// The store's schema is older or newer than this adapter.
    #[error("the store has an unknown schema version")]
    Schema,
    /// What must be new exists already, or the call contradicts itself; nothing was changed.
    ///
    /// The same call fails again. The services make calls without a contradiction and draw what must be new at
    /// random, each time anew, so to their callers it is `Unavailable` like any other fault of a store.
    #[error("what must be new exists already, or the call contradicts itself")]
    Conflict,
    /// The call holds more records than one step may take; nothing was changed. The same call fails again.
    #[error("the call holds more records than one step takes")]
    TooMany,
}

impl StoreError {
    /// An error of this kind without a source.
    #[must_use]
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error of this kind, caused by `source`.
    pub fn with_source(kind: StoreErrorKind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// What the error is about.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without being changed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Unavailable | StoreErrorKind::Timeout | StoreErrorKind::Contended
        )
    }
}

impl From<StoreErrorKind> for StoreError {
    fn from(kind: StoreErrorKind) -> Self {
        Self::new(kind)
    }
}

/// A refused request.
///
/// A client is shown only the [`RejectionKind`]; every cause behind one kind gives a
/// byte-identical answer (R-20, R-35). The [`Reason`] is for metrics and the audit trail.
///
/// ```
/// use fountain_core::{Reason, Rejection, RejectionKind};
///
/// let expired = Rejection::invalid_token(Reason::TokenExpired);
/// let forged = Rejection::invalid_token(Reason::TokenSignature);
/// assert_eq!(expired.kind(), forged.kind());
/// assert_eq!(expired.to_string(), forged.to_string());
/// assert_ne!(expired.reason(), forged.reason());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Rejection {
    kind: RejectionKind,
    reason: Reason,
}

/// The public face of a [`Rejection`]: one per answer that a client can get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectionKind {
    /// 401 without an error code: no credential was sent (RFC 6750 section 3.1).
    #[error("no credential was sent")]
    MissingCredential,
    /// 400 `invalid_request`: the credential is not even well-formed, or there is more than one.
    #[error("the request is malformed")]
    InvalidRequest,
    /// 401 `invalid_token`: unknown, wrong, expired, revoked, foreign, all alike.
    #[error("the credential is not valid")]
    InvalidToken,
    /// 400 `invalid_grant` (RFC 6749 section 5.2): a refresh token that is not good, for whatever reason.
    #[error("the grant is not valid")]
    InvalidGrant,
    /// 401 `authentication_failed`: a name, a password or a code that is not good, or may not be tried now, all alike (R-63).
    #[error("the authentication failed")]
    AuthenticationFailed,
    /// 403 `insufficient_scope`: known, but may not do this.
    #[error("the credential does not permit this")]
    InsufficientScope {
        /// The permission that would be needed, as named in the requirement: never taken from input.
        scope: Cow<'static, str>,
    },
    /// 401 `insufficient_user_authentication` (RFC 9470): a fresher or stronger authentication is needed.
    #[error("a fresher or stronger authentication is needed")]
    StepUpRequired {
        /// The authentication context class that would do, for `acr_values`.
        acr: Option<Cow<'static, str>>,
        /// How old the authentication may be, for `max_age`.
        max_age: Option<Duration>,
        /// For which act a grant is needed, when one is: what to ask for when stepping up (L-06).
        action: Option<Cow<'static, str>>,
        /// On which resource, when the act is bound to one.
        resource: Option<String>,
    },
    /// 429: too many requests.
    #[error("too many requests")]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// 503: something that must be asked does not answer, so nothing is allowed.
    #[error("temporarily unavailable")]
    Unavailable {
        /// How long to wait.
        retry_after: Duration,
    },
}

impl Rejection {
    /// How long a client is asked to wait when a store does not answer: 1 s.
    pub const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(1);

    /// A refusal with this public face for this reason.
    #[must_use]
    pub const fn new(kind: RejectionKind, reason: Reason) -> Self {
        Self { kind, reason }
    }

    /// No credential was sent (401, no error code).
    #[must_use]
    pub const fn missing_credential() -> Self {
        Self::new(RejectionKind::MissingCredential, Reason::CredentialMissing)
    }

    /// The credential is malformed (400).
    #[must_use]
    pub const fn invalid_request(reason: Reason) -> Self {
        Self::new(RejectionKind::InvalidRequest, reason)
    }

    /// The credential is not valid (401).
    #[must_use]
    pub const fn invalid_token(reason: Reason) -> Self {
        Self::new(RejectionKind::InvalidToken, reason)
    }

    /// The refresh token is not valid (`invalid_grant`).
    #[must_use]
    pub const fn invalid_grant(reason: Reason) -> Self {
        Self::new(RejectionKind::InvalidGrant, reason)
    }

    /// A name, a password or a code is not good, or may not be tried now (401).
    #[must_use]
    pub const fn authentication_failed(reason: Reason) -> Self {
        Self::new(RejectionKind::AuthenticationFailed, reason)
    }

    /// A store does not answer (503).
    #[must_use]
    pub const fn unavailable(reason: Reason) -> Self {
        Self::new(
            RejectionKind::Unavailable {
                retry_after: Self::UNAVAILABLE_RETRY_AFTER,
            },
            reason,
        )
    }

    /// What a client may see.
    #[must_use]
    pub const fn kind(&self) -> &RejectionKind {
        &self.kind
    }

    /// The precise cause, for a metric label or an audit event. Never send it to a client.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        Self::unavailable(match error.kind() {
            StoreErrorKind::Corrupt => Reason::StoreCorrupt,
            _ => Reason::StoreUnavailable,
        })
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        error.rejection()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F-35: whichever way it becomes a refusal, a record that cannot be read is told from a store that does not answer.
    #[test]
    fn a_corrupt_record_keeps_its_reason_on_every_way_to_a_refusal() {
        for (kind, reason) in [
            (StoreErrorKind::Corrupt, Reason::StoreCorrupt),
            (StoreErrorKind::Timeout, Reason::StoreUnavailable),
            (StoreErrorKind::Full, Reason::StoreUnavailable),
        ] {
            let direct = Rejection::from(StoreError::new(kind));
            let through = Error::from(StoreError::new(kind)).rejection();
            assert_eq!((direct.reason(), &direct), (reason, &through));
        }
    }
}
