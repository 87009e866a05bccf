//! Calls about passwords, second factors, challenges and locks.

use fountain_core::audit::{AuditEvent, EventId};
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey,
};
use fountain_core::login::{CredentialRecord, ReplaceOutcome};
use fountain_core::otp::{
    ChallengeId, ChallengeOutcome, ChallengeRecord, FactorId, FactorOutcome, FactorRecord,
    PendingCode,
};
use fountain_core::password::PasswordHash;
use fountain_core::{Digest, Subject, Tenant, Timestamp};

use super::{ALL, Answer, Outcome};
use crate::context::Stores;

/// How a factor is changed: by which mark, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FactorChange {
    Confirm(u64, Timestamp),
    Take(u64),
    Disable(Timestamp),
    Remove,
}

/// How a challenge is changed.
#[derive(Debug, Clone)]
pub(crate) enum ChallengeChange {
    Count,
    PutCode(PendingCode),
    Consume(Option<Digest>),
}

/// A call with its arguments. Those that take an event carry it beside them.
#[derive(Debug, Clone)]
pub(crate) enum LoginOperation {
    InsertCredential(CredentialRecord, AuditEvent),
    Replace(Tenant, Subject, u64, PasswordHash, Timestamp, AuditEvent),
    RemoveCredential(Tenant, Subject, AuditEvent),
    InsertFactor(FactorRecord, AuditEvent),
    ChangeFactor(Tenant, Subject, FactorId, FactorChange, AuditEvent),
    ReplaceCodes(Tenant, Subject, Vec<Digest>, AuditEvent),
    TakeCode(Tenant, Subject, Digest, AuditEvent),
    PurgeFactors(Timestamp),
    InsertChallenge(ChallengeRecord, AuditEvent),
    ChangeChallenge(Tenant, ChallengeId, ChallengeChange, Timestamp, AuditEvent),
    PurgeChallenges(Timestamp),
    Attempt(Box<LockoutAttempt>),
    Clear(Tenant, Vec<LockoutKey>, AuditEvent),
    Take(Tenant, Vec<IssueBudget>, Timestamp, AuditEvent),
    PurgeLockouts(Timestamp),
}

impl LoginOperation {
    /// The ids of the events that it may record.
    pub(super) fn events(&self) -> Vec<EventId> {
        match self {
            Self::InsertCredential(_, event)
            | Self::Replace(.., event)
            | Self::RemoveCredential(.., event)
            | Self::InsertFactor(_, event)
            | Self::ChangeFactor(.., event)
            | Self::ReplaceCodes(.., event)
            | Self::TakeCode(.., event)
            | Self::InsertChallenge(_, event)
            | Self::ChangeChallenge(.., event)
            | Self::Clear(.., event)
            | Self::Take(.., event) => vec![event.id.clone()],
            Self::Attempt(attempt) => {
                vec![attempt.on_counted.id.clone(), attempt.on_locked.id.clone()]
            }
            Self::PurgeFactors(_) | Self::PurgeChallenges(_) | Self::PurgeLockouts(_) => Vec::new(),
        }
    }

    /// Makes the call.
    pub(super) async fn run(&self, s: &Stores) -> Answer {
        match self {
            Self::InsertCredential(..) | Self::Replace(..) | Self::RemoveCredential(..) => {
                self.run_on_credentials(s).await
            }
            Self::InsertFactor(..)
            | Self::ChangeFactor(..)
            | Self::ReplaceCodes(..)
            | Self::TakeCode(..)
            | Self::PurgeFactors(_) => self.run_on_factors(s).await,
            Self::InsertChallenge(..) | Self::ChangeChallenge(..) | Self::PurgeChallenges(_) => {
                self.run_on_challenges(s).await
            }
            Self::Attempt(_) | Self::Clear(..) | Self::Take(..) | Self::PurgeLockouts(_) => {
                self.run_on_lockouts(s).await
            }
        }
    }

    async fn run_on_credentials(&self, s: &Stores) -> Answer {
        let all = &s.credentials;
        match self {
            Self::InsertCredential(record, event) => {
                let inserted = all.insert(record.clone(), event.clone()).await.unwrap();
                Answer::new(Outcome::Inserted(inserted), inserted, event, None)
            }
            Self::Replace(tenant, subject, version, hash, now, event) => {
                let (hash, given) = (hash.clone(), event.clone());
                let outcome = all
                    .replace(tenant, subject, *version, hash, *now, given)
                    .await;
                let outcome = outcome.unwrap();
                let replaced = outcome == ReplaceOutcome::Replaced;
                Answer::new(Outcome::Replace(outcome), replaced, event, None)
            }
            Self::RemoveCredential(tenant, subject, event) => {
                let removed = all.remove(tenant, subject, event.clone()).await.unwrap();
                Answer::new(Outcome::Removed(removed), removed, event, None)
            }
            _ => unreachable!("only calls about credentials come here"),
        }
    }

