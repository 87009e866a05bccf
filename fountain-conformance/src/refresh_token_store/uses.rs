//! B, C and F: the use of a token.

use std::time::Duration;

use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshUse, RevokeOutcome,
};

use super::{assert_unchanged, find, is_live, revoke_family, rotate};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};
use crate::mutation::{family_is_revoked, store_family, stored_family};
use crate::race::{count, race};

///
pub(crate) async fn refresh_token_store_b_a_live_token_is_spent_and_its_successor_is_live(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let mut token = first.digest;
    for _ in 0..4 {
        let attempt = rotate(&cx, &s, &family, token).await;
        assert!(
            !is_live(&s, &family, &token, NOW).await,
            "the parent is still live"
        );
        assert!(is_live(&s, &family, &attempt.successor.digest, NOW).await);
        let standing = find(&s, &family, &attempt.successor.digest, NOW).await;
        assert_eq!(
            standing,
            Some((family.clone(), true)),
            "rotation changes no family"
        );
        token = attempt.successor.digest;
    }
    assert!(!family_is_revoked(&s, &family).await);
}

///
pub(crate) async fn refresh_token_store_b_of_parallel_uses_exactly_one_rotates_and_the_others_repeat_it(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let (family, first) = stored_family(&cx, &s).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let s = s.clone();
            let attempt = cx.fixtures.use_of(&family, first.digest);
            async move {
                let offered = (attempt.successor.digest, attempt.sealed_successor.clone());
                (s.refresh.use_token(attempt).await.unwrap(), offered)
            }
        })
        .await;
        let rotated = |outcome: &RefreshOutcome| matches!(outcome, RefreshOutcome::Rotated { .. });
        let winners: Vec<_> = outcomes
            .iter()
            .filter(|(outcome, _)| rotated(outcome))
            .collect();
        let [(_, (winner, sealed))] = winners.as_slice() else {
            panic!("{} of {} uses rotated", winners.len(), outcomes.len());
        };
        for (outcome, (offered, _)) in &outcomes {
            let live = find(&s, &family, offered, NOW)
                .await
                .is_some_and(|(_, live)| live);
            assert_eq!(
                live,
                offered == winner,
                "a child that is not the winner's is live"
            );
            if !rotated(outcome) {
                let repeated = RefreshOutcome::Repeated {
                    family: family.clone(),
                    sealed_successor: sealed.clone(),
                };
                assert_eq!(*outcome, repeated);
            }
        }
        assert!(!is_live(&s, &family, &first.digest, NOW).await);
    }
}

///
pub(crate) async fn refresh_token_store_b_of_parallel_uses_without_a_grace_one_rotates_and_one_ends_the_family(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let (family, first) = stored_family(&cx, &s).await;
        let mut offered = vec![first.digest];
        let outcomes = race(cx.rounds.tasks, |_| {
            let s = s.clone();
            let attempt = RefreshUse {
                grace: Duration::ZERO,
                ..cx.fixtures.use_of(&family, first.digest)
            };
            offered.push(attempt.successor.digest);
            async move { s.refresh.use_token(attempt).await.unwrap() }
        })
        .await;
        let rotated = count(&outcomes, |o| matches!(o, RefreshOutcome::Rotated { .. }));
        let reused = count(&outcomes, |o| matches!(o, RefreshOutcome::Reused { .. }));
        let revoked = count(&outcomes, |o| *o == RefreshOutcome::Revoked);
        assert_eq!(
            (rotated, reused, revoked),
            (1, 1, cx.rounds.tasks - 2),
            "{outcomes:?}"
        );
        for token in &offered {
            let live = find(&s, &family, token, NOW)
                .await
                .is_some_and(|(_, live)| live);
            assert!(!live, "a token of an ended family is live");
        }
        assert!(family_is_revoked(&s, &family).await);
    }
}

/// whatever was presented in whatever order, at most one token of a family is live.
pub(crate) async fn refresh_token_store_b_no_family_ever_has_two_live_tokens(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.sequences.div_ceil(10) {
        let (family, first) = stored_family(&cx, &s).await;
        let mut tokens = vec![first.digest];
        for step in 0..12_u32 {
            let presented = tokens[cx.fixtures.below(tokens.len())];
            let attempt = RefreshUse {
                now: NOW + step * Duration::from_secs(4),
                ..cx.fixtures.use_of(&family, presented)
            };
            tokens.push(attempt.successor.digest);
            s.refresh.use_token(attempt).await.unwrap();
            let mut live = 0;
            for token in &tokens {
                let found = find(&s, &family, token, NOW).await;
                live += usize::from(found.is_some_and(|(_, live)| live));
            }
            assert!(live <= 1, "{live} tokens of one family are live");
        }
    }
}

