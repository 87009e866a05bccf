//! F: budgets of codes.

use std::time::Duration;

use fountain_core::Timestamp;
use fountain_core::lockout::{BudgetOutcome, IssueBudget, LockoutKey};

use super::{Place, SECOND, budget, exhausted, issued, take};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::race::{count, race};

const TAKEN: BudgetOutcome = BudgetOutcome::Taken;

/// never more than the limit within any window.
pub(crate) async fn lockout_store_f_a_budget_is_free_again_from_the_microsecond_of_its_window(
    cx: Context,
) {
    let s = cx.fresh().await;
    for window in [SECOND, 60 * SECOND, 31 * DAY] {
        let place = Place::new(&cx);
        let tenant = &place.tenant;
        let budgets = [budget(place.key, 3, window)];
        let mut ledger = Ledger::open(&s, tenant).await;
        let step = SECOND / 8;
        for at in 0..3 {
            let event = issued(&cx, tenant);
            let taken = s
                .lockouts
                .take(tenant, &budgets, NOW + at * step, event.clone());
            assert_eq!(taken.await.unwrap(), TAKEN);
            ledger.assert_recorded("taking", &[event], &[]).await;
        }
        let free = NOW + window;
        for now in [NOW + 3 * step, free - TICK] {
            let outcome = take(&cx, &s, tenant, &budgets, now).await;
            assert_eq!(outcome, exhausted(free), "at {now} of {window:?}");
        }
        ledger.assert_nothing("a budget that is used up").await;
        assert_eq!(take(&cx, &s, tenant, &budgets, free).await, TAKEN);
        // It slides: the next one is free when the second has gone.
        let next = free + step;
        for now in [free, next - TICK] {
            let outcome = take(&cx, &s, tenant, &budgets, now).await;
            assert_eq!(outcome, exhausted(next), "at {now} of {window:?}");
        }
        assert_eq!(take(&cx, &s, tenant, &budgets, next + TICK).await, TAKEN);
    }
}

/// F-30: taken by a node whose clock is ahead.
pub(crate) async fn lockout_store_f_what_was_taken_in_the_future_counts(cx: Context) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let budgets = [budget(place.key, 1, 60 * SECOND)];
    let ahead = NOW + 30 * SECOND;
    assert_eq!(take(&cx, &s, &place.tenant, &budgets, ahead).await, TAKEN);
    let outcome = take(&cx, &s, &place.tenant, &budgets, NOW).await;
    assert_eq!(outcome, exhausted(ahead + 60 * SECOND));
}

///
pub(crate) async fn lockout_store_f_one_is_taken_of_each_budget_or_of_none(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let [address, person, all] = [0, 1, 2].map(|_| cx.fixtures.lockout_key());
    let used_up = budget(person, 1, 60 * SECOND);
    assert_eq!(take(&cx, &s, &tenant, &[used_up], NOW).await, TAKEN);
    let roomy = [budget(address, 1, 90 * SECOND), budget(all, 1, 30 * SECOND)];
    let mut ledger = Ledger::open(&s, &tenant).await;
    for budgets in [
        [roomy[0], used_up, roomy[1]],
        [used_up, roomy[0], roomy[1]],
        [roomy[0], roomy[1], used_up],
    ] {
        let outcome = take(&cx, &s, &tenant, &budgets, NOW).await;
        assert_eq!(outcome, exhausted(NOW + 60 * SECOND));
    }
    ledger
        .assert_nothing("a budget of three that is used up")
        .await;
    // Nothing was taken of the other two.
    assert_eq!(take(&cx, &s, &tenant, &roomy, NOW + TICK).await, TAKEN);
    assert_eq!(ledger.events().await.len(), 1, "one event for both");
    // Of several that are used up, the one that is free last says when.
    for budgets in [[roomy[0], used_up, roomy[1]], [roomy[1], used_up, roomy[0]]] {
        let outcome = take(&cx, &s, &tenant, &budgets, NOW + SECOND).await;
        assert_eq!(outcome, exhausted(NOW + TICK + 90 * SECOND));
    }
    let some = [used_up, roomy[1]];
    let outcome = take(&cx, &s, &tenant, &some, NOW + SECOND).await;
    assert_eq!(outcome, exhausted(NOW + 60 * SECOND));
}

