//! D and E: activation and removal, which wait for their clocks (L-01).

use fountain_core::signing::{KeyTransition, SigningKeyRecord, SigningKeyState, TransitionOutcome};

use super::{Ring, activate, remove};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};

/// L-01
pub(crate) async fn signing_key_store_d_activate_waits_for_the_microsecond_of_activate_from(
    cx: Context,
) {
    let s = cx.fresh().await;
    for at in [NOW, NOW + TICK] {
        let mut ring = Ring::new(&cx);
        let key = ring.publish(&cx, &s).await;
        for early in [NOW - DAY, NOW - TICK] {
            let too_early = TransitionOutcome::TooEarly { until: NOW };
            ring.assert_refused(&cx, &s, activate(&key), early, too_early)
                .await;
        }
        ring.apply(&cx, &s, activate(&key), at).await;
        let active = SigningKeyRecord {
            state: SigningKeyState::Active,
            activated_at: Some(at),
            ..key
        };
        assert_eq!(ring.keys(&s).await, [active]);
    }
}

pub(crate) async fn signing_key_store_d_activate_retires_the_key_that_was_active(cx: Context) {
    let s = cx.fresh().await;
    let mut ring = Ring::new(&cx);
    let (old, new) = (ring.publish(&cx, &s).await, ring.publish(&cx, &s).await);
    ring.activate(&cx, &s, &old).await;
    let (at, remove_from) = (NOW + TICK, NOW + DAY);
    let transition = KeyTransition::Activate {
        kid: new.kid.clone(),
        remove_from,
    };
    ring.apply(&cx, &s, transition, at).await;
    let retired = SigningKeyRecord {
        state: SigningKeyState::Retired,
        activated_at: Some(NOW),
        retired_at: Some(at),
        remove_from: Some(remove_from),
        ..old.clone()
    };
    let active = SigningKeyRecord {
        state: SigningKeyState::Active,
        activated_at: Some(at),
        ..new.clone()
    };
    assert_eq!(ring.key(&s, &old.kid).await, retired);
    assert_eq!(ring.key(&s, &new.kid).await, active);
}

pub(crate) async fn signing_key_store_d_only_a_pending_key_is_activated(cx: Context) {
    let s = cx.fresh().await;
    let (ring, [_, others @ ..]) = Ring::with_every_state(&cx, &s).await;
    let unknown = cx.fixtures.signing_key(&ring.issuer);
    for key in others.iter().chain([&unknown]) {
        let not = TransitionOutcome::NotApplicable;
        ring.assert_refused(&cx, &s, activate(key), NOW + DAY, not)
            .await;
    }
}

/// L-01
pub(crate) async fn signing_key_store_e_remove_waits_for_the_microsecond_of_remove_from_and_wipes_the_key(
    cx: Context,
) {
    let s = cx.fresh().await;
    for at in [NOW + DAY, NOW + DAY + TICK] {
        let mut ring = Ring::new(&cx);
        let (old, new) = (ring.publish(&cx, &s).await, ring.publish(&cx, &s).await);
        ring.activate(&cx, &s, &old).await;
        let until = NOW + DAY;
        let transition = KeyTransition::Activate {
            kid: new.kid.clone(),
            remove_from: until,
        };
        ring.apply(&cx, &s, transition, NOW).await;
        for early in [NOW, until - TICK] {
            let too_early = TransitionOutcome::TooEarly { until };
            ring.assert_refused(&cx, &s, remove(&old), early, too_early)
                .await;
        }
        ring.apply(&cx, &s, remove(&old), at).await;
        let removed = SigningKeyRecord {
            state: SigningKeyState::Removed,
            activated_at: Some(NOW),
            retired_at: Some(NOW),
            remove_from: Some(until),
            ended_at: Some(at),
            sealed: Vec::new(),
            ..old.clone()
        };
        assert_eq!(ring.key(&s, &old.kid).await, removed);
        assert_eq!(ring.key(&s, &new.kid).await.sealed, new.sealed);
    }
}

pub(crate) async fn signing_key_store_e_only_a_retired_key_is_removed(cx: Context) {
    let s = cx.fresh().await;
    let (ring, [pending, active, _, removed, revoked]) = Ring::with_every_state(&cx, &s).await;
    let unknown = cx.fixtures.signing_key(&ring.issuer);
    for key in [&pending, &active, &removed, &revoked, &unknown] {
        let not = TransitionOutcome::NotApplicable;
        ring.assert_refused(&cx, &s, remove(key), NOW + DAY, not)
            .await;
    }
}