/// R-44, B-66
pub(crate) async fn refresh_token_store_c_the_checks_come_in_order(cx: Context) {
    let s = cx.fresh().await;
    let wrong = |attempt: RefreshUse| RefreshUse {
        client: cx.fixtures.client(),
        ..attempt
    };

    // Another tenant's token is unknown, and so is one that never was, whatever else is wrong.
    let (family, first) = stored_family(&cx, &s).await;
    let foreign = RefreshUse {
        tenant: cx.fixtures.tenant(),
        ..cx.fixtures.use_of(&family, first.digest)
    };
    assert_unchanged(&s, &family, foreign.clone(), RefreshOutcome::Unknown).await;
    assert_unchanged(&s, &family, wrong(foreign), RefreshOutcome::Unknown).await;
    let never = cx.fixtures.use_of(&family, cx.fixtures.digest());
    assert_unchanged(&s, &family, never, RefreshOutcome::Unknown).await;

    // Mismatched comes last.
    let live = cx.fixtures.use_of(&family, first.digest);
    assert_unchanged(&s, &family, wrong(live.clone()), RefreshOutcome::Mismatched).await;
    let binding = RefreshUse {
        binding: Some(cx.fixtures.digest()),
        ..live
    };
    assert_unchanged(&s, &family, binding, RefreshOutcome::Mismatched).await;

    // Expired comes before it.
    let late = RefreshUse {
        now: first.expires_at,
        ..cx.fixtures.use_of(&family, first.digest)
    };
    assert_unchanged(&s, &family, wrong(late.clone()), RefreshOutcome::Expired).await;
    assert_unchanged(&s, &family, late.clone(), RefreshOutcome::Expired).await;

    // Revoked comes before spent, expired and mismatched.
    let spent = rotate(&cx, &s, &family, first.digest).await;
    assert_eq!(
        revoke_family(&cx, &s, &family, NOW).await,
        RevokeOutcome::Revoked
    );
    for token in [first.digest, spent.successor.digest] {
        for at in [NOW, first.expires_at] {
            let attempt = RefreshUse {
                now: at,
                ..cx.fixtures.use_of(&family, token)
            };
            assert_unchanged(&s, &family, attempt.clone(), RefreshOutcome::Revoked).await;
            assert_unchanged(&s, &family, wrong(attempt), RefreshOutcome::Revoked).await;
        }
    }
}

/// a family that is bound to a key is not used without it, or with another.
pub(crate) async fn refresh_token_store_c_a_bound_family_is_used_with_its_binding_only(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = (
        RefreshFamily {
            binding: Some(cx.fixtures.digest()),
            ..cx.fixtures.family(&cx.fixtures.tenant())
        },
        cx.fixtures.refresh_token(),
    );
    store_family(&cx, &s, &family, &first).await;
    for binding in [None, Some(cx.fixtures.digest())] {
        let attempt = RefreshUse {
            binding,
            ..cx.fixtures.use_of(&family, first.digest)
        };
        assert_unchanged(&s, &family, attempt, RefreshOutcome::Mismatched).await;
    }
    rotate(&cx, &s, &family, first.digest).await;
}

///
pub(crate) async fn refresh_token_store_c_a_spent_token_is_judged_by_the_evidence_even_when_it_has_expired(
    cx: Context,
) {
    let s = cx.fresh().await;
    for (after, repeated) in [(Duration::from_secs(10), true), (DAY, false)] {
        let family = cx.fixtures.family(&cx.fixtures.tenant());
        let first = RefreshTokenRecord {
            expires_at: NOW + TICK,
            ..cx.fixtures.refresh_token()
        };
        store_family(&cx, &s, &family, &first).await;
        rotate(&cx, &s, &family, first.digest).await;
        let attempt = RefreshUse {
            now: NOW + after,
            ..cx.fixtures.use_of(&family, first.digest)
        };
        let outcome = s.refresh.use_token(attempt).await.unwrap();
        assert_eq!(
            matches!(outcome, RefreshOutcome::Repeated { .. }),
            repeated,
            "{outcome:?}"
        );
        assert_eq!(
            matches!(outcome, RefreshOutcome::Reused { .. }),
            !repeated,
            "{outcome:?}"
        );
    }
}

///
pub(crate) async fn refresh_token_store_f_a_token_is_expired_from_the_microsecond_of_its_end_on(
    cx: Context,
) {
    let s = cx.fresh().await;
    // Its own end first, then its family's.
    for (own, familys) in [(NOW, NOW + DAY), (NOW, NOW), (NOW + DAY, NOW)] {
        let family = RefreshFamily {
            expires_at: familys,
            ..cx.fixtures.family(&cx.fixtures.tenant())
        };
        let first = RefreshTokenRecord {
            expires_at: own,
            ..cx.fixtures.refresh_token()
        };
        store_family(&cx, &s, &family, &first).await;
        for at in [NOW, NOW + TICK, NOW + 2 * DAY] {
            assert!(
                !is_live(&s, &family, &first.digest, at).await,
                "live at {at}"
            );
            let attempt = RefreshUse {
                now: at,
                ..cx.fixtures.use_of(&family, first.digest)
            };
            assert_unchanged(&s, &family, attempt, RefreshOutcome::Expired).await;
        }
        assert!(is_live(&s, &family, &first.digest, NOW - TICK).await);
        let attempt = RefreshUse {
            now: NOW - TICK,
            ..cx.fixtures.use_of(&family, first.digest)
        };
        let outcome = s.refresh.use_token(attempt).await.unwrap();
        assert_eq!(
            outcome,
            RefreshOutcome::Rotated { family },
            "one microsecond before"
        );
    }
}

///
pub(crate) async fn refresh_token_store_f_no_successor_outlives_the_family(cx: Context) {
    let s = cx.fresh().await;
    for (asked, end) in [
        (NOW + DAY - TICK, NOW + DAY - TICK),
        (NOW + DAY, NOW + DAY),
        (NOW + DAY + TICK, NOW + DAY),
        (NOW + 365 * DAY, NOW + DAY),
    ] {
        let family = RefreshFamily {
            expires_at: NOW + DAY,
            ..cx.fixtures.family(&cx.fixtures.tenant())
        };
        let first = cx.fixtures.refresh_token();
        store_family(&cx, &s, &family, &first).await;
        let mut attempt = cx.fixtures.use_of(&family, first.digest);
        attempt.successor.expires_at = asked;
        let successor = attempt.successor.digest;
        let outcome = s.refresh.use_token(attempt).await.unwrap();
        assert!(matches!(outcome, RefreshOutcome::Rotated { .. }));
        assert!(
            is_live(&s, &family, &successor, end - TICK).await,
            "asked for {asked}"
        );
        assert!(
            !is_live(&s, &family, &successor, end).await,
            "asked for {asked}"
        );
    }
}
