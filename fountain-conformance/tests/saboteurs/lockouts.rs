use std::time::Duration;

use async_trait::async_trait;
use fountain_conformance::NOW;
use fountain_core::audit::AuditEvent;
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutRules,
    LockoutStore,
};
use fountain_core::{Digest, StoreError, Tenant, Timestamp};

use crate::fault::{Area, DAY, Fault, TICK};
use crate::saboteur::Saboteur;

fn is_counted(outcome: &AttemptOutcome) -> bool {
    matches!(outcome, AttemptOutcome::Counted { .. })
}

/// The rules with another threshold, or other locks; `None` where they last for good.
fn altered(rules: LockoutRules, threshold: u32, longest: Option<Duration>) -> LockoutRules {
    let altered = match (rules.length(1), longest) {
        (Some(first), Some(longest)) => LockoutRules::new(threshold, first, longest.max(first)),
        (None, Some(longest)) => LockoutRules::new(threshold, longest, longest),
        (_, None) => LockoutRules::for_good(threshold),
    };
    let kept = rules.kept_for().min(31 * DAY);
    altered
        .and_then(|altered| altered.forget_after(kept))
        .unwrap()
}

impl Saboteur {
    fn lockout_tenant(&self, tenant: &Tenant) -> Tenant {
        if self.is(Fault::LockoutTenantsFoldCase) {
            Tenant::new(tenant.as_str().to_ascii_lowercase()).unwrap()
        } else {
            tenant.clone()
        }
    }

    /// The rules as they are misread, where that is the mistake.
    fn lockout_rules(&self, rules: LockoutRules) -> LockoutRules {
        let longest = rules.length(u32::MAX);
        if self.is(Fault::LocksBeginOneAttemptLate) {
            return altered(rules, rules.threshold() + 1, longest);
        }
        if self.is(Fault::LocksDoNotGrow) {
            return altered(rules, rules.threshold(), rules.length(1));
        }
        if self.is(Fault::LocksForGoodEnd) {
            return altered(rules, rules.threshold(), longest.or(Some(31 * DAY)));
        }
        if self.is(Fault::NothingIsForgotten) {
            return rules.forget_after(31 * DAY).unwrap();
        }
        rules
    }

