//! A and B: how attempts are counted, and when they are locked out.

use std::time::Duration;

use fountain_core::Timestamp;
use fountain_core::lockout::{AttemptOutcome, LockoutRules, LockoutState};

use super::{Place, SECOND, attempt, clear, counted, lock, locked, locked_until, rules, rules_of};
use crate::context::Context;
use crate::fixtures::{NOW, TICK};
use crate::ledger::Ledger;
use crate::race::{count, race};

/// How many attempts a race begins with and how many its threshold has left.
fn split(cx: &Context, round: usize) -> (usize, usize) {
    let threshold = 5.min(cx.rounds.tasks - 1);
    let before = round % threshold;
    (before, threshold - before)
}

/// wrong guesses that arrive at once are judged as often as the threshold says, and no more.
pub(crate) async fn lockout_store_a_of_parallel_attempts_as_many_are_counted_as_the_threshold_has_left(
    cx: Context,
) {
    let s = cx.fresh().await;
    for round in 0..cx.rounds.races {
        let place = Place::new(&cx);
        let (before, left) = split(&cx, round);
        let rules = rules_of(before + left);
        for _ in 0..before {
            let _ = attempt(&cx, &s, &place, rules, NOW).await;
        }
        let ledger = Ledger::open(&s, &place.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, attempt) = (s.clone(), place.attempt(&cx, rules, NOW));
            async move { s.lockouts.attempt(attempt).await.unwrap() }
        })
        .await;
        let end = NOW + 10 * SECOND;
        let mut failures: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                AttemptOutcome::Counted {
                    failures,
                    locked_until,
                } => {
                    let is_last = *failures == rules.threshold();
                    assert_eq!(*locked_until, is_last.then_some(end), "{failures}");
                    Some(*failures)
                }
                AttemptOutcome::Locked { until } => {
                    assert_eq!(*until, end);
                    None
                }
            })
            .collect();
        failures.sort_unstable();
        let expected: Vec<_> = (1..=rules.threshold()).skip(before).collect();
        assert_eq!(failures, expected, "of {} attempts", cx.rounds.tasks);
        assert_eq!(ledger.events().await.len(), left + 1, "counts and a lock");
        assert_eq!(locked_until(&s, &place, NOW).await, Some(end));
    }
}

/// the moment at which a lock ends lets in no more than the next threshold.
pub(crate) async fn lockout_store_a_of_parallel_attempts_behind_a_lock_the_threshold_is_counted(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(4) {
        let place = Place::new(&cx);
        let end = lock(&cx, &s, &place, rules_of(1), NOW).await;
        let outcomes = race(cx.rounds.tasks, |task| {
            // Some of them come just before the end.
            let now = if task % 2 == 0 { end } else { end - TICK };
            let (s, attempt) = (s.clone(), place.attempt(&cx, rules_of(1), now));
            async move { s.lockouts.attempt(attempt).await.unwrap() }
        })
        .await;
        let next = end + 20 * SECOND;
        let won = count(&outcomes, |outcome| *outcome == counted(1, Some(next)));
        assert_eq!(won, 1, "{outcomes:?}");
        let early = count(&outcomes, |outcome| *outcome == locked(end));
        let late = count(&outcomes, |outcome| *outcome == locked(next));
        assert_eq!(early + late, cx.rounds.tasks - 1, "{outcomes:?}");
    }
}

///
pub(crate) async fn lockout_store_b_the_attempt_that_reaches_the_threshold_begins_a_lock(
    cx: Context,
) {
    let s = cx.fresh().await;
    for threshold in [1, 2, 5] {
        let (place, rules) = (Place::new(&cx), rules_of(threshold));
        // Each at an instant of its own: the lock counts from the last.
        for failures in 1..rules.threshold() {
            let now = NOW + failures * SECOND;
            let outcome = attempt(&cx, &s, &place, rules, now).await;
            assert_eq!(outcome, counted(failures, None));
            assert_eq!(locked_until(&s, &place, now).await, None);
        }
        let last = NOW + 20 * SECOND;
        let end = last + 10 * SECOND;
        let outcome = attempt(&cx, &s, &place, rules, last).await;
        assert_eq!(outcome, counted(rules.threshold(), Some(end)));
        assert_eq!(locked_until(&s, &place, last).await, Some(end));
    }
}

///
pub(crate) async fn lockout_store_b_an_attempt_is_locked_until_the_microsecond_of_the_end(
    cx: Context,
) {
    let s = cx.fresh().await;
    for behind in [TICK, Duration::ZERO] {
        let place = Place::new(&cx);
        let end = lock(&cx, &s, &place, rules(), NOW).await;
        let mut ledger = Ledger::open(&s, &place.tenant).await;
        for now in [NOW - SECOND, NOW, NOW + TICK, end - TICK] {
            let outcome = attempt(&cx, &s, &place, rules(), now).await;
            assert_eq!(outcome, locked(end), "{now}");
        }
        ledger.assert_nothing("attempts behind a lock").await;
        let outcome = attempt(&cx, &s, &place, rules(), end + behind).await;
        assert_eq!(outcome, counted(1, None), "{behind:?} behind the end");
        assert_eq!(locked_until(&s, &place, end + behind).await, None);
    }
}

