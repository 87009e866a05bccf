//! Attempts and budgets.

use std::sync::Arc;
use std::time::Duration;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutRules, LockoutStore,
};
use shuttle::future::block_on;

use crate::check::{count, holds, race};
use crate::memory::MemoryStore;

/// of 64 wrong guesses at once 5 are judged.
#[test]
fn of_64_parallel_attempts_as_many_are_counted_as_the_threshold_says() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(62);
        let (tenant, key) = (fixtures.tenant(), fixtures.lockout_key());
        let outcomes = race(64, |_| {
            let attempt = fixtures.attempt_on(&tenant, key, LockoutRules::default());
            let store = store.clone();
            async move { store.attempt(attempt).await.unwrap() }
        });
        let mut failures: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                AttemptOutcome::Counted { failures, .. } => Some(*failures),
                AttemptOutcome::Locked { .. } => None,
            })
            .collect();
        failures.sort_unstable();
        assert_eq!(failures, [1, 2, 3, 4, 5], "{outcomes:?}");
        let page = block_on(store.page(&tenant, None, 100)).unwrap();
        assert_eq!(page.items.len(), 6, "five counts and a lock");
    });
}

/// budgets of an address and of a person, named in either order.
#[test]
fn of_parallel_takes_no_more_succeed_than_the_scarcest_budget_allows() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(67);
        let tenant = fixtures.tenant();
        let minute = Duration::from_secs(60);
        let budget =
            |limit| IssueBudget::new(fixtures.lockout_key(), limit, minute).expect("it is valid");
        let both = [budget(5), budget(2)];
        let outcomes = race(16, |number| {
            let mut budgets = both;
            budgets.rotate_left(number % 2);
            let event = fixtures.event(&tenant, AuditAction::CodeIssued);
            let (store, tenant) = (store.clone(), tenant.clone());
            async move { store.take(&tenant, &budgets, NOW, event).await.unwrap() }
        });
        let taken = count(&outcomes, |outcome| *outcome == BudgetOutcome::Taken);
        assert_eq!(taken, 2, "{outcomes:?}");
        // Of the other, three are left.
        for left in [true, true, true, false] {
            let event = fixtures.event(&tenant, AuditAction::CodeIssued);
            let outcome = block_on(store.take(&tenant, &both[..1], NOW, event)).unwrap();
            assert_eq!(outcome == BudgetOutcome::Taken, left);
        }
    });
}
