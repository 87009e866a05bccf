//! `RefreshTokenStore`, sentence by sentence.

use fountain_core::audit::AuditAction;
use fountain_core::token::{RefreshFamily, RefreshOutcome, RefreshUse};
use fountain_core::{Digest, StoreErrorKind, Timestamp};

use crate::context::{Context, Stores};
use crate::ledger::Ledger;
use crate::mutation;

mod families;
mod grace;
mod purge;
mod successors;
mod uses;

pub(crate) use families::*;
pub(crate) use grace::*;
pub(crate) use purge::*;
pub(crate) use successors::*;
pub(crate) use uses::*;

///
pub(crate) async fn refresh_token_store_j_every_change_is_recorded_once_and_appended_to_the_feed(
    cx: Context,
) {
    mutation::assert_recorded_once(&cx, mutation::refresh_mutations).await;
}

///
pub(crate) async fn refresh_token_store_j_a_change_is_never_seen_without_its_event_and_feed_entry(
    cx: Context,
) {
    mutation::assert_never_seen_in_part(&cx, mutation::refresh_mutations).await;
}

///
pub(crate) async fn refresh_token_store_j_a_dropped_call_leaves_the_change_whole_or_absent(
    cx: Context,
) {
    mutation::assert_whole_when_dropped(&cx, mutation::refresh_mutations).await;
}

/// The family as it stands, through one of its tokens, and whether that token is live at `now`.
async fn find(
    s: &Stores,
    family: &RefreshFamily,
    token: &Digest,
    now: Timestamp,
) -> Option<(RefreshFamily, bool)> {
    s.refresh.find(&family.tenant, token, now).await.unwrap()
}

async fn is_live(s: &Stores, family: &RefreshFamily, token: &Digest, now: Timestamp) -> bool {
    find(s, family, token, now)
        .await
        .expect("a stored token is found")
        .1
}

/// Uses a live token, which must be rotated; gives the attempt.
async fn rotate(cx: &Context, s: &Stores, family: &RefreshFamily, token: Digest) -> RefreshUse {
    let attempt = cx.fixtures.use_of(family, token);
    let outcome = s.refresh.use_token(attempt.clone()).await.unwrap();
    let family = family.clone();
    assert_eq!(outcome, RefreshOutcome::Rotated { family });
    attempt
}

/// Makes an attempt that must answer this and change nothing; the successor that it offered must not exist.
async fn assert_unchanged(
    s: &Stores,
    family: &RefreshFamily,
    attempt: RefreshUse,
    expected: RefreshOutcome,
) {
    let mut ledger = Ledger::open(s, &attempt.tenant).await;
    let now = attempt.now;
    let before = find(s, family, &attempt.presented, now).await;
    let (presented, offered) = (attempt.presented, attempt.successor.digest);
    assert_eq!(s.refresh.use_token(attempt).await.unwrap(), expected);
    assert_eq!(find(s, family, &presented, now).await, before);
    assert_eq!(
        find(s, family, &offered, now).await,
        None,
        "{expected:?} stored a successor"
    );
    ledger.assert_nothing("a use that changed nothing").await;
}

/// Makes an attempt whose successor exists, which must be a `Conflict` and change nothing.
async fn assert_conflict(s: &Stores, family: &RefreshFamily, attempt: RefreshUse, why: &str) {
    let mut ledger = Ledger::open(s, &attempt.tenant).await;
    let (presented, now) = (attempt.presented, attempt.now);
    let before = find(s, family, &presented, now).await;
    let refused = s.refresh.use_token(attempt).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Conflict, "{why}");
    assert_eq!(find(s, family, &presented, now).await, before, "{why}");
    ledger.assert_nothing(why).await;
}

async fn revoke_family(
    cx: &Context,
    s: &Stores,
    family: &RefreshFamily,
    now: Timestamp,
) -> fountain_core::token::RevokeOutcome {
    let event = cx.fixtures.event(&family.tenant, AuditAction::TokenRevoked);
    let until = cx
        .fixtures
        .use_of(family, cx.fixtures.digest())
        .revoke_until;
    s.refresh
        .revoke_family(&family.tenant, &family.id, now, until, event)
        .await
        .unwrap()
}
