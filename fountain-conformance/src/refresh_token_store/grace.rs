//! D and E: a spent token that comes back.

use std::time::Duration;

use fountain_core::Timestamp;
use fountain_core::change::Change;
use fountain_core::token::{RefreshFamily, RefreshOutcome, RefreshUse};

use super::{assert_unchanged, find, is_live, rotate};
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::mutation::{family_is_revoked, key_of, store_family, stored_family};

/// Presents a spent token again, which must end the family.
async fn assert_ends(s: &Stores, family: &RefreshFamily, attempt: RefreshUse, why: &str) {
    let (now, presented) = (attempt.now, attempt.presented);
    let ended = RefreshFamily {
        revoked_at: Some(now),
        ..family.clone()
    };
    let outcome = s.refresh.use_token(attempt).await.unwrap();
    assert_eq!(
        outcome,
        RefreshOutcome::Reused {
            family: ended.clone()
        },
        "{why}"
    );
    assert_eq!(
        find(s, family, &presented, now).await,
        Some((ended, false)),
        "{why}"
    );
    assert!(family_is_revoked(s, family).await, "{why}");
}

///
pub(crate) async fn refresh_token_store_d_a_spent_token_gets_the_same_successor_until_the_grace_ends(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let attempt = rotate(&cx, &s, &family, first.digest).await;
    let grace = attempt.grace;
    let again = |now: Timestamp| RefreshUse {
        now,
        ..cx.fixtures.use_of(&family, first.digest)
    };
    for at in [NOW, NOW + TICK, NOW + grace - TICK, NOW + grace] {
        let repeated = RefreshOutcome::Repeated {
            family: family.clone(),
            sealed_successor: attempt.sealed_successor.clone(),
        };
        assert_unchanged(&s, &family, again(at), repeated).await;
        assert!(is_live(&s, &family, &attempt.successor.digest, at).await);
    }
    assert_ends(
        &s,
        &family,
        again(NOW + grace + TICK),
        "one microsecond after the grace",
    )
    .await;
}

/// a clock that is behind the one that saw the first use is no theft.
pub(crate) async fn refresh_token_store_d_an_instant_before_the_use_is_within_the_grace(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let attempt = rotate(&cx, &s, &family, first.digest).await;
    for at in [NOW - TICK, NOW - attempt.grace - TICK, NOW - DAY] {
        let again = RefreshUse {
            now: at,
            ..cx.fixtures.use_of(&family, first.digest)
        };
        let repeated = RefreshOutcome::Repeated {
            family: family.clone(),
            sealed_successor: attempt.sealed_successor.clone(),
        };
        assert_unchanged(&s, &family, again, repeated).await;
        assert!(is_live(&s, &family, &attempt.successor.digest, at).await);
    }
}

///
pub(crate) async fn refresh_token_store_d_without_a_grace_a_spent_token_never_comes_back(
    cx: Context,
) {
    let s = cx.fresh().await;
    for at in [NOW - TICK, NOW, NOW + TICK] {
        let (family, first) = stored_family(&cx, &s).await;
        rotate(&cx, &s, &family, first.digest).await;
        let attempt = RefreshUse {
            now: at,
            grace: Duration::ZERO,
            ..cx.fixtures.use_of(&family, first.digest)
        };
        assert_ends(&s, &family, attempt, "no grace").await;
    }
}

///
pub(crate) async fn refresh_token_store_d_only_the_parent_of_the_live_token_is_repeated(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let second = rotate(&cx, &s, &family, first.digest)
        .await
        .successor
        .digest;
    rotate(&cx, &s, &family, second).await;
    let attempt = cx.fixtures.use_of(&family, first.digest);
    assert_ends(&s, &family, attempt, "its successor is spent").await;

    // The successor lives shorter than the grace.
    let (family, first) = stored_family(&cx, &s).await;
    let mut attempt = cx.fixtures.use_of(&family, first.digest);
    attempt.successor.expires_at = NOW + Duration::from_secs(5);
    let end = attempt.successor.expires_at;
    s.refresh.use_token(attempt.clone()).await.unwrap();
    let repeated = RefreshOutcome::Repeated {
        family: family.clone(),
        sealed_successor: attempt.sealed_successor,
    };
    let again = |now| RefreshUse {
        now,
        ..cx.fixtures.use_of(&family, first.digest)
    };
    assert_unchanged(&s, &family, again(end - TICK), repeated).await;
    assert_ends(&s, &family, again(end), "its successor has expired").await;
}

///
pub(crate) async fn refresh_token_store_d_nobody_but_the_same_holder_gets_the_successor_again(
    cx: Context,
) {
    let s = cx.fresh().await;
    type Change = fn(&Context, &mut RefreshUse);
    let thieves: [(&str, Option<()>, Change); 4] = [
        ("another client", None, |cx, attempt| {
            attempt.client = cx.fixtures.client()
        }),
        ("a binding that the family has not", None, |cx, attempt| {
            attempt.binding = Some(cx.fixtures.digest());
        }),
        ("another binding", Some(()), |cx, attempt| {
            attempt.binding = Some(cx.fixtures.digest());
        }),
        ("no binding", Some(()), |_, attempt| attempt.binding = None),
    ];
    for (who, bound, change) in thieves {
        let family = RefreshFamily {
            binding: bound.map(|()| cx.fixtures.digest()),
            ..cx.fixtures.family(&cx.fixtures.tenant())
        };
        let first = cx.fixtures.refresh_token();
        store_family(&cx, &s, &family, &first).await;
        rotate(&cx, &s, &family, first.digest).await;
        let mut attempt = cx.fixtures.use_of(&family, first.digest);
        change(&cx, &mut attempt);
        assert_ends(&s, &family, attempt, who).await;
    }
}

///
pub(crate) async fn refresh_token_store_e_reuse_ends_the_family_and_revokes_its_access_tokens(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let (bystander, its_first) = stored_family(&cx, &s).await;
    let second = rotate(&cx, &s, &family, first.digest)
        .await
        .successor
        .digest;
    let third = rotate(&cx, &s, &family, second).await.successor.digest;

    let mut ledger = Ledger::open(&s, &family.tenant).await;
    let attempt = RefreshUse {
        now: NOW + DAY,
        revoke_until: NOW + 2 * DAY,
        ..cx.fixtures.use_of(&family, first.digest)
    };
    assert_ends(
        &s,
        &family,
        attempt.clone(),
        "its child and its grandchild exist",
    )
    .await;
    let change = Change::Revocation {
        key: key_of(&family),
    };
    ledger
        .assert_recorded(
            "a reuse",
            std::slice::from_ref(&attempt.on_reuse),
            &[change],
        )
        .await;

    for token in [first.digest, second, third] {
        assert!(
            !is_live(&s, &family, &token, NOW).await,
            "a token of an ended family is live"
        );
        let after = cx.fixtures.use_of(&family, token);
        assert_unchanged(&s, &family, after, RefreshOutcome::Revoked).await;
    }
    assert!(is_live(&s, &bystander, &its_first.digest, NOW).await);
    assert!(!family_is_revoked(&s, &bystander).await);

    // Until `revoke_until`, and not shorter.
    assert_eq!(
        s.revocations.purge(attempt.revoke_until, 10).await.unwrap(),
        0
    );
    assert!(family_is_revoked(&s, &family).await);
    assert_eq!(
        s.revocations
            .purge(attempt.revoke_until + TICK, 10)
            .await
            .unwrap(),
        1
    );
}
