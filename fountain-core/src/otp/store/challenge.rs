use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::FactorId;
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{Subject, Tenant};
use crate::otp::ChallengeId;
use crate::secret::Digest;
use crate::text::{is_all, text_type};

text_type!(
    /// What a challenge is for, such as `login`: 1 to 64 bytes of `[a-z0-9:._-]`. One that is for something else is no answer.
    ChallengePurpose,
    "challenge purpose",
    |t| is_all(t, 1, 64, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b':' | b'.' | b'_' | b'-')),
    "write 1 to 64 characters of a-z, 0-9, ':', '.', '_', '-'"
);

impl ChallengePurpose {
    /// A second factor for an act; which act is in the binding.
    pub(in crate::otp) fn step_up() -> Self {
        Self("step-up".into())
    }

    /// A grant by step-up that waits to be redeemed.
    pub(in crate::otp) fn grant() -> Self {
        Self("grant".into())
    }
}

/// A question that waits for its answer, as a store holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeRecord {
    /// Its id, unique over all tenants.
    pub id: ChallengeId,
    /// The tenant that it belongs to.
    pub tenant: Tenant,
    /// Who is asked.
    pub subject: Subject,
    /// What for.
    pub purpose: ChallengePurpose,
    /// The digest of what else the answer is bound to: a session, an action, a resource.
    pub binding: Digest,
    /// What the asker needs again when it is answered, as bytes of its own: at most 4,096.
    pub context: Vec<u8>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// It cannot be answered from this instant on.
    pub expires_at: Timestamp,
    /// How many answers were counted.
    pub attempts: u32,
    /// How many answers are judged (R-51: at most 5).
    pub attempt_limit: u32,
    /// The code that was sent last, if one was.
    pub code: Option<PendingCode>,
    /// When it was answered; none while it was not.
    pub consumed_at: Option<Timestamp>,
}

/// A code that was sent for a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCode {
    /// The factor whose address it was sent to.
    pub factor: FactorId,
    /// Its digest, under a pepper.
    pub digest: Digest,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// It is not good from this instant on: at most 10 minutes later.
    pub expires_at: Timestamp,
}

impl fmt::Debug for ChallengeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChallengeRecord")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("subject", &self.subject)
            .field("purpose", &self.purpose)
            .field("binding", &self.binding)
            .field("context", &format_args!("{} bytes", self.context.len()))
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("attempts", &self.attempts)
            .field("attempt_limit", &self.attempt_limit)
            .field("code", &self.code)
            .field("consumed_at", &self.consumed_at)
            .finish()
    }
}

/// What came of a call about one challenge. Only `Done` changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ChallengeOutcome {
    /// It was done; this is the record that stands.
    Done(Box<ChallengeRecord>),
    /// Another code stands, or none, or it is not good any more.
    Superseded,
    /// As many answers were counted as are judged.
    Exhausted,
    /// It can be answered no more.
    Expired,
    /// It was answered before.
    Consumed,
    /// No such challenge in this tenant.
    NotFound,
}

/// Holds challenges until they are answered.
///
/// # Contract
/// - A: `insert` stores a challenge as given, or answers `false` without a change when its id exists in any tenant.
/// - B: `find` gives exactly what is stored, whatever its state; another tenant's is not found, by any call.
/// - C: `count`, `put_code` and `consume` look in this order: `NotFound` - `Consumed` - `Expired` (at `expires_at` and past
///   it) - what each has beside that - `Done`.
/// - D: `count` is `Exhausted` when `attempts` has reached `attempt_limit`, and else raises it by one. Of parallel calls
///   no more are `Done` than the limit has left. Nothing ever lowers it.
/// - E: `put_code` is `Exhausted` like `count`, and else puts this code in the place of the one before, which is good no more.
///   It does not change `attempts` (R-52, B-62).
/// - F: `consume` with a code is `Superseded` when the stored code is not that one, or is at or past its `expires_at`;
///   without a code none is asked for. Else it sets `consumed_at`. Of parallel calls exactly one is `Done` (B-58).
///   Attempts do not matter: the answer was counted before it was judged.
/// - G: every change and its event are one step; no change, no event. Nothing here is in the change feed.
/// - H: `purge` removes challenges whose `expires_at` is before the given instant, consumed or not, at most `limit`.
#[async_trait]
pub trait ChallengeStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a new challenge. `false` when its id exists; nothing changed then.
    async fn insert(&self, record: ChallengeRecord, event: AuditEvent) -> Result<bool, StoreError>;

    /// A challenge of this tenant.
    async fn find(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<Option<ChallengeRecord>, StoreError>;

    /// Counts an answer that is about to be judged.
    async fn count(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError>;

    /// Notes the code that is about to be sent.
    async fn put_code(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: PendingCode,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError>;

    /// Takes the challenge, once: it was answered, by the code of this digest if one is given.
    async fn consume(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: Option<&Digest>,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError>;

    /// Removes challenges that ended before `before`, at most `limit`; gives the number removed.
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}
