use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Algorithm;
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{Issuer, Kid};

/// A signing key as a store holds it: its public half readable, its private half sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    /// The issuer that it signs for.
    pub issuer: Issuer,
    /// Its id: unique within the issuer, never used again.
    pub kid: Kid,
    /// The one algorithm that it is bound to.
    pub algorithm: Algorithm,
    /// Where it stands.
    pub state: SigningKeyState,
    /// Its public JWK as JSON; empty for a symmetric key, which is never published.
    pub public_jwk: String,
    /// Its private half, sealed: bytes that only the `Sealer` can open.
    pub sealed: Vec<u8>,
    /// When it was first published.
    pub published_at: Timestamp,
    /// It must not sign before this instant: published, plus the JWKS's max-age, plus skew (L-01).
    pub activate_from: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
    /// It must not be removed before this instant: the last `exp` that it can have signed, plus leeway (L-01).
    pub remove_from: Option<Timestamp>,
    /// When it was removed or revoked.
    pub ended_at: Option<Timestamp>,
}

/// Where a signing key stands: `pending -> active -> retired -> removed`, and `revoked` from anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigningKeyState {
    /// Published, not yet signing.
    Pending,
    /// Signs and verifies. At most one for each issuer.
    Active,
    /// Verifies what it signed, signs no more.
    Retired,
    /// Ended in good order: verifies nothing. Kept so that its `kid` is never used again.
    Removed,
    /// Ended in an emergency: verifies nothing.
    Revoked,
}

impl SigningKeyState {
    /// The stable name, the same in code, SQL, metrics and docs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
        }
    }
}

/// All keys of an issuer at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyRing {
    /// Rises by one with every transition; zero before the first.
    pub generation: u64,
    /// Every key, ended ones included, in the order in which they were published; equal times by `kid`.
    pub keys: Vec<SigningKeyRecord>,
}

/// One step of the state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTransition {
    /// Adds a `Pending` key.
    Publish(SigningKeyRecord),
    /// Makes a pending key sign; the active one, if there is one, is retired at the same moment.
    Activate {
        /// Which pending key.
        kid: Kid,
        /// From when on the key that is retired by this may be removed.
        remove_from: Timestamp,
    },
    /// Ends a retired key.
    Remove {
        /// Which retired key.
        kid: Kid,
    },
    /// Ends a key at once, whatever its state; `replacement` (an `Active` record) takes over if it signed.
    Revoke {
        /// Which key.
        kid: Kid,
        /// Inserted as the active key when the revoked one was active; ignored otherwise.
        replacement: Option<SigningKeyRecord>,
    },
}

impl KeyTransition {
    /// The record that it brings, if it brings one.
    #[must_use]
    pub const fn record(&self) -> Option<&SigningKeyRecord> {
        match self {
            Self::Publish(record) => Some(record),
            Self::Revoke { replacement, .. } => replacement.as_ref(),
            Self::Activate { .. } | Self::Remove { .. } => None,
        }
    }
}

/// What came of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionOutcome {
    /// This call won.
    Applied {
        /// The ring's new generation.
        generation: u64,
    },
    /// The ring is no longer (or not yet) at the expected generation; nothing changed.
    Moved {
        /// The generation that stands.
        generation: u64,
    },
    /// A clock of the state machine has not run out; nothing changed.
    TooEarly {
        /// When it will have.
        until: Timestamp,
    },
    /// The key does not exist or is not in the state that the transition starts from, or a published `kid`
    /// exists already; nothing changed.
    NotApplicable,
}

/// Holds signing keys, sealed, and which one is active.
///
/// # Contract
/// - A: `ring` gives every key of one issuer and the generation, as of one moment.
/// - B: `apply` changes the ring only when its generation is `expected`, and then raises it by exactly one:
///   of parallel calls with one `expected`, at most one is `Applied`. It is compared before anything else that is
///   stored is judged.
/// - C: `Publish` adds a key as given, as `Pending`; a `kid` that was ever used with this issuer is `NotApplicable`.
/// - D: `Activate` at `now` before the key's `activate_from` is `TooEarly`, at that instant or later it is
///   applied: the key becomes `Active` with `activated_at = now`, and the key that was active becomes
///   `Retired` with `retired_at = now` and `remove_from` as given.
/// - E: `Remove` at `now` before the key's `remove_from` is `TooEarly`; at that instant or later the key
///   becomes `Removed` with `ended_at = now` and its sealed bytes are wiped (empty).
/// - F: `Revoke` ends a key from `Pending`, `Active` or `Retired` with `ended_at = now` and its sealed bytes
///   wiped; when it was active and a replacement is given, that becomes the active key in the same step.
/// - G: there is never more than one active key for an issuer.
/// - H: an applied transition is recorded with its event and appended to the change feed in the same step;
///   any other outcome records nothing.
/// - I: issuers do not see each other's keys, even with the same `kid`.
/// - J: a record of another issuer than the call's, published or as a replacement, is the error `Conflict`, whatever
///   else stands; nothing changes.
#[async_trait]
pub trait SigningKeyStore: Debug + Send + Sync + 'static {
    /// All keys of an issuer.
    async fn ring(&self, issuer: &Issuer) -> Result<KeyRing, StoreError>;

    /// One step of the state machine, if the ring still is at generation `expected`.
    async fn apply(
        &self,
        issuer: &Issuer,
        expected: u64,
        transition: KeyTransition,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<TransitionOutcome, StoreError>;
}