    /// As many of these as a call may name, where the mistake is not to refuse the others.
    fn named<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        if self.is(Fault::TooManyKeysAreCut) && all.len() > 16 {
            &all[..16]
        } else {
            all
        }
    }

    /// The key that is counted for: since a clearing another one, where that is the mistake.
    fn budget_of(&self, tenant: &Tenant, budget: &IssueBudget) -> IssueBudget {
        let cleared = self
            .notes()
            .cleared
            .contains(&(tenant.clone(), *budget.key()));
        if !cleared || !self.is(Fault::ClearingGivesBudgetsBack) {
            return *budget;
        }
        let key = LockoutKey::new(Digest::of(budget.key().digest().as_bytes()));
        IssueBudget::new(key, budget.limit(), budget.window()).unwrap()
    }

    /// The budgets as the store is given them.
    fn budgets(&self, tenant: &Tenant, budgets: &[IssueBudget]) -> Vec<IssueBudget> {
        let named = self.named(budgets).iter();
        let mut all: Vec<_> = named.map(|budget| self.budget_of(tenant, budget)).collect();
        if self.is(Fault::TakesLastAsLongAsTheirFirstWindow) {
            let mut seen = std::collections::HashSet::new();
            all.retain(|budget| seen.insert(*budget.key()));
        }
        all
    }

    /// Whether each budget has one left, by what was noted of the takes.
    fn has_room(&self, tenant: &Tenant, budgets: &[IssueBudget], now: Timestamp) -> bool {
        let notes = self.notes();
        budgets.iter().all(|budget| {
            let taken = notes.takes.get(&(tenant.clone(), *budget.key()));
            let taken = taken.map_or(&[][..], Vec::as_slice);
            budget.free_at(taken, now) == now
        })
    }

    /// One after the other, until one has nothing left.
    async fn take_one_by_one(
        &self,
        tenant: &Tenant,
        budgets: &[IssueBudget],
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<BudgetOutcome, StoreError> {
        for budget in budgets {
            let one = [*budget];
            let take = LockoutStore::take(&self.inner, tenant, &one, now, event.clone());
            let outcome = take.await?;
            if outcome != BudgetOutcome::Taken {
                return Ok(outcome);
            }
        }
        Ok(BudgetOutcome::Taken)
    }

    /// Counts what was taken as an attempt.
    async fn count_takes(
        &self,
        tenant: &Tenant,
        budgets: &[IssueBudget],
        now: Timestamp,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        for budget in budgets {
            let attempt = LockoutAttempt {
                tenant: tenant.clone(),
                key: *budget.key(),
                rules: LockoutRules::new(1_000, DAY, DAY).unwrap(),
                now,
                on_counted: event.clone(),
                on_locked: event.clone(),
            };
            let _ = self.inner.attempt(attempt).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl LockoutStore for Saboteur {
    async fn attempt(&self, attempt: LockoutAttempt) -> Result<AttemptOutcome, StoreError> {
        let mut attempt = attempt;
        attempt.tenant = self.lockout_tenant(&attempt.tenant);
        attempt.rules = self.lockout_rules(attempt.rules);
        if self.is(Fault::AttemptsAreLateByOne) {
            attempt.now = attempt.now - TICK;
        }
        if self.is(Fault::LocksAreNotRecorded) {
            let id = attempt.on_locked.id.clone();
            self.notes().hidden_events.insert(id);
        }
        let (tenant, keys, now) = (attempt.tenant.clone(), [attempt.key], attempt.now);
        let lock = self.inner.locked_until(&tenant, &keys, now).await?;
        let believed = self
            .checked(Fault::AttemptsCheckThenAct, lock.is_none())
            .await;
        let event = attempt.on_counted.clone();
        let call = self.inner.attempt(attempt);
        let outcome = self
            .step(Area::Lockouts, &event, None, call, is_counted)
            .await?;
        Ok(match outcome {
            AttemptOutcome::Locked { until } if believed => AttemptOutcome::Counted {
                failures: 1,
                locked_until: Some(until),
            },
            outcome => outcome,
        })
    }

    async fn locked_until(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        if self.is(Fault::TooManyKeysAreCut) && keys.is_empty() {
            return Ok(None);
        }
        let keys = if self.is(Fault::LocksOfTheFirstKeyCount) {
            &keys[..1]
        } else {
            self.named(keys)
        };
        let tenant = self.lockout_tenant(tenant);
        self.inner.locked_until(&tenant, keys, now).await
    }

    async fn clear(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        if self.is(Fault::TooManyKeysAreCut) && keys.is_empty() {
            return Ok(false);
        }
        let tenant = &self.lockout_tenant(tenant);
        let keys = if self.is(Fault::ClearingStopsAtTheFirstKey) {
            &keys[..1]
        } else {
            self.named(keys)
        };
        let cleared = keys.iter().map(|key| (tenant.clone(), *key));
        self.notes().cleared.extend(cleared);
        let is_locked = match self.inner.locked_until(tenant, keys, NOW).await {
            Ok(until) => until.is_some(),
            // The call itself says so.
            Err(_) => false,
        };
        let believed = self
            .checked(Fault::RemoveChecksThenActs(Area::Lockouts), is_locked)
            .await;
        let call = self.inner.clear(tenant, keys, event.clone());
        let cleared = self
            .step(Area::Lockouts, &event, None, call, |cleared| *cleared)
            .await?;
        Ok(cleared || believed)
    }

    async fn take(
        &self,
        tenant: &Tenant,
        budgets: &[IssueBudget],
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<BudgetOutcome, StoreError> {
        let tenant = &self.lockout_tenant(tenant);
        let budgets = self.budgets(tenant, budgets);
        let now = if self.is(Fault::BudgetsAreFreeEarlyByOne) {
            now + TICK
        } else {
            now
        };
        if self.is(Fault::BudgetsAreTakenOneByOne) && !budgets.is_empty() && budgets.len() <= 16 {
            return self.take_one_by_one(tenant, &budgets, now, event).await;
        }
        let has_room = self.has_room(tenant, &budgets, now);
        let believed = self
            .checked(Fault::TakesOfBudgetsCheckThenAct, has_room)
            .await;
        let call = LockoutStore::take(&self.inner, tenant, &budgets, now, event.clone());
        let taken = |outcome: &_| *outcome == BudgetOutcome::Taken;
        let outcome = self.step(Area::Lockouts, &event, None, call, taken).await?;
        if taken(&outcome) {
            for budget in &budgets {
                let place = (tenant.clone(), *budget.key());
                self.notes().takes.entry(place).or_default().push(now);
            }
            if self.is(Fault::TakesCountAsAttempts) {
                self.count_takes(tenant, &budgets, now, &event).await?;
            }
            return Ok(outcome);
        }
        let is_ahead = budgets.iter().any(|budget| {
            let notes = self.notes();
            let taken = notes.takes.get(&(tenant.clone(), *budget.key()));
            taken.is_some_and(|taken| taken.iter().any(|at| *at > now))
        });
        if believed || self.is(Fault::FutureTakesDoNotCount) && is_ahead {
            return Ok(BudgetOutcome::Taken);
        }
        Ok(outcome)
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let (before, limit) = self.purge_bounds(Area::Lockouts, before, limit);
        LockoutStore::purge(&self.inner, before, limit).await
    }
}