///
pub(crate) async fn lockout_store_b_each_further_lock_lasts_longer_up_to_the_longest(cx: Context) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let mut now = NOW;
    for length in [10, 20, 35, 35] {
        let end = lock(&cx, &s, &place, rules(), now).await;
        assert_eq!(end, now + length * SECOND);
        assert_eq!(
            attempt(&cx, &s, &place, rules(), end - TICK).await,
            locked(end)
        );
        now = end;
    }
    // Who gets in clears it, and begins anew.
    assert!(clear(&cx, &s, &place.tenant, &[place.key]).await);
    let end = lock(&cx, &s, &place, rules(), now).await;
    assert_eq!(end, now + 10 * SECOND);
}

pub(crate) async fn lockout_store_b_what_stands_is_forgotten_from_the_microsecond_of_its_end_on(
    cx: Context,
) {
    let s = cx.fresh().await;
    for (early, late) in [(TICK, TICK), (SECOND, Duration::ZERO)] {
        // Behind an attempt.
        for (after, failures) in [(100 * SECOND - early, 3), (100 * SECOND + late, 1)] {
            let place = Place::new(&cx);
            for failures in [1, 2] {
                let outcome = attempt(&cx, &s, &place, rules(), NOW).await;
                assert_eq!(outcome, counted(failures, None));
            }
            let now = NOW + after;
            let lock = (failures == 3).then_some(now + 10 * SECOND);
            let outcome = attempt(&cx, &s, &place, rules(), now).await;
            assert_eq!(outcome, counted(failures, lock), "after {after:?}");
        }
        // Behind a lock: the next one is a second one, and then a first one again.
        for (after, length) in [(100 * SECOND - early, 20), (100 * SECOND + late, 10)] {
            let place = Place::new(&cx);
            let end = lock(&cx, &s, &place, rules(), NOW).await;
            let again = lock(&cx, &s, &place, rules(), end + after).await;
            assert_eq!(again, end + after + length * SECOND, "after {after:?}");
        }
    }
    // Each attempt begins the time anew.
    let place = Place::new(&cx);
    for (at, failures) in [(0, 1), (99, 2)] {
        let outcome = attempt(&cx, &s, &place, rules(), NOW + at * SECOND).await;
        assert_eq!(outcome, counted(failures, None));
    }
    let outcome = attempt(&cx, &s, &place, rules(), NOW + 198 * SECOND).await;
    assert_eq!(outcome, counted(3, Some(NOW + 208 * SECOND)));
}

///
pub(crate) async fn lockout_store_b_a_lock_for_good_lasts_until_it_is_cleared(cx: Context) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let for_good = LockoutRules::for_good(2).expect("2 is within bounds");
    let years = Duration::from_secs(100 * 365 * 86_400);
    assert_eq!(
        attempt(&cx, &s, &place, for_good, NOW).await,
        counted(1, None)
    );
    // Nothing is forgotten meanwhile.
    let now = NOW + years;
    let outcome = attempt(&cx, &s, &place, for_good, now).await;
    assert_eq!(outcome, counted(2, Some(Timestamp::MAX)));
    for now in [now, now + years, Timestamp::MAX - TICK] {
        // Other rules do not end it.
        for rules in [for_good, rules()] {
            let outcome = attempt(&cx, &s, &place, rules, now).await;
            assert_eq!(outcome, locked(Timestamp::MAX));
        }
        assert_eq!(locked_until(&s, &place, now).await, Some(Timestamp::MAX));
    }
    assert_eq!(s.lockouts.purge(Timestamp::MAX, 1000).await.unwrap(), 0);
    assert!(clear(&cx, &s, &place.tenant, &[place.key]).await);
    let outcome = attempt(&cx, &s, &place, for_good, now).await;
    assert_eq!(outcome, counted(1, None));
}

/// Attempts at random instants, under rules that change, are answered as by the rules alone (F-30: a clock may go back).
pub(crate) async fn lockout_store_b_attempts_are_answered_as_by_the_rules(cx: Context) {
    let s = cx.fresh().await;
    let all = [
        rules(),
        rules_of(1),
        rules_of(2),
        LockoutRules::new(2, SECOND, 3 * SECOND).expect("they are within bounds"),
        rules_of(4)
            .forget_after(2 * SECOND)
            .expect("it is within bounds"),
        LockoutRules::for_good(9).expect("9 is within bounds"),
    ];
    for sequence in 0..cx.rounds.sequences {
        let place = Place::new(&cx);
        let some = [all[sequence % all.len()], all[cx.fixtures.below(all.len())]];
        let (mut standing, mut now, mut made) = (None, NOW, Vec::new());
        for _ in 0..30 {
            let steps = [
                TICK,
                SECOND - TICK,
                SECOND,
                3 * SECOND,
                10 * SECOND,
                60 * SECOND,
            ];
            let step = steps[cx.fixtures.below(steps.len())];
            now = match cx.fixtures.below(8) {
                0 => now - step,
                1..4 => now,
                _ => now + step,
            };
            let rules = some[usize::from(cx.fixtures.below(4) == 0)];
            let (next, expected) = LockoutState::count(standing, rules, now);
            standing = next.or(standing);
            made.push((now, rules));
            let outcome = attempt(&cx, &s, &place, rules, now).await;
            assert_eq!(outcome, expected, "the last of {made:?}");
            let lock = standing.and_then(|state| state.lock_at(now));
            assert_eq!(locked_until(&s, &place, now).await, lock, "{made:?}");
        }
    }
}
