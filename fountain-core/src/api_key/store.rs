use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{Actor, KeyId, Scope, Subject, Tenant};
use crate::secret::Digest;

/// An API key as a store holds it: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// Its public id: unique over all tenants, never used again.
    pub id: KeyId,
    /// The tenant that it belongs to.
    pub tenant: Tenant,
    /// Whom it speaks for.
    pub owner: Subject,
    /// A name for people, 1 to 128 bytes.
    pub name: String,
    /// The environment in its prefix, such as `live`.
    pub environment: String,
    /// What it may do; a successor's are a subset (L-03).
    pub scopes: BTreeSet<Scope>,
    /// The limit that its owner agreed to, carried from key to key; a successor's is not higher.
    pub limit: Option<OwnerLimit>,
    /// The digest of the whole key: unique over all tenants, as keys are found by it.
    pub digest: Digest,
    /// When it was issued.
    pub created_at: Timestamp,
    /// Who issued it.
    pub created_by: Actor,
    /// It does not work before this instant.
    pub not_before: Timestamp,
    /// It does not work from this instant on.
    pub expires_at: Timestamp,
    /// When it was disabled; none while it is not.
    pub disabled_at: Option<Timestamp>,
    /// When it was revoked, for good; none while it is not.
    pub revoked_at: Option<Timestamp>,
    /// How it is to be rotated on schedule; none when it is not. The host acts on it.
    pub rotation: Option<RotationSchedule>,
    /// The key that it replaced.
    pub predecessor: Option<KeyId>,
    /// The key that replaced it.
    pub successor: Option<KeyId>,
    /// When it stops working because it was replaced; none while it is current.
    pub superseded_at: Option<Timestamp>,
    /// When it was last seen, give or take the buffering of `last_used`.
    pub last_used_at: Option<Timestamp>,
}

/// A limit that belongs to a key's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OwnerLimit {
    /// How many requests.
    pub requests: u32,
    /// In which time.
    pub window: Duration,
}

/// When a key is to be rotated on schedule. It is stored with the key; nothing in Fountain acts on it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RotationSchedule {
    /// How long after its issue.
    pub every: Duration,
    /// How long both keys work, at most 24 h.
    pub overlap: Duration,
}

/// Where a page of keys goes on: behind this creation time and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyCursor {
    /// The creation time of the last key seen.
    pub created_at: Timestamp,
    /// Its id.
    pub id: KeyId,
}

/// A page of keys, oldest first; equal times by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// At most as many as asked for.
    pub items: Vec<ApiKeyRecord>,
    /// Give this as `after` for the next page; none when this is the last.
    pub next: Option<KeyCursor>,
}

/// What came of inserting a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertKeyOutcome {
    /// It is stored.
    Inserted,
    /// The id exists, or the digest, in this tenant or another; nothing changed.
    AlreadyPresent,
}

/// What came of rotating a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotateKeyOutcome {
    /// This call won: the successor is stored, and the predecessor works until this instant.
    Rotated {
        /// The earlier of the asked-for instant and the predecessor's own expiry.
        superseded_at: Timestamp,
    },
    /// Another call was first; nothing changed.
    AlreadyRotated {
        /// The successor that stands.
        successor: KeyId,
    },
    /// The key is revoked, disabled or expired; nothing changed.
    NotActive,
    /// The successor's id or digest exists, in this tenant or another; nothing changed.
    AlreadyPresent,
    /// No such key in this tenant; nothing changed.
    NotFound,
}

/// What came of revoking, disabling or enabling a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChangeOutcome {
    /// It changed now.
    Changed,
    /// It was so already (or, for enabling and disabling, it is revoked); nothing changed, no event was recorded.
    Unchanged,
    /// No such key in this tenant.
    NotFound,
}

/// Holds API-key records: digests, never keys.
///
/// # Contract
/// - A: `insert` stores the record as given and fails without a change when its id or its digest exists in any tenant.
/// - B: `find` gives back exactly what was stored, whichever tenant it is in; `find_in` only in the named tenant.
/// - C: `page` gives one tenant's keys, oldest first and then by id, each once, at most `limit`; following
///   `next` reaches every key that existed when the paging began.
/// - D: `rotate` is one step: the successor is inserted, and the predecessor gets `successor` and
///   `superseded_at` (never later than its `expires_at`), or nothing happens. Of parallel calls for one key
///   exactly one is `Rotated`; the others are `AlreadyRotated` and name the winner's key.
/// - E: `rotate` refuses a key that at `now` is revoked, disabled, or at or past its `expires_at`. The order of its
///   checks: not found - already rotated - not active - the successor's id or digest exists, in any tenant.
/// - F: `revoke` is idempotent and for good; its first call keeps the time. `disable` and `enable` are idempotent;
///   the first `disable` keeps the time; neither changes a revoked key.
/// - G: every change is recorded with its event and appended once to the change feed, as `Change::ApiKey` of the key
///   that was named (of a rotation: the predecessor), in the same step; a call that changes nothing records nothing.
/// - H: `record_use` moves `last_used_at` forward only, ignores unknown ids, and records no event.
/// - I: `purge` removes only keys whose `expires_at` (or `superseded_at`, or `revoked_at`, if earlier) is
///   before the given instant, at most `limit`, and says how many.
/// - J: another tenant's key is `NotFound` for every call that names a tenant.
/// - K: `rotate` to a successor of another tenant than the named one is the error `Conflict`, whatever else stands;
///   nothing changes.
/// - L: `find_by_digest` gives the key whose digest is exactly this, whatever its state and tenant: from the step that
///   inserted it, or rotated to it, through every change of its state, until `purge` removes it, which makes the digest
///   free again.
#[async_trait]
pub trait KeyStore: Debug + Send + Sync + 'static {
    /// Stores a new key.
    async fn insert(
        &self,
        record: ApiKeyRecord,
        event: AuditEvent,
    ) -> Result<InsertKeyOutcome, StoreError>;

    /// The key with this id, whichever tenant it belongs to: for administration. Nothing is verified by it.
    async fn find(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// The key whose digest is exactly this, whatever its state and tenant: for verification, where the key itself names
    /// no tenant, and where an id that does not exist must be as a secret that is wrong.
    async fn find_by_digest(&self, digest: &Digest) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// The key with this id in this tenant.
    async fn find_in(
        &self,
        tenant: &Tenant,
        id: &KeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// The keys of `tenant` behind `after`, at most `limit` (1 to 1000).
    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<KeyPage, StoreError>;

    /// Replaces `id` by `successor`; both work until `superseded_at`.
    async fn rotate(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        successor: ApiKeyRecord,
        superseded_at: Timestamp,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<RotateKeyOutcome, StoreError>;

    /// Revokes a key for good.
    async fn revoke(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError>;

    /// Disables a key until it is enabled again.
    async fn disable(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError>;

    /// Enables a disabled key.
    async fn enable(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError>;

    /// Notes when keys were last seen, many in one call.
    async fn record_use(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError>;

    /// Removes keys that ended before `before`, at most `limit`; gives the number removed.
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}
