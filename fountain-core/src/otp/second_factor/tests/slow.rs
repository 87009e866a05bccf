//! A store whose every call waits before it does something and after it did, and calls that are dropped meanwhile.

use std::pin::pin;
use std::task::Poll;

use tokio::task::yield_now;

use super::*;
use crate::audit::AuditEvent;
use crate::error::StoreError;
use crate::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutStore,
};
use crate::otp::{ChallengeOutcome, ChallengeRecord, FactorOutcome, PendingCode};

#[derive(Debug)]
pub(super) struct Slow(pub(super) Arc<MemoryStore>);

macro_rules! slow {
    ($trait:ident: $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl $trait for Slow {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                yield_now().await;
                let answer = $trait::$name(&*self.0, $($argument),*).await;
                yield_now().await;
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

/// Polls a call at most so many times and drops it then: none when it had not ended.
pub(super) async fn drop_after<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    for _ in 0..polls {
        let polled = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
    }
    None
}
