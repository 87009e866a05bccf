//! The change feed: what other nodes' caches must forget, so that a revocation is felt everywhere (L-13).
//!
//! A store appends a [`Change`] in the same atomic step as the change itself. Every node reads the feed
//! with [`ChangeFeed::since`]; a node that has not heard from the feed within its bound stops trusting its caches.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{FamilyId, Issuer, KeyId, Subject, Tenant, TokenId};

mod bell;
mod follow;
mod lag;
mod trust;

pub use bell::ChangeBell;
pub use follow::ChangeFollower;
pub use trust::{CacheTrust, Slot, Stamp};

/// A place in the feed: everything up to and including it was read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ChangeCursor(pub u64);

/// What a cache must forget.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Change {
    /// An API key was rotated, revoked, disabled or enabled.
    ApiKey {
        /// Its id.
        id: KeyId,
    },
    /// The signing keys of an issuer changed.
    SigningKeys {
        /// Which issuer.
        issuer: Issuer,
    },
    /// A token, a family or a subject's tokens were revoked.
    Revocation {
        /// What was revoked.
        key: RevocationKey,
    },
    /// A subject's roles or state changed.
    Subject {
        /// In which tenant.
        tenant: Tenant,
        /// Which subject.
        subject: Subject,
    },
}

/// What a revocation of tokens is about: never a hash of the token's text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RevocationKey {
    /// One token, by issuer and `jti`.
    Token {
        /// `iss`.
        issuer: Issuer,
        /// `jti`.
        id: TokenId,
    },
    /// Every token of a family.
    Family {
        /// The tenant that the family belongs to.
        tenant: Tenant,
        /// `sid`.
        id: FamilyId,
    },
    /// Every token of a subject that was issued before an instant.
    Subject {
        /// The tenant that the subject belongs to.
        tenant: Tenant,
        /// `sub`.
        subject: Subject,
    },
}

/// A change, as the feed keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordedChange {
    /// What a cache must forget.
    pub change: Change,
    /// When it was made, by the clock of whoever made it: the `at` of the event that it was recorded with. None when
    /// a version of the store wrote it that did not keep the time.
    pub at: Option<Timestamp>,
}

/// What came after a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeBatch {
    /// The changes, oldest first.
    pub changes: Vec<RecordedChange>,
    /// Where to read on.
    pub cursor: ChangeCursor,
    /// Whether changes between the given cursor and the first one here are gone: forget everything.
    pub gap: bool,
}

/// What changed since a cursor.
///
/// # Contract
/// - A: a change is in the feed when, and only when, the call that made it has taken effect; a reader that
///   has passed a cursor never misses a change that becomes visible later with a smaller one.
/// - B: `since` gives changes in the order in which they took effect, at most `limit` and fewer only when there are
///   no more, and a cursor that reads on exactly behind the last one given.
/// - C: when changes behind the given cursor were dropped, or the cursor is past the head (the feed was lost and
///   began anew), `gap` is true, no changes are given and the cursor is the feed's head.
/// - D: `head` is the cursor behind which nothing has happened yet.
/// - E: a change comes with the `at` of the event that the call which made it took, to the microsecond: a store has no
///   clock. Only what an earlier version of the store wrote comes without.
#[async_trait]
pub trait ChangeFeed: Debug + Send + Sync + 'static {
    /// The newest place in the feed.
    async fn head(&self) -> Result<ChangeCursor, StoreError>;

    /// What came after `cursor`, at most `limit` changes (1 to 1000).
    async fn since(&self, cursor: ChangeCursor, limit: usize) -> Result<ChangeBatch, StoreError>;
}
