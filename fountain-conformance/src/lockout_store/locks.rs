//! D, E and G: looking at locks, clearing them, and keeping them apart.

use fountain_core::Tenant;
use fountain_core::audit::AuditAction;
use fountain_core::lockout::{BudgetOutcome, LockoutKey};

use super::{
    Place, SECOND, attempt, budget, clear, counted, exhausted, lock, locked, locked_until, rules,
    rules_of, take,
};
use crate::context::Context;
use crate::fixtures::{NOW, TICK};
use crate::hostile;
use crate::ledger::Ledger;
use crate::race::{count, race};

pub(crate) async fn lockout_store_d_locked_until_is_the_latest_end_among_the_keys(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let places: Vec<_> = (0..4)
        .map(|_| Place {
            tenant: tenant.clone(),
            ..Place::new(&cx)
        })
        .collect();
    let [long, short, open, unknown] = [0, 1, 2, 3].map(|at: usize| &places[at]);
    let early = lock(&cx, &s, short, rules(), NOW).await;
    let late = lock(&cx, &s, long, rules(), NOW + SECOND).await;
    let outcome = attempt(&cx, &s, open, rules(), NOW).await;
    assert_eq!(outcome, counted(1, None));
    let look = async |places: &[&Place], now| {
        let keys: Vec<_> = places.iter().map(|place| place.key).collect();
        let look = s.lockouts.locked_until(&tenant, &keys, now);
        look.await.unwrap()
    };
    let now = NOW + 2 * SECOND;
    for (places, expected) in [
        (&[long, short, open, unknown][..], Some(late)),
        (&[unknown, open, short, long], Some(late)),
        (&[short, short, open], Some(early)),
        (&[open, unknown], None),
    ] {
        assert_eq!(look(places, now).await, expected, "{places:?}");
    }
    for (now, expected) in [
        (early - TICK, Some(early)),
        (early, None),
        (early + TICK, None),
    ] {
        assert_eq!(look(&[short, open], now).await, expected, "at {now}");
        assert_eq!(look(&[short, long], now).await, Some(late), "at {now}");
    }
    assert_eq!(look(&[short, long], late).await, None);
    // Looking counts nothing and records nothing.
    let mut ledger = Ledger::open(&s, &tenant).await;
    assert_eq!(look(&[open], NOW).await, None);
    ledger.assert_nothing("looking at locks").await;
    let outcome = attempt(&cx, &s, open, rules(), NOW).await;
    assert_eq!(outcome, counted(2, None));
}

pub(crate) async fn lockout_store_e_clear_removes_all_that_was_counted_with_one_event(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let place = |_| Place {
        tenant: tenant.clone(),
        ..Place::new(&cx)
    };
    let [locked_one, open, other, unknown] = [0, 1, 2, 3].map(place);
    lock(&cx, &s, &locked_one, rules(), NOW).await;
    for place in [&open, &other] {
        for failures in [1, 2] {
            let outcome = attempt(&cx, &s, place, rules(), NOW).await;
            assert_eq!(outcome, counted(failures, None));
        }
    }
    let keys = [locked_one.key, unknown.key, open.key, open.key];
    let mut ledger = Ledger::open(&s, &tenant).await;
    let event = cx.fixtures.event(&tenant, AuditAction::LockCleared);
    let cleared = s.lockouts.clear(&tenant, &keys, event.clone()).await;
    assert!(cleared.unwrap());
    ledger.assert_recorded("clearing", &[event], &[]).await;
    assert!(!clear(&cx, &s, &tenant, &keys).await, "there is nothing");
    assert!(!clear(&cx, &s, &tenant, &[unknown.key]).await);
    ledger.assert_nothing("clearing what is not there").await;

    assert_eq!(locked_until(&s, &locked_one, NOW).await, None);
    for place in [&locked_one, &open] {
        let outcome = attempt(&cx, &s, place, rules(), NOW).await;
        assert_eq!(outcome, counted(1, None), "it begins anew");
    }
    // The number of locks was cleared as well, and another key's count was not.
    let again = Place {
        tenant: tenant.clone(),
        key: locked_one.key,
    };
    assert!(clear(&cx, &s, &tenant, &[again.key]).await);
    let end = lock(&cx, &s, &again, rules(), NOW).await;
    assert_eq!(end, NOW + 10 * SECOND);
    let outcome = attempt(&cx, &s, &other, rules(), NOW).await;
    assert_eq!(outcome, counted(3, Some(NOW + 10 * SECOND)));
}

