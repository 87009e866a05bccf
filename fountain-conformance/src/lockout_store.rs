//! `LockoutStore`, sentence by sentence.

use std::time::Duration;

use fountain_core::audit::{AuditAction, AuditEvent};
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutRules,
};
use fountain_core::{StoreErrorKind, Tenant, Timestamp};

use crate::context::{Context, Stores};
use crate::fixtures::NOW;
use crate::ledger::Ledger;
use crate::mutation;

mod attempts;
mod budgets;
mod locks;
mod purge;
mod traces;

pub(crate) use attempts::*;
pub(crate) use budgets::*;
pub(crate) use locks::*;
pub(crate) use purge::*;
pub(crate) use traces::*;

const SECOND: Duration = Duration::from_secs(1);

/// Three attempts, then 10 s, doubled up to 35 s; forgotten after 100 s.
fn rules() -> LockoutRules {
    LockoutRules::new(3, 10 * SECOND, 35 * SECOND)
        .and_then(|rules| rules.forget_after(100 * SECOND))
        .expect("they are within bounds")
}

fn rules_of(threshold: usize) -> LockoutRules {
    let threshold = u32::try_from(threshold).expect("a small threshold");
    LockoutRules::new(threshold, 10 * SECOND, 35 * SECOND).expect("they are within bounds")
}

fn budget(key: LockoutKey, limit: u32, window: Duration) -> IssueBudget {
    IssueBudget::new(key, limit, window).expect("it is within bounds")
}

fn counted(failures: u32, locked_until: Option<Timestamp>) -> AttemptOutcome {
    AttemptOutcome::Counted {
        failures,
        locked_until,
    }
}

fn locked(until: Timestamp) -> AttemptOutcome {
    AttemptOutcome::Locked { until }
}

fn exhausted(until: Timestamp) -> BudgetOutcome {
    BudgetOutcome::Exhausted { until }
}

/// One place where attempts are counted.
#[derive(Debug, Clone)]
struct Place {
    tenant: Tenant,
    key: LockoutKey,
}

impl Place {
    fn new(cx: &Context) -> Self {
        Self {
            tenant: cx.fixtures.tenant(),
            key: cx.fixtures.lockout_key(),
        }
    }

    fn attempt(&self, cx: &Context, rules: LockoutRules, now: Timestamp) -> LockoutAttempt {
        LockoutAttempt {
            now,
            ..cx.fixtures.attempt_on(&self.tenant, self.key, rules)
        }
    }
}

async fn attempt(
    cx: &Context,
    s: &Stores,
    place: &Place,
    rules: LockoutRules,
    now: Timestamp,
) -> AttemptOutcome {
    let attempt = place.attempt(cx, rules, now);
    s.lockouts.attempt(attempt).await.unwrap()
}

/// Makes as many attempts as begin a lock at `now`; gives its end.
async fn lock(
    cx: &Context,
    s: &Stores,
    place: &Place,
    rules: LockoutRules,
    now: Timestamp,
) -> Timestamp {
    for failures in 1..rules.threshold() {
        let outcome = attempt(cx, s, place, rules, now).await;
        assert_eq!(outcome, counted(failures, None));
    }
    match attempt(cx, s, place, rules, now).await {
        AttemptOutcome::Counted {
            locked_until: Some(until),
            ..
        } => until,
        other => panic!("the last attempt that is allowed is {other:?}"),
    }
}

async fn locked_until(s: &Stores, place: &Place, now: Timestamp) -> Option<Timestamp> {
    s.lockouts
        .locked_until(&place.tenant, &[place.key], now)
        .await
        .unwrap()
}

async fn clear(cx: &Context, s: &Stores, tenant: &Tenant, keys: &[LockoutKey]) -> bool {
    let event = cx.fixtures.event(tenant, AuditAction::LockCleared);
    s.lockouts.clear(tenant, keys, event).await.unwrap()
}

fn issued(cx: &Context, tenant: &Tenant) -> AuditEvent {
    cx.fixtures.event(tenant, AuditAction::CodeIssued)
}

async fn take(
    cx: &Context,
    s: &Stores,
    tenant: &Tenant,
    budgets: &[IssueBudget],
    now: Timestamp,
) -> BudgetOutcome {
    let event = issued(cx, tenant);
    s.lockouts.take(tenant, budgets, now, event).await.unwrap()
}

///
pub(crate) async fn lockout_store_c_every_change_is_recorded_once(cx: Context) {
    mutation::assert_recorded_once(&cx, mutation::lockout_mutations).await;
}

///
pub(crate) async fn lockout_store_c_a_change_is_never_seen_without_its_events(cx: Context) {
    mutation::assert_never_seen_in_part(&cx, mutation::lockout_mutations).await;
}

///
pub(crate) async fn lockout_store_c_a_dropped_call_leaves_the_change_whole_or_absent(cx: Context) {
    mutation::assert_whole_when_dropped(&cx, mutation::lockout_mutations).await;
}

pub(crate) async fn lockout_store_j_no_keys_and_more_than_16_are_a_conflict_that_changes_nothing(
    cx: Context,
) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let end = lock(&cx, &s, &place, rules(), NOW).await;
    let tenant = &place.tenant;
    let mut keys = vec![place.key];
    keys.extend((0..16).map(|_| cx.fixtures.lockout_key()));
    let budgets: Vec<_> = keys.iter().map(|key| budget(*key, 1, SECOND)).collect();
    let mut ledger = Ledger::open(&s, tenant).await;
    for count in [0, 17] {
        let (keys, budgets) = (&keys[..count], &budgets[..count]);
        let look = s.lockouts.locked_until(tenant, keys, NOW).await;
        assert_eq!(look.unwrap_err().kind(), StoreErrorKind::Conflict);
        let event = cx.fixtures.event(tenant, AuditAction::LockCleared);
        let clear = s.lockouts.clear(tenant, keys, event).await;
        assert_eq!(clear.unwrap_err().kind(), StoreErrorKind::Conflict);
        let event = issued(&cx, tenant);
        let take = s.lockouts.take(tenant, budgets, NOW, event).await;
        assert_eq!(take.unwrap_err().kind(), StoreErrorKind::Conflict);
    }
    // 17 of one key are too many as well.
    let same = [budget(place.key, 5, SECOND); 17];
    let event = issued(&cx, tenant);
    let taken = s.lockouts.take(tenant, &same, NOW, event).await;
    assert_eq!(taken.unwrap_err().kind(), StoreErrorKind::Conflict);
    ledger
        .assert_nothing("calls that name too few or too many")
        .await;
    // Nothing was cleared and nothing was taken; and 16 are not too many.
    let look = s.lockouts.locked_until(tenant, &keys[..16], NOW).await;
    assert_eq!(look.unwrap(), Some(end));
    for budgets in [&budgets[..16], &budgets[16..]] {
        let outcome = take(&cx, &s, tenant, budgets, NOW).await;
        assert_eq!(outcome, BudgetOutcome::Taken);
    }
    assert!(clear(&cx, &s, tenant, &keys[..16]).await);
    assert_eq!(locked_until(&s, &place, NOW).await, None);
}