/// a cool-down, and so many a day.
pub(crate) async fn lockout_store_f_several_budgets_of_one_key_count_what_was_taken_once(
    cx: Context,
) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let tenant = &place.tenant;
    let budgets = [
        budget(place.key, 1, 30 * SECOND),
        budget(place.key, 3, DAY),
        budget(place.key, 2, 3600 * SECOND),
    ];
    assert_eq!(take(&cx, &s, tenant, &budgets, NOW).await, TAKEN);
    let soon = NOW + 30 * SECOND;
    let outcome = take(&cx, &s, tenant, &budgets, soon - TICK).await;
    assert_eq!(outcome, exhausted(soon), "the cool-down");
    assert_eq!(take(&cx, &s, tenant, &budgets, soon).await, TAKEN);
    let hour = NOW + 3600 * SECOND;
    let outcome = take(&cx, &s, tenant, &budgets, soon + 30 * SECOND).await;
    assert_eq!(outcome, exhausted(hour), "two in an hour");
    assert_eq!(take(&cx, &s, tenant, &budgets, hour).await, TAKEN);
    let outcome = take(&cx, &s, tenant, &budgets, hour + 60 * SECOND).await;
    assert_eq!(outcome, exhausted(NOW + DAY), "three in a day");
    assert_eq!(take(&cx, &s, tenant, &budgets, NOW + DAY).await, TAKEN);
    // One budget named twice is one.
    let place = Place::new(&cx);
    let twice = [budget(place.key, 2, SECOND); 2];
    for expected in [TAKEN, TAKEN, exhausted(NOW + SECOND)] {
        assert_eq!(take(&cx, &s, &place.tenant, &twice, NOW).await, expected);
    }
}

pub(crate) async fn lockout_store_f_what_was_taken_is_there_until_its_longest_window_has_passed(
    cx: Context,
) {
    let s = cx.fresh().await;
    // (of which it was taken, of which it is asked, how long it counts there)
    for (taken, asked, counts) in [
        (&[60][..], 60, 60),
        (&[60], 10, 10),
        (&[10], 60, 10),
        (&[10, 60], 90, 60),
        (&[60, 10], 90, 60),
        (&[90, 10], 60, 60),
    ] {
        for (by, is_free) in [(TICK, true), (Duration::ZERO, true), (TICK, false)] {
            let place = Place::new(&cx);
            // Another key of the same call, whose window is not this one's.
            let mut budgets = vec![budget(cx.fixtures.lockout_key(), 1, DAY)];
            let windows = taken.iter().map(|window| *window * SECOND);
            budgets.extend(windows.map(|window| budget(place.key, 1, window)));
            assert_eq!(take(&cx, &s, &place.tenant, &budgets, NOW).await, TAKEN);
            let end = NOW + counts * SECOND;
            let now = if is_free { end + by } else { end - by };
            let asked = [budget(place.key, 1, asked * SECOND)];
            let outcome = take(&cx, &s, &place.tenant, &asked, now).await;
            let free = outcome == TAKEN;
            assert_eq!(free, is_free, "{taken:?}, {asked:?} at {now}: {outcome:?}");
        }
    }
}

