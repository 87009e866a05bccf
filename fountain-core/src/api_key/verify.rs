use super::{ApiKeyRecord, KeyFormatError};
use crate::clock::Timestamp;
use crate::error::{Reason, Rejection};
use crate::identity::Principal;

/// What verifying an API key found.
///
/// A client is told only whether it is accepted: [`KeyVerdict::into_result`] gives the same public face to every
/// refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyVerdict {
    /// The key is good.
    Accepted(Principal),
    /// It is not a key of ours; no store was asked.
    Malformed(KeyFormatError),
    /// No such key, or not in this tenant: an id that does not exist and a secret that is wrong are the same.
    Unknown,
    /// Revoked for good.
    Revoked,
    /// Disabled until an administrator enables it.
    Disabled,
    /// Before its first instant.
    NotYetValid,
    /// Past its last instant.
    Expired,
    /// Rotated, and the overlap is over.
    Superseded,
    /// Its owner is disabled.
    OwnerDisabled,
}

impl KeyVerdict {
    /// The cause of the refusal; none when it is accepted.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Accepted(_) => None,
            Self::Malformed(_) => Some(Reason::KeyMalformed),
            Self::Unknown => Some(Reason::KeyUnknown),
            Self::Revoked => Some(Reason::KeyRevoked),
            Self::Disabled => Some(Reason::KeyDisabled),
            Self::NotYetValid => Some(Reason::KeyNotYetValid),
            Self::Expired => Some(Reason::KeyExpired),
            Self::Superseded => Some(Reason::KeySuperseded),
            Self::OwnerDisabled => Some(Reason::KeyOwnerDisabled),
        }
    }

    /// The principal, or the refusal to answer with.
    ///
    /// # Errors
    /// `invalid_token` (401) for every verdict but [`KeyVerdict::Accepted`]; only the reason inside differs.
    pub fn into_result(self) -> Result<Principal, Rejection> {
        match self {
            Self::Accepted(principal) => Ok(principal),
            refused => Err(Rejection::invalid_token(
                refused.reason().unwrap_or(Reason::KeyUnknown),
            )),
        }
    }
}

/// Why a key is refused at `now`, if it is: the first cause, in the documented order.
///
/// Every cause is looked at, whichever is the first, and there is one jump at the end, so that the time that a refusal
/// takes does not tell its cause.
pub(super) fn first_cause(
    record: &ApiKeyRecord,
    is_known: bool,
    now: Timestamp,
) -> Option<KeyVerdict> {
    let causes = [
        !is_known,
        record.revoked_at.is_some(),
        record.disabled_at.is_some(),
        now < record.not_before,
        now >= record.expires_at,
        now >= record.superseded_at.unwrap_or(Timestamp::MAX),
    ];
    let bits = causes
        .iter()
        .rev()
        .fold(0_u8, |bits, cause| (bits << 1) | u8::from(*cause));
    match bits.trailing_zeros() {
        0 => Some(KeyVerdict::Unknown),
        1 => Some(KeyVerdict::Revoked),
        2 => Some(KeyVerdict::Disabled),
        3 => Some(KeyVerdict::NotYetValid),
        4 => Some(KeyVerdict::Expired),
        5 => Some(KeyVerdict::Superseded),
        _ => None,
    }
}
