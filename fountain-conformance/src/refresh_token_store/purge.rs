//! K: purging.

use fountain_core::token::{RefreshFamily, RefreshOutcome, RevokeOutcome};

use super::families::revoke_subject;
use super::{find, revoke_family, rotate};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::mutation::{store_family, stored_family};
use crate::race::drop_after;

///
pub(crate) async fn refresh_token_store_k_purge_removes_families_that_expired_before_the_instant(
    cx: Context,
) {
    let s = cx.fresh().await;
    let mut around = Vec::new();
    for expires_at in [NOW - TICK, NOW, NOW + TICK] {
        let family = RefreshFamily {
            created_at: NOW - DAY,
            expires_at,
            ..cx.fixtures.family(&cx.fixtures.tenant())
        };
        let first = cx.fixtures.refresh_token();
        store_family(&cx, &s, &family, &first).await;
        let mut attempt = cx.fixtures.use_of(&family, first.digest);
        attempt.now = NOW - DAY;
        let second = attempt.successor.digest;
        let outcome = s.refresh.use_token(attempt).await.unwrap();
        assert!(matches!(outcome, RefreshOutcome::Rotated { .. }));
        around.push((family, [first.digest, second]));
    }
    // An end before its time is no reason to forget it: its tokens must go on being refused.
    let (revoked, its_first) = stored_family(&cx, &s).await;
    revoke_family(&cx, &s, &revoked, NOW - DAY).await;

    let mut ledger = Ledger::open(&s, &around[0].0.tenant).await;
    assert_eq!(s.refresh.purge(NOW, 1000).await.unwrap(), 1);
    for ((family, tokens), kept) in around.iter().zip([false, true, true]) {
        for token in tokens {
            assert_eq!(
                find(&s, family, token, NOW).await.is_some(),
                kept,
                "{family:?}"
            );
        }
    }
    assert!(find(&s, &revoked, &its_first.digest, NOW).await.is_some());
    assert_eq!(s.refresh.purge(NOW, 1000).await.unwrap(), 0);
    ledger.assert_nothing("a purge").await;
    let gone = &around[0].0;
    assert_eq!(
        revoke_family(&cx, &s, gone, NOW).await,
        RevokeOutcome::NotFound
    );
    assert_eq!(revoke_subject(&cx, &s, gone).await, 0);
}

///
pub(crate) async fn refresh_token_store_k_purge_stops_at_its_limit_and_says_how_many(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..9 {
        stored_family(&cx, &s).await;
    }
    for removed in [4, 4, 1, 0] {
        assert_eq!(s.refresh.purge(NOW + 365 * DAY, 4).await.unwrap(), removed);
    }
}

/// a family is gone with all of its tokens, or with none.
pub(crate) async fn refresh_token_store_k_a_dropped_purge_leaves_each_family_whole_or_gone(
    cx: Context,
) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls {
        let mut ended = Vec::new();
        for _ in 0..3 {
            let (family, first) = stored_family(&cx, &s).await;
            let second = rotate(&cx, &s, &family, first.digest).await;
            ended.push((family, first.digest, second.successor.digest));
        }
        let end = NOW + 365 * DAY;
        drop_after(polls, s.refresh.purge(end, 1000)).await;
        for (family, first, second) in &ended {
            let is_known = async |token| find(&s, family, token, NOW).await.is_some();
            // A purge may still be under way, and only takes away: what is gone stays gone.
            let early = is_known(first).await;
            let other = is_known(second).await;
            let late = is_known(first).await;
            assert!(
                early || !other,
                "the first token is gone, the second is not"
            );
            assert!(other || !late, "the second token is gone, the first is not");
        }
        s.refresh.purge(end, 1000).await.unwrap();
        for (family, first, second) in &ended {
            for token in [first, second] {
                let found = find(&s, family, token, NOW).await;
                assert_eq!(found, None, "after {polls} polls");
            }
        }
    }
}
