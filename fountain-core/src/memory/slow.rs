//! A store whose calls wait before they do something and after they did, or find it down; and calls that are dropped meanwhile.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use tokio::task::yield_now;

use super::MemoryStore;
use crate::access::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::{FamilyId, LoginName, Subject, Tenant};
use crate::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutStore,
};
use crate::login::{CredentialRecord, CredentialStore, ReplaceOutcome};
use crate::otp::{
    ChallengeId, ChallengeOutcome, ChallengeRecord, ChallengeStore, FactorId, FactorOutcome,
    FactorRecord, FactorStore, PendingCode,
};
use crate::password::PasswordHash;
use crate::secret::Digest;
use crate::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, RevokeOutcome,
};

#[derive(Debug)]
pub(crate) struct Slow {
    inner: Arc<MemoryStore>,
    waits: AtomicBool,
    /// How many calls get through before one finds it down.
    up_for: AtomicUsize,
}

impl Slow {
    /// Every call waits.
    pub(crate) fn new(inner: Arc<MemoryStore>) -> Self {
        let slow = Self::idle(inner);
        slow.wait(true);
        slow
    }

    /// As the store below, until it is told otherwise.
    pub(crate) fn idle(inner: Arc<MemoryStore>) -> Self {
        Self {
            inner,
            waits: AtomicBool::new(false),
            up_for: AtomicUsize::new(usize::MAX),
        }
    }

    pub(crate) fn wait(&self, waits: bool) {
        self.waits.store(waits, Ordering::SeqCst);
    }

    /// Down for one call after so many.
    pub(crate) fn fail_after(&self, calls: usize) {
        self.up_for.store(calls, Ordering::SeqCst);
    }

    /// Whether the call that is to fail has not come yet.
    pub(crate) fn is_to_fail(&self) -> bool {
        self.up_for.load(Ordering::SeqCst) < usize::MAX / 2
    }

    async fn before(&self) -> Result<(), StoreError> {
        self.pause().await;
        // Past the one call that fails it wraps to more than anybody makes.
        match self.up_for.fetch_sub(1, Ordering::SeqCst) {
            0 => Err(StoreError::new(StoreErrorKind::Unavailable)),
            _ => Ok(()),
        }
    }

    async fn pause(&self) {
        if self.waits.load(Ordering::SeqCst) {
            yield_now().await;
        }
    }
}

macro_rules! slow {
    ($trait:ident: $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl $trait for Slow {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.before().await?;
                let answer = $trait::$name(&*self.inner, $($argument),*).await;
                self.pause().await;
                answer
            })+
        }
    };
}

slow! { FactorStore:
    fn insert(record: FactorRecord, event: AuditEvent) -> bool;
    fn find(tenant: &Tenant, subject: &Subject, id: &FactorId) -> Option<FactorRecord>;
    fn list(tenant: &Tenant, subject: &Subject) -> Vec<FactorRecord>;
    fn confirm(tenant: &Tenant, subject: &Subject, id: &FactorId, mark: u64, now: Timestamp, event: AuditEvent) -> FactorOutcome;
    fn take(tenant: &Tenant, subject: &Subject, id: &FactorId, mark: u64, event: AuditEvent) -> FactorOutcome;
    fn disable(tenant: &Tenant, subject: &Subject, id: &FactorId, now: Timestamp, event: AuditEvent) -> FactorOutcome;
    fn remove(tenant: &Tenant, subject: &Subject, id: &FactorId, event: AuditEvent) -> bool;
    fn replace_recovery_codes(tenant: &Tenant, subject: &Subject, codes: &[Digest], event: AuditEvent) -> ();
    fn take_recovery_code(tenant: &Tenant, subject: &Subject, code: &Digest, event: AuditEvent) -> Option<u32>;
    fn recovery_codes(tenant: &Tenant, subject: &Subject) -> u32;
    fn purge(before: Timestamp, limit: usize) -> u64;
}

slow! { ChallengeStore:
    fn insert(record: ChallengeRecord, event: AuditEvent) -> bool;
    fn find(tenant: &Tenant, id: &ChallengeId) -> Option<ChallengeRecord>;
    fn count(tenant: &Tenant, id: &ChallengeId, now: Timestamp, event: AuditEvent) -> ChallengeOutcome;
    fn put_code(tenant: &Tenant, id: &ChallengeId, code: PendingCode, now: Timestamp, event: AuditEvent) -> ChallengeOutcome;
    fn consume(tenant: &Tenant, id: &ChallengeId, code: Option<&Digest>, now: Timestamp, event: AuditEvent) -> ChallengeOutcome;
    fn purge(before: Timestamp, limit: usize) -> u64;
}

slow! { LockoutStore:
    fn attempt(attempt: LockoutAttempt) -> AttemptOutcome;
    fn locked_until(tenant: &Tenant, keys: &[LockoutKey], now: Timestamp) -> Option<Timestamp>;
    fn clear(tenant: &Tenant, keys: &[LockoutKey], event: AuditEvent) -> bool;
    fn take(tenant: &Tenant, budgets: &[IssueBudget], now: Timestamp, event: AuditEvent) -> BudgetOutcome;
    fn purge(before: Timestamp, limit: usize) -> u64;
}

slow! { CredentialStore:
    fn insert(record: CredentialRecord, event: AuditEvent) -> bool;
    fn find(tenant: &Tenant, name: &LoginName) -> Option<CredentialRecord>;
    fn find_subject(tenant: &Tenant, subject: &Subject) -> Option<CredentialRecord>;
    fn replace(tenant: &Tenant, subject: &Subject, version: u64, password: PasswordHash, now: Timestamp, event: AuditEvent) -> ReplaceOutcome;
    fn remove(tenant: &Tenant, subject: &Subject, event: AuditEvent) -> bool;
}

slow! { SubjectStore:
    fn insert(record: SubjectRecord, event: AuditEvent) -> bool;
    fn find(tenant: &Tenant, subject: &Subject) -> Option<SubjectRecord>;
    fn assign(tenant: &Tenant, subject: &Subject, roles: BTreeSet<String>, keep: Option<&str>, event: AuditEvent) -> SubjectChangeOutcome;
    fn disable(tenant: &Tenant, subject: &Subject, now: Timestamp, keep: Option<&str>, event: AuditEvent) -> SubjectChangeOutcome;
    fn enable(tenant: &Tenant, subject: &Subject, event: AuditEvent) -> SubjectChangeOutcome;
}

slow! { RefreshTokenStore:
    fn insert(family: RefreshFamily, first: RefreshTokenRecord, event: AuditEvent) -> bool;
    fn use_token(attempt: RefreshUse) -> RefreshOutcome;
    fn find(tenant: &Tenant, token: &Digest, now: Timestamp) -> Option<(RefreshFamily, bool)>;
    fn revoke_family(tenant: &Tenant, family: &FamilyId, now: Timestamp, revoke_until: Timestamp, event: AuditEvent) -> RevokeOutcome;
    fn revoke_subject(tenant: &Tenant, subject: &Subject, now: Timestamp, revoke_until: Timestamp, event: AuditEvent) -> u64;
    fn purge(before: Timestamp, limit: usize) -> u64;
}

/// Polls a call at most so many times, each time that it is woken, and drops it then: none when it had not ended.
pub(crate) async fn drop_after<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
