//! C, F and I: what attempts and takes leave behind, also when nobody waits for their answer.

use fountain_core::audit::AuditAction;
use fountain_core::lockout::{AttemptOutcome, BudgetOutcome, LockoutAttempt};

use super::{
    Place, SECOND, attempt, budget, clear, counted, exhausted, issued, lock, locked, rules,
    rules_of, take,
};
use crate::context::Context;
use crate::fixtures::NOW;
use crate::ledger::Ledger;
use crate::race::drop_after;

///
pub(crate) async fn lockout_store_c_a_count_and_a_lock_have_an_event_each(cx: Context) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let mut ledger = Ledger::open(&s, &place.tenant).await;
    let mut now = NOW;
    for lock in [10, 20] {
        for failures in 1..=3 {
            let attempt = place.attempt(&cx, rules(), now);
            let mut events = vec![attempt.on_counted.clone()];
            let end = (failures == 3).then(|| now + lock * SECOND);
            if end.is_some() {
                events.push(attempt.on_locked.clone());
            }
            let outcome = s.lockouts.attempt(attempt).await.unwrap();
            assert_eq!(outcome, counted(failures, end));
            ledger.assert_recorded("an attempt", &events, &[]).await;
        }
        let end = now + lock * SECOND;
        assert_eq!(attempt(&cx, &s, &place, rules(), now).await, locked(end));
        ledger.assert_nothing("an attempt behind a lock").await;
        now = end;
    }
}

/// an attempt that nobody waits for is counted with its event, or neither; one that was answered stays counted.
pub(crate) async fn lockout_store_c_a_dropped_attempt_is_counted_with_its_event_or_not_at_all(
    cx: Context,
) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls {
        let place = Place::new(&cx);
        let rules = rules_of(10);
        let attempt: LockoutAttempt = place.attempt(&cx, rules, NOW);
        let event = attempt.on_counted.clone();
        let ledger = Ledger::open(&s, &place.tenant).await;
        let ended = drop_after(polls, s.lockouts.attempt(attempt)).await;
        let ended = ended.map(Result::unwrap);
        assert!(ended.is_none_or(|ended| ended == counted(1, None)));
        // It may still be under way: what was there before the next attempt is counted by it, and what that has counted
        // is there behind it.
        let early = ledger.events().await.contains(&event);
        let next = super::attempt(&cx, &s, &place, rules, NOW).await;
        let late = ledger.events().await.contains(&event);
        let AttemptOutcome::Counted {
            failures,
            locked_until: None,
        } = next
        else {
            panic!("the second of ten attempts is {next:?}");
        };
        assert!((1..=2).contains(&failures), "{failures} of two");
        assert!(early || ended.is_none(), "counted, its event is not there");
        assert!(failures == 2 || !early, "the event is there, no count is");
        assert!(
            failures == 1 || late,
            "it was counted, its event is not there"
        );
    }
}

///
pub(crate) async fn lockout_store_f_a_dropped_take_is_taken_with_its_event_or_not_at_all(
    cx: Context,
) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls {
        let tenant = cx.fixtures.tenant();
        let budgets = [0, 1, 2].map(|_| budget(cx.fixtures.lockout_key(), 1, 60 * SECOND));
        let event = issued(&cx, &tenant);
        let ledger = Ledger::open(&s, &tenant).await;
        let call = s.lockouts.take(&tenant, &budgets, NOW, event.clone());
        let ended = drop_after(polls, call).await.map(Result::unwrap);
        assert!(ended.is_none_or(|ended| ended == BudgetOutcome::Taken));
        let mut early = ledger.events().await.contains(&event);
        assert!(early || ended.is_none(), "taken, its event is not there");
        for budget in budgets {
            let next = take(&cx, &s, &tenant, &[budget], NOW).await;
            let late = ledger.events().await.contains(&event);
            let is_taken = next == exhausted(NOW + 60 * SECOND);
            assert!(is_taken || next == BudgetOutcome::Taken, "{next:?}");
            assert!(is_taken || !early, "of this key nothing was taken");
            assert!(!is_taken || late, "of this key alone one was taken");
            // From here on the dropped call finds nothing left of this key.
            early = is_taken;
        }
    }
}

/// Nothing that this store holds is in anybody's cache.
pub(crate) async fn lockout_store_i_nothing_is_in_the_change_feed(cx: Context) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let ledger = Ledger::open(&s, &place.tenant).await;
    let end = lock(&cx, &s, &place, rules(), NOW).await;
    assert_eq!(attempt(&cx, &s, &place, rules(), NOW).await, locked(end));
    let budgets = [budget(place.key, 1, SECOND)];
    for expected in [BudgetOutcome::Taken, exhausted(NOW + SECOND)] {
        assert_eq!(take(&cx, &s, &place.tenant, &budgets, NOW).await, expected);
    }
    assert!(clear(&cx, &s, &place.tenant, &[place.key]).await);
    assert_eq!(
        attempt(&cx, &s, &place, rules(), NOW).await,
        counted(1, None)
    );
    assert_eq!(s.lockouts.purge(NOW + 500 * SECOND, 9).await.unwrap(), 2);
    assert_eq!(ledger.changes().await, []);
    // It was seen by a ledger that sees the events of the same calls.
    let actions: Vec<_> = ledger.events().await.iter().map(|e| e.action).collect();
    let counted = AuditAction::AttemptCounted;
    assert_eq!(
        actions,
        [
            counted,
            counted,
            counted,
            AuditAction::Locked,
            AuditAction::CodeIssued,
            AuditAction::LockCleared,
            counted
        ]
    );
}
