//! Random calls about passwords, second factors, challenges and locks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fountain_core::lockout::{IssueBudget, LockoutAttempt, LockoutKey, LockoutRules};
use fountain_core::login::CredentialRecord;
use fountain_core::otp::{ChallengeRecord, FactorRecord, PendingCode};
use fountain_core::{Tenant, Timestamp};

use super::{Walk, some};
use crate::fixtures::{NOW, TICK};
use crate::model::operation::{ChallengeChange, FactorChange, LoginOperation};

/// How far apart the instants of calls about locks are. Their lengths are seconds.
const STEP: Duration = Duration::from_millis(250);

impl Walk {
    pub(super) fn login_operation(&self) -> LoginOperation {
        match self.f.below(24) {
            0..4 => self.on_credentials(),
            4..12 => self.on_factors(),
            12..18 => self.on_challenges(),
            _ => self.on_lockouts(),
        }
    }

    fn on_credentials(&self) -> LoginOperation {
        let tenant = self.any_tenant();
        let (subject, event) = (self.pick(&self.subjects), self.event(&tenant));
        match self.f.below(5) {
            0..2 => {
                let record = CredentialRecord {
                    subject,
                    name: self.pick(&self.names),
                    created_at: self.time(),
                    ..self.f.credential(&tenant)
                };
                LoginOperation::InsertCredential(record, event)
            }
            2..4 => {
                let (version, hash) = (self.pick(&[1, 1, 2, 3]), self.f.password_hash());
                LoginOperation::Replace(tenant, subject, version, hash, self.time(), event)
            }
            _ => LoginOperation::RemoveCredential(tenant, subject, event),
        }
    }

    fn on_factors(&self) -> LoginOperation {
        let tenant = self.any_tenant();
        let event = self.event(&tenant);
        let at = self.f.below(self.factors.len());
        let id = self.factors[at].clone();
        // Each has one owner most of the time, so that calls meet it.
        let subject = self.seldom_another(&self.subjects, &self.subjects[at]);
        let mark = self.pick(&[1, 2, 3, 10]);
        match self.f.below(12) {
            0..2 => {
                let confirmed_at = self.one_in(2).then(|| self.time());
                let record = FactorRecord {
                    id,
                    mark: self.pick(&[0, 1, 2]),
                    confirmed_at,
                    subject,
                    created_at: self.time(),
                    confirm_by: self.time() + TICK,
                    ..self.f.factor(&tenant)
                };
                LoginOperation::InsertFactor(record, event)
            }
            2..9 => {
                let how = [
                    FactorChange::Confirm(mark, self.time()),
                    FactorChange::Confirm(mark, self.time()),
                    FactorChange::Take(mark),
                    FactorChange::Take(mark),
                    FactorChange::Take(mark),
                    FactorChange::Disable(self.time()),
                    FactorChange::Remove,
                ];
                LoginOperation::ChangeFactor(tenant, subject, id, self.pick(&how), event)
            }
            9 => {
                let codes = if self.one_in(10) {
                    some(21, || self.f.digest())
                } else {
                    let all = self.codes.iter().copied();
                    all.filter(|_| self.one_in(2)).collect()
                };
                LoginOperation::ReplaceCodes(tenant, subject, codes, event)
            }
            10 => LoginOperation::TakeCode(tenant, subject, self.pick(&self.codes), event),
            _ if self.one_in(2) => LoginOperation::PurgeFactors(self.time()),
            _ => LoginOperation::TakeCode(tenant, subject, self.pick(&self.codes), event),
        }
    }

    fn on_challenges(&self) -> LoginOperation {
        let tenant = self.any_tenant();
        let event = self.event(&tenant);
        match self.f.below(12) {
            0..2 => {
                let record = ChallengeRecord {
                    id: self.pick(&self.challenges),
                    subject: self.pick(&self.subjects),
                    expires_at: self.time() + 2 * TICK,
                    attempt_limit: self.pick(&[1, 2]),
                    code: self.one_in(2).then(|| self.sent_code()),
                    ..self.f.challenge(&tenant)
                };
                LoginOperation::InsertChallenge(record, event)
            }
            2..11 => {
                let code = self.pick(&self.codes);
                let how = [
                    ChallengeChange::Count,
                    ChallengeChange::Count,
                    ChallengeChange::Count,
                    ChallengeChange::PutCode(self.sent_code()),
                    ChallengeChange::Consume(Some(code)),
                    ChallengeChange::Consume(None),
                ];
                let (id, now) = (self.pick(&self.challenges), self.time());
                LoginOperation::ChangeChallenge(tenant, id, self.pick(&how), now, event)
            }
            _ => LoginOperation::PurgeChallenges(self.time()),
        }
    }

    fn sent_code(&self) -> PendingCode {
        PendingCode {
            factor: self.pick(&self.factors),
            digest: self.pick(&self.codes),
            issued_at: self.time(),
            expires_at: self.time() + TICK,
        }
    }

    /// An instant behind those of the calls about locks before it. What was taken may be dropped when it is gone, so that a
    /// clock that goes back may find it or not.
    fn rising_time(&self) -> Timestamp {
        NOW + self.calls.fetch_add(1, Ordering::Relaxed) * STEP
    }

    /// Instants at which locks are looked at: during the calls, and when all of them have ended.
    pub(in crate::model) fn lock_times(&self) -> [Timestamp; 3] {
        let last = self.calls.load(Ordering::Relaxed);
        [0, last, last + 40].map(|calls| NOW + calls * STEP)
    }

    fn on_lockouts(&self) -> LoginOperation {
        let tenant = self.any_tenant();
        let event = self.event(&tenant);
        let (key, now) = (self.pick(&self.lockout_keys), self.rising_time());
        let too_many = self.one_in(20);
        match self.f.below(10) {
            0..5 => LoginOperation::Attempt(Box::new(self.counted(&tenant, key, now))),
            5 => {
                let mut keys = some(2, || self.pick(&self.lockout_keys));
                if too_many {
                    keys.resize(17, key);
                }
                LoginOperation::Clear(tenant, keys, event)
            }
            6..9 => {
                let count = if too_many { 0 } else { 1 + self.f.below(3) };
                let budgets = some(count, || {
                    let (limit, window) = (self.pick(&[1, 2, 3]), self.pick(&[1, 2, 5]));
                    let key = self.pick(&self.lockout_keys);
                    IssueBudget::new(key, limit, Duration::from_secs(window))
                        .expect("it is within bounds")
                });
                LoginOperation::Take(tenant, budgets, now, event)
            }
            _ => LoginOperation::PurgeLockouts(now - 4 * STEP),
        }
    }

    fn counted(&self, tenant: &Tenant, key: LockoutKey, now: Timestamp) -> LockoutAttempt {
        let second = Duration::from_secs(1);
        let rules = LockoutRules::new(self.pick(&[1, 2, 2, 3]), second, 4 * second)
            .and_then(|rules| rules.forget_after(self.pick(&[1, 3, 60]) * second))
            .expect("they are within bounds");
        // A node's clock may be behind.
        let now = now - self.pick(&[0, 0, 0, 3]) * STEP;
        LockoutAttempt {
            now,
            on_counted: self.event(tenant),
            on_locked: self.event(tenant),
            ..self.f.attempt_on(tenant, key, rules)
        }
    }
}
