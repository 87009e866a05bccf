//! [`Store`]: all store traits at once, so that one `Arc` wires everything.

use crate::access::SubjectStore;
use crate::api_key::KeyStore;
use crate::audit::AuditStore;
use crate::change::ChangeFeed;
use crate::lockout::LockoutStore;
use crate::login::CredentialStore;
use crate::otp::{ChallengeStore, FactorStore};
use crate::signing::SigningKeyStore;
use crate::token::{RefreshTokenStore, RevocationStore};

/// A store that holds everything. Implemented for every type that implements all the store traits.
///
/// The rules that every store trait keeps:
///
/// 1. A state change is one atomic call; the outcome says who won.
/// 2. A mutating call records the audit event that it takes, and appends to the change feed what caches must forget, in the same
///    step: both or neither.
/// 3. `now` is an argument: a store has no clock.
/// 4. A store holds digests and sealed bytes, never a token, a key or a code.
/// 5. Dropping a call's future at any await leaves the store consistent: the change is there whole, or not at all.
/// 6. When a store cannot answer it says so by a [`StoreError`](crate::StoreError); it never answers from less.
pub trait Store:
    KeyStore
    + SigningKeyStore
    + RefreshTokenStore
    + RevocationStore
    + SubjectStore
    + CredentialStore
    + FactorStore
    + ChallengeStore
    + LockoutStore
    + AuditStore
    + ChangeFeed
{
}

impl<S> Store for S where
    S: KeyStore
        + SigningKeyStore
        + RefreshTokenStore
        + RevocationStore
        + SubjectStore
        + CredentialStore
        + FactorStore
        + ChallengeStore
        + LockoutStore
        + AuditStore
        + ChangeFeed
{
}
