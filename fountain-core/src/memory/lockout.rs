use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::Tenant;
use crate::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutState,
    LockoutStore,
};
use crate::secret::Digest;

type Place = (Tenant, LockoutKey);

#[derive(Default)]
pub(super) struct Lockouts {
    counts: HashMap<Place, LockoutState>,
    by_end: BTreeSet<(Timestamp, Tenant, [u8; 32])>,
    takes: HashMap<Place, Vec<Take>>,
    takes_by_end: BTreeSet<(Timestamp, Tenant, [u8; 32])>,
    take_count: usize,
}

/// One that was taken of a budget.
#[derive(Clone, Copy)]
struct Take {
    at: Timestamp,
    kept_until: Timestamp,
}

impl Lockouts {
    fn put(&mut self, (tenant, key): Place, state: LockoutState) {
        let end = |at| (at, tenant.clone(), *key.digest().as_bytes());
        if let Some(before) = self.counts.insert((tenant.clone(), key), state) {
            self.by_end.remove(&end(before.forget_at));
        }
        self.by_end.insert(end(state.forget_at));
    }

    fn remove(&mut self, place: &Place) -> bool {
        let Some(state) = self.counts.remove(place) else {
            return false;
        };
        let (tenant, key) = place;
        self.by_end
            .remove(&(state.forget_at, tenant.clone(), *key.digest().as_bytes()))
    }

    /// When those were taken that are still there at `now`.
    fn taken(&self, place: &Place, now: Timestamp) -> Vec<Timestamp> {
        let takes = self.takes.get(place).into_iter().flatten();
        takes
            .filter(|take| now < take.kept_until)
            .map(|take| take.at)
            .collect()
    }

    fn take(&mut self, place: Place, take: Take) {
        let (tenant, key) = place.clone();
        let end = |at| (at, tenant.clone(), *key.digest().as_bytes());
        let takes = self.takes.entry(place).or_default();
        let before = takes.len();
        if let Some(last) = last_end(takes) {
            self.takes_by_end.remove(&end(last));
        }
        takes.retain(|old| take.at < old.kept_until);
        takes.push(take);
        if let Some(last) = last_end(takes) {
            self.takes_by_end.insert(end(last));
        }
        self.take_count = (self.take_count + takes.len()).saturating_sub(before);
    }

    fn remove_takes(&mut self, end: &(Timestamp, Tenant, [u8; 32])) {
        self.takes_by_end.remove(end);
        if let Some(takes) = self.takes.remove(&place_of(end)) {
            self.take_count = self.take_count.saturating_sub(takes.len());
        }
    }
}

fn last_end(takes: &[Take]) -> Option<Timestamp> {
    takes.iter().map(|take| take.kept_until).max()
}

fn place_of((_, tenant, key): &(Timestamp, Tenant, [u8; 32])) -> Place {
    (tenant.clone(), LockoutKey::new(Digest::from_bytes(*key)))
}

/// A call names 1 to 16 of something.
fn check_count(count: usize) -> Result<(), StoreError> {
    if (1..=16).contains(&count) {
        Ok(())
    } else {
        Err(StoreErrorKind::Conflict.into())
    }
}

#[async_trait]
impl LockoutStore for MemoryStore {
    async fn attempt(&self, attempt: LockoutAttempt) -> Result<AttemptOutcome, StoreError> {
        let mut state = self.write();
        self.room(state.lockouts.counts.len(), 1)?;
        self.room_for_events(&state, 2)?;
        let place = (attempt.tenant, attempt.key);
        let standing = state.lockouts.counts.get(&place).copied();
        let (next, outcome) = LockoutState::count(standing, attempt.rules, attempt.now);
        if let Some(next) = next {
            state.lockouts.put(place, next);
            state.log.record(attempt.on_counted);
            if next.locked_until.is_some() {
                state.log.record(attempt.on_locked);
            }
        }
        Ok(outcome)
    }

    async fn locked_until(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        check_count(keys.len())?;
        let state = self.read();
        let counts = &state.lockouts.counts;
        Ok(keys
            .iter()
            .filter_map(|key| counts.get(&(tenant.clone(), *key))?.lock_at(now))
            .max())
    }

    async fn clear(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        check_count(keys.len())?;
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        let mut any = false;
        for key in keys {
            any |= state.lockouts.remove(&(tenant.clone(), *key));
        }
        if any {
            state.log.record(event);
        }
        Ok(any)
    }

    async fn take(
        &self,
        tenant: &Tenant,
        budgets: &[IssueBudget],
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<BudgetOutcome, StoreError> {
        check_count(budgets.len())?;
        let mut state = self.write();
        self.room(state.lockouts.take_count, budgets.len())?;
        self.room_for_events(&state, 1)?;
        let mut windows: HashMap<LockoutKey, Duration> = HashMap::new();
        let mut until = now;
        for budget in budgets {
            let taken = state.lockouts.taken(&(tenant.clone(), *budget.key()), now);
            until = until.max(budget.free_at(&taken, now));
            let window = windows.entry(*budget.key()).or_default();
            *window = budget.window().max(*window);
        }
        if until > now {
            return Ok(BudgetOutcome::Exhausted { until });
        }
        for (key, window) in windows {
            let take = Take {
                at: now,
                kept_until: now + window,
            };
            state.lockouts.take((tenant.clone(), key), take);
        }
        state.log.record(event);
        Ok(BudgetOutcome::Taken)
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut state = self.write();
        let all = &mut state.lockouts;
        let counts = ended(&all.by_end, before, limit);
        counts.iter().for_each(|end| _ = all.remove(&place_of(end)));
        let takes = ended(
            &all.takes_by_end,
            before,
            limit.saturating_sub(counts.len()),
        );
        takes.iter().for_each(|end| all.remove_takes(end));
        Ok(u64::try_from(counts.len() + takes.len()).unwrap_or(u64::MAX))
    }
}

/// The first of these that end before `before`, at most `limit`.
fn ended(
    all: &BTreeSet<(Timestamp, Tenant, [u8; 32])>,
    before: Timestamp,
    limit: usize,
) -> Vec<(Timestamp, Tenant, [u8; 32])> {
    let ended = all.iter().take_while(|(end, _, _)| *end < before);
    ended.take(limit).cloned().collect()
}
