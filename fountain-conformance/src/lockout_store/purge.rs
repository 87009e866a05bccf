//! H: purging.

use fountain_core::lockout::BudgetOutcome;

use super::{Place, SECOND, attempt, budget, clear, counted, exhausted, lock, rules, take};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;

///
pub(crate) async fn lockout_store_h_purge_removes_counts_that_were_forgotten_before_the_instant(
    cx: Context,
) {
    let s = cx.fresh().await;
    // Forgotten 100 s behind an attempt, or behind the 10 s of a lock.
    let forget_at = NOW + 100 * SECOND;
    let mut around = Vec::new();
    for at in [NOW - TICK, NOW, NOW + TICK] {
        let open = Place::new(&cx);
        let outcome = attempt(&cx, &s, &open, rules(), at).await;
        assert_eq!(outcome, counted(1, None));
        let locked = Place::new(&cx);
        lock(&cx, &s, &locked, rules(), at - 10 * SECOND).await;
        around.push([open, locked]);
    }
    // One that was to be forgotten earlier, and was attempted again since.
    let later = Place::new(&cx);
    for (failures, at) in [(1, NOW - 10 * SECOND), (2, NOW)] {
        let outcome = attempt(&cx, &s, &later, rules(), at).await;
        assert_eq!(outcome, counted(failures, None));
    }
    let mut ledger = Ledger::open(&s, &around[0][0].tenant).await;
    assert_eq!(s.lockouts.purge(forget_at, 1000).await.unwrap(), 2);
    assert_eq!(s.lockouts.purge(forget_at, 1000).await.unwrap(), 0);
    ledger.assert_nothing("a purge").await;
    for (places, kept) in around.iter().zip([false, true, true]) {
        for place in places {
            let cleared = clear(&cx, &s, &place.tenant, &[place.key]).await;
            assert_eq!(cleared, kept, "{place:?}");
        }
    }
    let outcome = attempt(&cx, &s, &later, rules(), NOW).await;
    assert_eq!(outcome, counted(3, Some(NOW + 10 * SECOND)));
    assert_eq!(s.lockouts.purge(NOW + DAY, 1000).await.unwrap(), 1);
}

///
pub(crate) async fn lockout_store_h_purge_removes_takes_of_a_key_when_each_of_them_is_gone(
    cx: Context,
) {
    let s = cx.fresh().await;
    let gone = NOW + 60 * SECOND;
    let mut around = Vec::new();
    for at in [NOW - TICK, NOW, NOW + TICK] {
        let place = Place::new(&cx);
        let budgets = [budget(place.key, 1, 60 * SECOND)];
        let outcome = take(&cx, &s, &place.tenant, &budgets, at).await;
        assert_eq!(outcome, BudgetOutcome::Taken);
        around.push((place.tenant, budgets, at));
    }
    // Two takes of one key, of which one is gone; and one whose longest window is not.
    let place = Place::new(&cx);
    let twice = [budget(place.key, 2, 60 * SECOND)];
    for at in [NOW - 10 * SECOND, NOW] {
        let outcome = take(&cx, &s, &place.tenant, &twice, at).await;
        assert_eq!(outcome, BudgetOutcome::Taken);
    }
    around.push((place.tenant, twice, NOW));
    let place = Place::new(&cx);
    let long = [
        budget(place.key, 1, 90 * SECOND),
        budget(place.key, 1, SECOND),
    ];
    let outcome = take(&cx, &s, &place.tenant, &long, NOW).await;
    assert_eq!(outcome, BudgetOutcome::Taken);

    let mut ledger = Ledger::open(&s, &around[0].0).await;
    assert_eq!(s.lockouts.purge(gone, 1000).await.unwrap(), 1);
    assert_eq!(s.lockouts.purge(gone, 1000).await.unwrap(), 0);
    ledger.assert_nothing("a purge").await;
    // What was not purged still counts, for who looks from an earlier instant.
    for (tenant, budgets, at) in &around[1..3] {
        let outcome = take(&cx, &s, tenant, budgets, gone - 2 * TICK).await;
        assert_eq!(outcome, exhausted(*at + 60 * SECOND));
    }
    let (tenant, budgets, _) = &around[3];
    let early = gone - 10 * SECOND;
    let outcome = take(&cx, &s, tenant, budgets, early - TICK).await;
    assert_eq!(outcome, exhausted(early), "both of them count");
    let outcome = take(&cx, &s, &place.tenant, &long[..1], NOW).await;
    assert_eq!(outcome, exhausted(NOW + 90 * SECOND));
    assert_eq!(s.lockouts.purge(NOW + DAY, 1000).await.unwrap(), 4);
}

///
pub(crate) async fn lockout_store_h_purge_stops_at_its_limit_and_says_how_many(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..5 {
        let place = Place::new(&cx);
        let outcome = attempt(&cx, &s, &place, rules(), NOW).await;
        assert_eq!(outcome, counted(1, None));
        // Two of one key are one that is removed.
        for _ in 0..2 {
            let budgets = [budget(place.key, 2, SECOND)];
            let outcome = take(&cx, &s, &place.tenant, &budgets, NOW).await;
            assert_eq!(outcome, BudgetOutcome::Taken);
        }
    }
    for removed in [4, 4, 2, 0] {
        assert_eq!(s.lockouts.purge(NOW + DAY, 4).await.unwrap(), removed);
    }
}
