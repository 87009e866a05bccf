use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::{Error, StoreError};
use crate::identity::{Subject, Tenant};
use crate::otp::FactorKind;
use crate::random::Random;
use crate::secret::Digest;
use crate::text::{is_all, random_id, text_type};

text_type!(
    /// The id of an enrolled factor. 22 base62 characters.
    FactorId,
    "factor id",
    |t| is_all(t, 22, 22, |b| b.is_ascii_alphanumeric()),
    "it is made by Fountain"
);

impl FactorId {
    /// A new id of 128 random bits.
    ///
    /// # Errors
    /// `Entropy`.
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        Self::new(random_id::<16>(random)?)
    }
}

/// A factor of a subject, as a store holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorRecord {
    /// Its id, unique over all tenants, never used again.
    pub id: FactorId,
    /// The tenant that it belongs to.
    pub tenant: Tenant,
    /// Whose it is.
    pub subject: Subject,
    /// What it is.
    pub kind: FactorKind,
    /// The seed with its parameters, or the address that codes go to: sealed, at most 4,096 bytes.
    pub sealed: Vec<u8>,
    /// What was taken last: the last step of a TOTP, or the next counter of a HOTP. It only rises.
    pub mark: u64,
    /// When its enrolment began.
    pub created_at: Timestamp,
    /// When one good code bound it to the subject; none while it is pending.
    pub confirmed_at: Option<Timestamp>,
    /// Until when it can be confirmed.
    pub confirm_by: Timestamp,
    /// When it was disabled, for good; none while it is not.
    pub disabled_at: Option<Timestamp>,
}

impl fmt::Debug for FactorRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactorRecord")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("subject", &self.subject)
            .field("kind", &self.kind)
            .field("sealed", &format_args!("{} bytes", self.sealed.len()))
            .field("mark", &self.mark)
            .field("created_at", &self.created_at)
            .field("confirmed_at", &self.confirmed_at)
            .field("confirm_by", &self.confirm_by)
            .field("disabled_at", &self.disabled_at)
            .finish()
    }
}

/// What came of a call about one factor. Only `Done` changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum FactorOutcome {
    /// It was done.
    Done,
    /// This step or counter, or a later one, was taken before.
    Spent,
    /// It is not confirmed yet.
    Pending,
    /// It was confirmed before.
    AlreadyConfirmed,
    /// It was not confirmed in time.
    Expired,
    /// It is disabled.
    Disabled,
    /// No such factor of this subject in this tenant.
    NotFound,
}

/// Holds the factors of subjects, and the digests of their recovery codes.
///
/// # Contract
/// - A: `insert` stores a factor as given, or answers `false` without a change when its id exists in any tenant.
/// - B: `find` gives exactly what is stored, and `list` all factors of a subject by `created_at`, then id; a factor of another
///   subject or tenant is `NotFound` to every call. A list of which one cannot be read is `Corrupt`: left out, its owner would
///   seem to have no second factor (F-35).
/// - C: `confirm` looks in this order: `NotFound` - `Disabled` - `AlreadyConfirmed` - `Expired` (at `confirm_by` and past
///   it) - `Done`: `confirmed_at` and `mark` are set. Of parallel calls exactly one is `Done`.
/// - D: `take` looks in this order: `NotFound` - `Disabled` - `Pending` - `Spent` (the given mark is not beyond the stored
///   one) - `Done`: the mark is set. Of parallel calls with one mark exactly one is `Done`.
/// - E: `disable` is `Done` and sets the time, or `Disabled` when it was before and keeps the first time.
/// - F: `remove` removes the factor; `false` when there is none.
/// - G: `replace_recovery_codes` puts these digests in the place of all that the subject had: an older one is good no more
///   (B-65). `take_recovery_code` takes one away and says how many are left, or none when it is not there; of parallel calls
///   with one digest exactly one takes it. `recovery_codes` counts what is left. More than 20 at once are a `Conflict`.
/// - H: every change and its event are one step; no change, no event. Replacing recovery codes is a change, whatever they are.
///   Nothing here is in the change feed.
/// - I: `purge` removes factors that were not confirmed and whose `confirm_by` is before the given instant, at most `limit`.
#[async_trait]
pub trait FactorStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a new factor. `false` when its id exists; nothing changed then.
    async fn insert(&self, record: FactorRecord, event: AuditEvent) -> Result<bool, StoreError>;

    /// A factor of this subject in this tenant.
    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
    ) -> Result<Option<FactorRecord>, StoreError>;

    /// All factors of this subject in this tenant, the oldest first.
    async fn list(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<FactorRecord>, StoreError>;

    /// Binds a pending factor; the code that did it is taken with it.
    async fn confirm(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        mark: u64,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError>;

    /// Takes a step or a counter, once.
    async fn take(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        mark: u64,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError>;

    /// Disables a factor for good.
    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError>;

    /// Removes a factor. `false` when there is none.
    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        event: AuditEvent,
    ) -> Result<bool, StoreError>;

    /// Replaces all recovery codes of the subject by these: at most 20 different ones; none takes them all away.
    async fn replace_recovery_codes(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        codes: &[Digest],
        event: AuditEvent,
    ) -> Result<(), StoreError>;

    /// Takes a recovery code away, and gives the number of those left; none when it is not there.
    async fn take_recovery_code(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        code: &Digest,
        event: AuditEvent,
    ) -> Result<Option<u32>, StoreError>;

    /// How many recovery codes the subject has left.
    async fn recovery_codes(&self, tenant: &Tenant, subject: &Subject) -> Result<u32, StoreError>;

    /// Removes factors that were not confirmed before `before`, at most `limit`; gives the number removed.
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}
