//! G: recovery codes.

use fountain_core::audit::AuditAction;
use fountain_core::{Digest, StoreErrorKind};

use super::{Owner, codes_left, replace_codes, take_code};
use crate::context::Context;
use crate::ledger::Ledger;
use crate::race::{count, race};

fn owner(cx: &Context) -> Owner {
    (cx.fixtures.tenant(), cx.fixtures.subject())
}

fn codes(cx: &Context, count: usize) -> Vec<Digest> {
    (0..count).map(|_| cx.fixtures.digest()).collect()
}

///
pub(crate) async fn factor_store_g_a_recovery_code_is_taken_once_and_says_how_many_are_left(
    cx: Context,
) {
    let s = cx.fresh().await;
    let owner = owner(&cx);
    assert_eq!(codes_left(&s, &owner).await, 0);
    assert_eq!(
        take_code(&cx, &s, &owner, &cx.fixtures.digest()).await,
        None
    );
    let all = codes(&cx, 20);
    replace_codes(&cx, &s, &owner, &all).await;
    assert_eq!(codes_left(&s, &owner).await, 20);
    // Not in the order in which they were given.
    let (even, odd): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    for (left, (_, code)) in (0..20).rev().zip(odd.iter().chain(&even)) {
        let mut ledger = Ledger::open(&s, &owner.0).await;
        let event = cx.fixtures.event(&owner.0, AuditAction::RecoveryCodeUsed);
        let take = s
            .factors
            .take_recovery_code(&owner.0, &owner.1, code, event.clone());
        assert_eq!(take.await.unwrap(), Some(left));
        ledger.assert_recorded("a code", &[event], &[]).await;
        assert_eq!(take_code(&cx, &s, &owner, code).await, None, "once");
        let unknown = cx.fixtures.digest();
        assert_eq!(take_code(&cx, &s, &owner, &unknown).await, None);
        ledger.assert_nothing("codes that are not there").await;
        assert_eq!(codes_left(&s, &owner).await, left);
    }
}

/// B-65
pub(crate) async fn factor_store_g_replacing_takes_every_older_recovery_code_away(cx: Context) {
    let s = cx.fresh().await;
    let owner = owner(&cx);
    let mut older: Vec<Digest> = Vec::new();
    for count in [10_u32, 3, 20, 1, 0, 2] {
        let new = codes(&cx, usize::try_from(count).expect("it is small"));
        let mut ledger = Ledger::open(&s, &owner.0).await;
        let event = cx
            .fixtures
            .event(&owner.0, AuditAction::RecoveryCodesReplaced);
        let replace = s
            .factors
            .replace_recovery_codes(&owner.0, &owner.1, &new, event.clone());
        replace.await.unwrap();
        ledger.assert_recorded("replacing", &[event], &[]).await;
        assert_eq!(codes_left(&s, &owner).await, count);
        for code in &older {
            let taken = take_code(&cx, &s, &owner, code).await;
            assert_eq!(taken, None, "an older code is good");
        }
        assert_eq!(codes_left(&s, &owner).await, count);
        ledger.assert_nothing("older codes").await;
        // One of them is used: replaced, it is gone as the others are.
        if let Some(code) = new.first() {
            let taken = take_code(&cx, &s, &owner, code).await;
            assert_eq!(taken, Some(count - 1));
        }
        older.extend(new);
    }
    // The same ones once more: a used one is good again, since who gives them means them.
    let same = &older[older.len() - 2..];
    replace_codes(&cx, &s, &owner, same).await;
    assert_eq!(codes_left(&s, &owner).await, 2);
    assert_eq!(take_code(&cx, &s, &owner, &same[0]).await, Some(1));
}

pub(crate) async fn factor_store_g_more_than_20_recovery_codes_are_a_conflict_that_changes_nothing(
    cx: Context,
) {
    let s = cx.fresh().await;
    let owner = owner(&cx);
    let old = codes(&cx, 2);
    replace_codes(&cx, &s, &owner, &old).await;
    let mut ledger = Ledger::open(&s, &owner.0).await;
    for count in [21, 100] {
        let event = cx
            .fixtures
            .event(&owner.0, AuditAction::RecoveryCodesReplaced);
        let many = codes(&cx, count);
        let replace = s
            .factors
            .replace_recovery_codes(&owner.0, &owner.1, &many, event);
        let refused = replace.await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Conflict);
        assert_eq!(codes_left(&s, &owner).await, 2);
        assert_eq!(take_code(&cx, &s, &owner, &many[0]).await, None);
    }
    ledger.assert_nothing("too many codes").await;
    assert_eq!(take_code(&cx, &s, &owner, &old[0]).await, Some(1));
}