    async fn run_on_factors(&self, s: &Stores) -> Answer {
        let all = &s.factors;
        match self {
            Self::InsertFactor(record, event) => {
                let inserted = all.insert(record.clone(), event.clone()).await.unwrap();
                Answer::new(Outcome::Inserted(inserted), inserted, event, None)
            }
            Self::ChangeFactor(tenant, subject, id, how, event) => {
                let given = event.clone();
                let outcome = match *how {
                    FactorChange::Confirm(mark, now) => {
                        all.confirm(tenant, subject, id, mark, now, given).await
                    }
                    FactorChange::Take(mark) => all.take(tenant, subject, id, mark, given).await,
                    FactorChange::Disable(now) => {
                        all.disable(tenant, subject, id, now, given).await
                    }
                    FactorChange::Remove => {
                        let removed = all.remove(tenant, subject, id, given).await.unwrap();
                        return Answer::new(Outcome::Removed(removed), removed, event, None);
                    }
                };
                let outcome = outcome.unwrap();
                let done = outcome == FactorOutcome::Done;
                Answer::new(Outcome::Factor(outcome), done, event, None)
            }
            Self::ReplaceCodes(tenant, subject, codes, event) => {
                let replaced = all.replace_recovery_codes(tenant, subject, codes, event.clone());
                let outcome =
                    Outcome::of("replace_recovery_codes", replaced.await, |()| Outcome::Done);
                let replaced = outcome == Outcome::Done;
                Answer::new(outcome, replaced, event, None)
            }
            Self::TakeCode(tenant, subject, code, event) => {
                let taken = all.take_recovery_code(tenant, subject, code, event.clone());
                let left = taken.await.unwrap();
                Answer::new(Outcome::Left(left), left.is_some(), event, None)
            }
            Self::PurgeFactors(before) => {
                Answer::silent(Outcome::Count(all.purge(*before, ALL).await.unwrap()))
            }
            _ => unreachable!("only calls about factors come here"),
        }
    }

    async fn run_on_challenges(&self, s: &Stores) -> Answer {
        let all = &s.challenges;
        match self {
            Self::InsertChallenge(record, event) => {
                let inserted = all.insert(record.clone(), event.clone()).await.unwrap();
                Answer::new(Outcome::Inserted(inserted), inserted, event, None)
            }
            Self::ChangeChallenge(tenant, id, how, now, event) => {
                let given = event.clone();
                let outcome = match how {
                    ChallengeChange::Count => all.count(tenant, id, *now, given).await,
                    ChallengeChange::PutCode(code) => {
                        all.put_code(tenant, id, code.clone(), *now, given).await
                    }
                    ChallengeChange::Consume(code) => {
                        all.consume(tenant, id, code.as_ref(), *now, given).await
                    }
                };
                let outcome = outcome.unwrap();
                let done = matches!(outcome, ChallengeOutcome::Done(_));
                Answer::new(Outcome::Challenge(outcome), done, event, None)
            }
            Self::PurgeChallenges(before) => {
                Answer::silent(Outcome::Count(all.purge(*before, ALL).await.unwrap()))
            }
            _ => unreachable!("only calls about challenges come here"),
        }
    }

    async fn run_on_lockouts(&self, s: &Stores) -> Answer {
        let all = &s.lockouts;
        match self {
            Self::Attempt(attempt) => {
                let outcome = all.attempt((**attempt).clone()).await.unwrap();
                let mut events = Vec::new();
                if let AttemptOutcome::Counted { locked_until, .. } = outcome {
                    events.push(attempt.on_counted.clone());
                    events.extend(locked_until.map(|_| attempt.on_locked.clone()));
                }
                Answer {
                    outcome: Outcome::Attempt(outcome),
                    events,
                    change: None,
                }
            }
            Self::Clear(tenant, keys, event) => {
                let cleared = all.clear(tenant, keys, event.clone()).await;
                let outcome = Outcome::of("clear", cleared, Outcome::Removed);
                let cleared = outcome == Outcome::Removed(true);
                Answer::new(outcome, cleared, event, None)
            }
            Self::Take(tenant, budgets, now, event) => {
                let taken = all.take(tenant, budgets, *now, event.clone()).await;
                let outcome = Outcome::of("take", taken, Outcome::Budget);
                let taken = outcome == Outcome::Budget(BudgetOutcome::Taken);
                Answer::new(outcome, taken, event, None)
            }
            Self::PurgeLockouts(before) => {
                Answer::silent(Outcome::Count(all.purge(*before, ALL).await.unwrap()))
            }
            _ => unreachable!("only calls about locks come here"),
        }
    }
}