///
pub(crate) async fn lockout_store_e_of_parallel_clears_exactly_one_finds_something(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let place = Place::new(&cx);
        let second = cx.fixtures.lockout_key();
        lock(&cx, &s, &place, rules_of(1), NOW).await;
        let ledger = Ledger::open(&s, &place.tenant).await;
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, place) = (s.clone(), place.clone());
            let event = cx.fixtures.event(&place.tenant, AuditAction::LockCleared);
            // Named in either order: two that hold one and wait for the other must not wait for ever.
            let mut keys = [place.key, second];
            if task % 2 == 0 {
                keys.reverse();
            }
            async move {
                let clear = s.lockouts.clear(&place.tenant, &keys, event);
                clear.await.unwrap()
            }
        })
        .await;
        assert_eq!(count(&outcomes, |cleared| *cleared), 1);
        assert_eq!(ledger.events().await.len(), 1, "events of one clearing");
    }
}

/// B-62: a lock that is cleared gives nobody another code.
pub(crate) async fn lockout_store_e_what_was_taken_stays_taken_when_it_is_cleared(cx: Context) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let budgets = [budget(place.key, 1, 60 * SECOND)];
    let outcome = take(&cx, &s, &place.tenant, &budgets, NOW).await;
    assert_eq!(outcome, BudgetOutcome::Taken);
    assert!(!clear(&cx, &s, &place.tenant, &[place.key]).await);
    lock(&cx, &s, &place, rules(), NOW).await;
    assert!(clear(&cx, &s, &place.tenant, &[place.key]).await);
    let outcome = take(&cx, &s, &place.tenant, &budgets, NOW).await;
    assert_eq!(outcome, exhausted(NOW + 60 * SECOND));
}

/// R-83, B-78
pub(crate) async fn lockout_store_g_keys_and_tenants_are_never_taken_for_each_other(cx: Context) {
    let s = cx.fresh().await;
    let key = cx.fixtures.lockout_key();
    let mut places: Vec<_> = hostile::tenants()
        .into_iter()
        .map(|tenant| Place { tenant, key })
        .collect();
    // Digests that differ in one bit, or read alike where a zero ends a text.
    let tenant: Tenant = cx.fixtures.tenant();
    for at in [0, 1, 15, 16, 31] {
        for (fill, byte) in [(0, 1), (0, 0x80), (0xff, 0), (b'a', b'A')] {
            let mut bytes = [fill; 32];
            bytes[at] = byte;
            places.push(Place {
                tenant: tenant.clone(),
                key: LockoutKey::new(fountain_core::Digest::from_bytes(bytes)),
            });
        }
    }
    let budget = |place: &Place| [budget(place.key, 1, 60 * SECOND)];
    for (at, place) in places.iter().enumerate() {
        let outcome = attempt(&cx, &s, place, rules(), NOW).await;
        assert_eq!(outcome, counted(1, None), "{place:?}");
        if at % 3 == 0 {
            let outcome = attempt(&cx, &s, place, rules(), NOW).await;
            assert_eq!(outcome, counted(2, None), "{place:?}");
        }
        let taken = take(&cx, &s, &place.tenant, &budget(place), NOW).await;
        assert_eq!(taken, BudgetOutcome::Taken, "{place:?}");
    }
    for place in places.iter().skip(1).step_by(3) {
        assert!(clear(&cx, &s, &place.tenant, &[place.key]).await);
    }
    let end = NOW + 10 * SECOND;
    for (at, place) in places.iter().enumerate() {
        let expected = [counted(3, Some(end)), counted(1, None), counted(2, None)];
        let outcome = attempt(&cx, &s, place, rules(), NOW).await;
        assert_eq!(outcome, expected[at % 3], "{place:?}");
        let is_locked = (at % 3 == 0).then_some(end);
        assert_eq!(locked_until(&s, place, NOW).await, is_locked, "{place:?}");
        let taken = take(&cx, &s, &place.tenant, &budget(place), NOW).await;
        assert_eq!(taken, exhausted(NOW + 60 * SECOND), "{place:?}");
    }
}

pub(crate) async fn lockout_store_g_attempts_and_budgets_do_not_share_their_counts(cx: Context) {
    let s = cx.fresh().await;
    let place = Place::new(&cx);
    let budgets = [budget(place.key, 2, 60 * SECOND)];
    for failures in [1, 2] {
        let outcome = attempt(&cx, &s, &place, rules(), NOW).await;
        assert_eq!(outcome, counted(failures, None));
        let taken = take(&cx, &s, &place.tenant, &budgets, NOW).await;
        assert_eq!(taken, BudgetOutcome::Taken);
    }
    let end = NOW + 10 * SECOND;
    let outcome = attempt(&cx, &s, &place, rules(), NOW).await;
    assert_eq!(outcome, counted(3, Some(end)));
    assert_eq!(
        take(&cx, &s, &place.tenant, &budgets, NOW).await,
        exhausted(NOW + 60 * SECOND)
    );
    // A lock does not keep from taking, nor a budget that is used up from being judged.
    let more = [budget(place.key, 3, 60 * SECOND)];
    let taken = take(&cx, &s, &place.tenant, &more, NOW).await;
    assert_eq!(taken, BudgetOutcome::Taken);
    let outcome = attempt(&cx, &s, &place, rules(), NOW).await;
    assert_eq!(outcome, locked(end));
}
