//! Locks: how many attempts a subject has before it must wait, counted before they are judged (R-51, R-61).
//!
//! [`Lockout`] is the service: a budget for passwords, one for codes and one for recovery codes, each of a subject's account and,
//! apart, of each device that the subject signed in on before, so that nobody can lock a person out by guessing (L-09).
//!
//! Below it a [`LockoutStore`] counts an attempt, and says in the same step whether it may be judged at all. So of 200 wrong guesses
//! that arrive at once on four nodes, as many are judged as the threshold says and no more (R-62), and an attempt stays counted
//! when its caller is dropped, rolls back or dies.
//!
//! ```
//! use std::time::Duration;
//! use fountain_core::audit::{AuditAction, AuditEvent};
//! use fountain_core::lockout::{AttemptOutcome, LockoutAttempt, LockoutKey, LockoutRules, LockoutStore};
//! use fountain_core::memory::MemoryStore;
//! use fountain_core::{Actor, Digest, OsRandom, Tenant, Timestamp};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = MemoryStore::new();
//! let (tenant, now) = (Tenant::default(), Timestamp::from_unix_seconds(1_900_000_000));
//! let event = |action| AuditEvent::new(&OsRandom, now, Tenant::default(), Actor::Anonymous, action);
//! let attempt = || -> Result<_, fountain_core::Error> {
//!     Ok(LockoutAttempt {
//!         tenant: tenant.clone(),
//!         key: LockoutKey::new(Digest::of(b"password:alice")),
//!         rules: LockoutRules::default(), // 5 attempts, then 15 minutes
//!         now,
//!         on_counted: event(AuditAction::AttemptCounted)?,
//!         on_locked: event(AuditAction::Locked)?,
//!     })
//! };
//! for _ in 0..5 {
//!     assert!(matches!(store.attempt(attempt()?).await?, AttemptOutcome::Counted { .. }));
//! }
//! let sixth = store.attempt(attempt()?).await?;
//! assert_eq!(sixth, AttemptOutcome::Locked { until: now + Duration::from_secs(900) });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod device;
mod issue;
mod rules;
mod service;
mod store;

pub use builder::LockoutBuilder;
pub use device::KnownDevice;
pub(crate) use issue::IssueLimit;
pub use rules::{LockoutRules, LockoutState};
pub use service::{AttemptKind, CountedAttempt, Lockout, Whose};
pub use store::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutStore,
};

#[cfg(test)]
mod tests;
