use std::time::Duration;

use super::{BudgetOutcome, IssueBudget, Lockout, LockoutKey};
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::identity::{Actor, Subject, Tenant};

/// How many of something may be sent within a window, for one address, one subject or one tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IssueLimit<'a> {
    /// What is counted: limits of one label and one `of` share what was taken.
    pub(crate) label: &'static str,
    /// For whom, in canonical form; the empty text for the whole tenant.
    pub(crate) of: &'a str,
    /// How many.
    pub(crate) limit: u32,
    /// Within which window.
    pub(crate) window: Duration,
}

impl Lockout {
    /// Takes one of each of these (1 to 16), or nothing; then gives the first instant at which each has one left. Addresses go
    /// into the store as digests under the pepper.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer: nothing may be sent then. `InvalidInput` when a limit is out of bounds;
    /// `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, one of each was taken, or nothing.
    pub(crate) async fn take(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        what: &str,
        limits: &[IssueLimit<'_>],
    ) -> Result<Option<Timestamp>, Error> {
        let budget = |limit: &IssueLimit<'_>| {
            let parts = ["issue", tenant.as_str(), limit.label, limit.of];
            IssueBudget::new(
                LockoutKey::new(self.digest(parts)),
                limit.limit,
                limit.window,
            )
        };
        let budgets = limits.iter().map(budget).collect::<Result<Vec<_>, _>>()?;
        let now = self.0.clock.now();
        let event = AuditEvent::new(
            &*self.0.random,
            now,
            tenant.clone(),
            Actor::Anonymous,
            AuditAction::BudgetTaken,
        )?
        .target("subject", subject)
        .detail("what", what);
        let taken = self.0.store.take(tenant, &budgets, now, event).await?;
        Ok(match taken {
            BudgetOutcome::Taken => None,
            BudgetOutcome::Exhausted { until } => Some(until),
        })
    }
}