///
pub(crate) async fn lockout_store_f_of_parallel_takes_no_more_succeed_than_each_budget_allows(
    cx: Context,
) {
    let s = cx.fresh().await;
    for round in 0..cx.rounds.races {
        let tenant = cx.fixtures.tenant();
        let limit = 1 + round % 4.min(cx.rounds.tasks - 1);
        let number = u32::try_from(limit).expect("a small limit");
        let shared = cx.fixtures.lockout_key();
        let ledger = Ledger::open(&s, &tenant).await;
        let budgets: Vec<_> = (0..cx.rounds.tasks)
            .map(|task| {
                let own = budget(cx.fixtures.lockout_key(), 1, 60 * SECOND);
                let shared = budget(shared, number, 60 * SECOND);
                if task % 2 == 0 {
                    [own, shared]
                } else {
                    [shared, own]
                }
            })
            .collect();
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, tenant) = (s.clone(), tenant.clone());
            let (budgets, event) = (budgets[task], issued(&cx, &tenant));
            async move {
                let take = s.lockouts.take(&tenant, &budgets, NOW, event);
                (task, take.await.unwrap())
            }
        })
        .await;
        let won = count(&outcomes, |(_, outcome)| *outcome == TAKEN);
        assert_eq!(won, limit, "of {} takes", cx.rounds.tasks);
        let until = exhausted(NOW + 60 * SECOND);
        assert_eq!(
            count(&outcomes, |(_, outcome)| *outcome == until),
            cx.rounds.tasks - limit
        );
        assert_eq!(
            ledger.events().await.len(),
            limit,
            "events of what was taken"
        );
        // Whoever lost has taken nothing of its own budget.
        let lost = outcomes.iter().find(|(_, outcome)| *outcome == until);
        let own = lost.map(|(task, _)| budgets[*task]);
        let own = own.and_then(|both| both.into_iter().find(|budget| *budget.key() != shared));
        let own = own.expect("somebody lost");
        assert_eq!(take(&cx, &s, &tenant, &[own], NOW).await, TAKEN);
    }
}

/// What was taken, one by one: the plainest that can be right.
#[derive(Default)]
struct Model(Vec<(LockoutKey, Timestamp, Timestamp)>);

impl Model {
    fn take(&mut self, budgets: &[IssueBudget], now: Timestamp) -> BudgetOutcome {
        let standing: Vec<_> = self.0.iter().filter(|(_, _, end)| now < *end).collect();
        let has_room = |at: Timestamp| {
            budgets.iter().all(|budget| {
                let counts = |(key, taken, _): &&&(LockoutKey, Timestamp, Timestamp)| {
                    key == budget.key() && at < *taken + budget.window()
                };
                let counting = standing.iter().filter(counts).count();
                counting < usize::try_from(budget.limit()).expect("it is small")
            })
        };
        if !has_room(now) {
            let ends = standing
                .iter()
                .flat_map(|(_, at, _)| budgets.iter().map(|budget| *at + budget.window()));
            let until = ends.filter(|end| *end > now && has_room(*end)).min();
            return exhausted(until.expect("it is free when all have gone"));
        }
        let keys: std::collections::HashSet<_> = budgets.iter().map(|b| *b.key()).collect();
        for key in keys {
            let of_key = budgets.iter().filter(|budget| *budget.key() == key);
            let longest = of_key.map(IssueBudget::window).max().unwrap_or_default();
            self.0.push((key, now, now + longest));
        }
        TAKEN
    }
}

/// random calls, each answered as by counting all that was ever taken.
pub(crate) async fn lockout_store_f_takes_are_answered_as_by_counting_all_that_was_taken(
    cx: Context,
) {
    let s = cx.fresh().await;
    for sequence in 0..cx.rounds.sequences {
        let tenant = cx.fixtures.tenant();
        let keys = [0, 1, 2].map(|_| cx.fixtures.lockout_key());
        let windows = [SECOND, SECOND + TICK, 2 * SECOND, 5 * SECOND];
        let (mut model, mut now, mut made) = (Model::default(), NOW, Vec::new());
        for call in 0..40 {
            let steps = [Duration::ZERO, TICK, SECOND / 4, SECOND - TICK, SECOND];
            now = now + steps[cx.fixtures.below(steps.len())];
            let budgets: Vec<_> = (0..=cx.fixtures.below(3))
                .map(|_| {
                    let limit = 1 + cx.fixtures.below(4);
                    budget(
                        keys[cx.fixtures.below(keys.len())],
                        u32::try_from(limit).expect("a small limit"),
                        windows[cx.fixtures.below(windows.len())],
                    )
                })
                .collect();
            let expected = model.take(&budgets, now);
            made.push((now, budgets.clone()));
            let outcome = take(&cx, &s, &tenant, &budgets, now).await;
            assert_eq!(
                outcome, expected,
                "call {call} of sequence {sequence} of seed {}: {made:?}",
                cx.rounds.seed
            );
        }
    }
}