///
pub(crate) async fn factor_store_g_of_parallel_takes_of_one_recovery_code_exactly_one_takes_it(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let owner = owner(&cx);
        let all = codes(&cx, 3);
        replace_codes(&cx, &s, &owner, &all).await;
        let ledger = Ledger::open(&s, &owner.0).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, owner, code) = (s.clone(), owner.clone(), all[1]);
            let event = cx.fixtures.event(&owner.0, AuditAction::RecoveryCodeUsed);
            async move {
                let take = s
                    .factors
                    .take_recovery_code(&owner.0, &owner.1, &code, event);
                take.await.unwrap()
            }
        })
        .await;
        assert_eq!(count(&outcomes, |left| *left == Some(2)), 1);
        assert_eq!(
            count(&outcomes, Option::is_none),
            cx.rounds.tasks - 1,
            "{outcomes:?}"
        );
        assert_eq!(ledger.events().await.len(), 1, "events of one code");
        assert_eq!(codes_left(&s, &owner).await, 2);
    }
}

/// of different codes each is taken, and the numbers left are all of them.
pub(crate) async fn factor_store_g_of_parallel_takes_of_different_recovery_codes_each_takes_its_own(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(4) {
        let owner = owner(&cx);
        let tasks = cx.rounds.tasks.min(20);
        let all = codes(&cx, tasks);
        replace_codes(&cx, &s, &owner, &all).await;
        let outcomes = race(tasks, |task| {
            let (s, owner, code) = (s.clone(), owner.clone(), all[task]);
            let event = cx.fixtures.event(&owner.0, AuditAction::RecoveryCodeUsed);
            async move {
                let take = s
                    .factors
                    .take_recovery_code(&owner.0, &owner.1, &code, event);
                take.await.unwrap()
            }
        })
        .await;
        let mut left: Vec<_> = outcomes.into_iter().flatten().collect();
        left.sort_unstable();
        let expected: Vec<_> = (0..).take(tasks).collect();
        assert_eq!(left, expected, "what was said to be left");
        assert_eq!(codes_left(&s, &owner).await, 0);
    }
}

/// B-65: once codes were replaced no older one is good, whoever tries it meanwhile.
pub(crate) async fn factor_store_g_a_replacement_leaves_no_older_recovery_code_to_a_race(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let owner = owner(&cx);
        let (old, new) = (codes(&cx, 10), codes(&cx, 5));
        replace_codes(&cx, &s, &owner, &old).await;
        let ledger = Ledger::open(&s, &owner.0).await;
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, owner, new) = (s.clone(), owner.clone(), new.clone());
            let code = old[task % old.len()];
            let used = cx.fixtures.event(&owner.0, AuditAction::RecoveryCodeUsed);
            let replaced = cx
                .fixtures
                .event(&owner.0, AuditAction::RecoveryCodesReplaced);
            let is_replacing = task == cx.rounds.tasks / 2;
            async move {
                if is_replacing {
                    s.factors
                        .replace_recovery_codes(&owner.0, &owner.1, &new, replaced)
                        .await
                        .unwrap();
                    return None;
                }
                let take = s
                    .factors
                    .take_recovery_code(&owner.0, &owner.1, &code, used);
                take.await.unwrap()
            }
        })
        .await;
        let events = ledger.events().await;
        let actions: Vec<_> = events.iter().map(|event| event.action).collect();
        let at = actions
            .iter()
            .position(|action| *action == AuditAction::RecoveryCodesReplaced);
        let at = at.expect("the replacement is recorded");
        assert_eq!(at + 1, actions.len(), "an older code was taken behind it");
        // Before it they count down from ten.
        let mut left: Vec<_> = outcomes.into_iter().flatten().collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        let expected: Vec<_> = (0..10).rev().take(at).collect();
        assert_eq!(left, expected);
        assert_eq!(codes_left(&s, &owner).await, 5);
    }
}
