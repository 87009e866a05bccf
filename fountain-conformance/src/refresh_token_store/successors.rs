//! C: a successor that is not new.

use fountain_core::token::{RefreshOutcome, RefreshTokenRecord, RefreshUse};
use fountain_core::{Digest, StoreErrorKind};

use super::{assert_conflict, find, is_live, rotate};
use crate::context::Context;
use crate::fixtures::{DAY, NOW};
use crate::mutation::{family_is_revoked, stored_family};
use crate::race::{count, race};

/// The attempt, offering a token that exists.
fn offering(digest: Digest, attempt: RefreshUse) -> RefreshUse {
    RefreshUse {
        successor: RefreshTokenRecord {
            digest,
            ..attempt.successor
        },
        ..attempt
    }
}

pub(crate) async fn refresh_token_store_c_a_successor_that_exists_in_any_tenant_is_a_conflict_that_changes_nothing(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let live = rotate(&cx, &s, &family, first.digest)
        .await
        .successor
        .digest;
    let (theirs, their_first) = stored_family(&cx, &s).await;
    let their_live = rotate(&cx, &s, &theirs, their_first.digest)
        .await
        .successor
        .digest;
    for (taken, why) in [
        (live, "the token itself"),
        (first.digest, "its parent"),
        (their_first.digest, "another tenant's spent token"),
        (their_live, "another tenant's live token"),
    ] {
        let attempt = offering(taken, cx.fixtures.use_of(&family, live));
        assert_conflict(&s, &family, attempt, why).await;
        assert!(is_live(&s, &family, &live, NOW).await, "{why}");
        assert!(is_live(&s, &theirs, &their_live, NOW).await, "{why}");
        assert!(
            !is_live(&s, &theirs, &their_first.digest, NOW).await,
            "{why}"
        );
    }
    // What was spent still has the successor that it had, and the live token goes on.
    let repeated = s
        .refresh
        .use_token(cx.fixtures.use_of(&theirs, their_first.digest))
        .await
        .unwrap();
    assert!(matches!(repeated, RefreshOutcome::Repeated { .. }));
    rotate(&cx, &s, &family, live).await;
}

/// whoever presents a token that is no good learns nothing of what exists, and reuse is never missed.
pub(crate) async fn refresh_token_store_c_every_other_check_comes_before_the_successors(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (_, taken) = stored_family(&cx, &s).await;
    let (family, first) = stored_family(&cx, &s).await;
    let taken = |attempt| offering(taken.digest, attempt);
    let judge = async |attempt: RefreshUse| s.refresh.use_token(taken(attempt)).await.unwrap();

    let never = cx.fixtures.use_of(&family, cx.fixtures.digest());
    assert_eq!(judge(never).await, RefreshOutcome::Unknown);
    let mismatched = RefreshUse {
        client: cx.fixtures.client(),
        ..cx.fixtures.use_of(&family, first.digest)
    };
    assert_eq!(judge(mismatched).await, RefreshOutcome::Mismatched);
    let late = RefreshUse {
        now: first.expires_at,
        ..cx.fixtures.use_of(&family, first.digest)
    };
    assert_eq!(judge(late).await, RefreshOutcome::Expired);

    let rotated = rotate(&cx, &s, &family, first.digest).await;
    let again = cx.fixtures.use_of(&family, first.digest);
    let repeated = RefreshOutcome::Repeated {
        family: family.clone(),
        sealed_successor: rotated.sealed_successor,
    };
    assert_eq!(judge(again).await, repeated);
    let reused = RefreshUse {
        now: NOW + DAY,
        ..cx.fixtures.use_of(&family, first.digest)
    };
    let outcome = judge(reused).await;
    assert!(
        matches!(outcome, RefreshOutcome::Reused { .. }),
        "{outcome:?}"
    );
    assert!(family_is_revoked(&s, &family).await);
    let revoked = cx.fixtures.use_of(&family, rotated.successor.digest);
    assert_eq!(judge(revoked).await, RefreshOutcome::Revoked);
}

///
pub(crate) async fn refresh_token_store_c_of_parallel_uses_that_offer_one_successor_exactly_one_rotates(
    cx: Context,
) {
    let s = cx.fresh().await;
    // Dear for what a round proves: a tenth of the rounds, but never so few that a race can be lost by chance.
    for _ in 0..cx.rounds.races.div_ceil(10).max(cx.rounds.races.min(10)) {
        let mut families = Vec::new();
        for _ in 0..cx.rounds.tasks.min(16) {
            families.push(stored_family(&cx, &s).await);
        }
        let offered = cx.fixtures.digest();
        let outcomes = race(families.len(), |task| {
            let (s, (family, first)) = (s.clone(), &families[task]);
            let attempt = offering(offered, cx.fixtures.use_of(family, first.digest));
            async move { (task, s.refresh.use_token(attempt).await) }
        })
        .await;
        let won = |outcome: &Result<_, _>| matches!(outcome, Ok(RefreshOutcome::Rotated { .. }));
        assert_eq!(count(&outcomes, |(_, outcome)| won(outcome)), 1);
        for (task, outcome) in &outcomes {
            let ((family, first), won) = (&families[*task], won(outcome));
            if !won {
                let refused = outcome.as_ref().unwrap_err();
                assert_eq!(refused.kind(), StoreErrorKind::Conflict);
            }
            assert_eq!(is_live(&s, family, &first.digest, NOW).await, !won);
            assert_eq!(find(&s, family, &offered, NOW).await.is_some(), won);
        }
    }
}
