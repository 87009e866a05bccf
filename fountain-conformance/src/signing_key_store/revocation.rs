//! F and G: revocation, and that one key signs at most.

use fountain_core::audit::AuditAction;
use fountain_core::signing::{KeyTransition, SigningKeyRecord, SigningKeyState, TransitionOutcome};
use fountain_core::{StoreErrorKind, Tenant};

use super::{Ring, activate, remove, revoke};
use crate::context::{Context, Stores};
use crate::fixtures::{NOW, TICK};
use crate::ledger::Ledger;
use crate::race::{count, race};

fn revoked(key: SigningKeyRecord) -> SigningKeyRecord {
    SigningKeyRecord {
        state: SigningKeyState::Revoked,
        ended_at: Some(NOW + TICK),
        sealed: Vec::new(),
        ..key
    }
}

pub(crate) async fn signing_key_store_f_revoke_ends_a_key_from_every_living_state_and_wipes_it(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (mut ring, [pending, active, retired, ..]) = Ring::with_every_state(&cx, &s).await;
    for key in [pending, active, retired] {
        let before = ring.key(&s, &key.kid).await;
        ring.apply(&cx, &s, revoke(&key), NOW + TICK).await;
        assert_eq!(ring.key(&s, &key.kid).await, revoked(before));
    }
    let living = ring
        .keys(&s)
        .await
        .into_iter()
        .filter(|key| key.ended_at.is_none())
        .count();
    assert_eq!(
        living, 0,
        "a revocation without a replacement put something in its place"
    );
}

pub(crate) async fn signing_key_store_f_an_ended_or_unknown_key_is_not_revoked(cx: Context) {
    let s = cx.fresh().await;
    let (ring, [.., removed, revoked]) = Ring::with_every_state(&cx, &s).await;
    let unknown = cx.fixtures.signing_key(&ring.issuer);
    for key in [&removed, &revoked, &unknown] {
        let transition = KeyTransition::Revoke {
            kid: key.kid.clone(),
            replacement: Some(cx.fixtures.replacement_key(&ring.issuer, NOW)),
        };
        let not = TransitionOutcome::NotApplicable;
        ring.assert_refused(&cx, &s, transition, NOW + TICK, not)
            .await;
    }
}

pub(crate) async fn signing_key_store_f_the_replacement_of_an_active_key_takes_over_in_the_same_step(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (mut ring, [_, active, ..]) = Ring::with_every_state(&cx, &s).await;
    let before = ring.key(&s, &active.kid).await;
    let replacement = cx.fixtures.replacement_key(&ring.issuer, NOW + TICK);
    let transition = KeyTransition::Revoke {
        kid: active.kid.clone(),
        replacement: Some(replacement.clone()),
    };
    ring.apply(&cx, &s, transition, NOW + TICK).await;
    assert_eq!(ring.key(&s, &active.kid).await, revoked(before));
    assert_eq!(ring.key(&s, &replacement.kid).await, replacement);
}

pub(crate) async fn signing_key_store_f_a_replacement_is_ignored_when_the_key_was_not_active(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (mut ring, [pending, active, retired, ..]) = Ring::with_every_state(&cx, &s).await;
    let signing = ring.key(&s, &active.kid).await;
    for key in [pending, retired] {
        let keys = ring.keys(&s).await.len();
        let transition = KeyTransition::Revoke {
            kid: key.kid,
            replacement: Some(cx.fixtures.replacement_key(&ring.issuer, NOW)),
        };
        ring.apply(&cx, &s, transition, NOW).await;
        assert_eq!(ring.keys(&s).await.len(), keys);
        assert_eq!(ring.key(&s, &active.kid).await, signing);
    }
}

/// A replacement whose `kid` is known would be a `kid` used twice (C): nothing happens, the key stays as it is.
pub(crate) async fn signing_key_store_f_a_replacement_with_a_known_kid_stops_the_revocation(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (ring, every_state) = Ring::with_every_state(&cx, &s).await;
    let active = &every_state[1];
    for known in &every_state {
        let replacement = SigningKeyRecord {
            kid: known.kid.clone(),
            ..cx.fixtures.replacement_key(&ring.issuer, NOW)
        };
        let transition = KeyTransition::Revoke {
            kid: active.kid.clone(),
            replacement: Some(replacement),
        };
        let not = TransitionOutcome::NotApplicable;
        ring.assert_refused(&cx, &s, transition, NOW, not).await;
    }
}

async fn active_keys(s: &Stores, ring: &Ring) -> usize {
    let keys = s.signing.ring(&ring.issuer).await.unwrap().keys;
    count(&keys, |key| key.state == SigningKeyState::Active)
}

pub(crate) async fn signing_key_store_g_no_walk_through_the_states_leads_to_two_active_keys(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.sequences.div_ceil(10) {
        let mut ring = Ring::new(&cx);
        let mut keys = vec![ring.publish(&cx, &s).await];
        for _ in 0..20 {
            let key = keys[cx.fixtures.below(keys.len())].clone();
            let replacement = cx.fixtures.replacement_key(&ring.issuer, NOW);
            let transition = match cx.fixtures.below(5) {
                0 => KeyTransition::Publish(cx.fixtures.signing_key(&ring.issuer)),
                1 | 2 => activate(&key),
                3 => remove(&key),
                _ => KeyTransition::Revoke {
                    kid: key.kid,
                    replacement: Some(replacement),
                },
            };
            ring.attempt(&cx, &s, transition, NOW).await;
            let now = s.signing.ring(&ring.issuer).await.unwrap();
            (ring.generation, keys) = (now.generation, now.keys);
            assert!(
                active_keys(&s, &ring).await <= 1,
                "two active keys: {keys:?}"
            );
        }
    }
}

/// Nodes that all activate a key of their own, each at the generation that it saw last.
pub(crate) async fn signing_key_store_g_no_race_leads_to_two_active_keys(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(10) {
        let mut ring = Ring::new(&cx);
        let mut keys = Vec::new();
        for _ in 0..4 {
            keys.push(ring.publish(&cx, &s).await);
        }
        race(cx.rounds.tasks, |task| {
            let (s, issuer) = (s.clone(), ring.issuer.clone());
            let transition = activate(&keys[task % keys.len()]);
            let event = cx
                .fixtures
                .event(&Tenant::default(), AuditAction::SigningKeyActivated);
            async move {
                let seen = s.signing.ring(&issuer).await.unwrap();
                let active = count(&seen.keys, |key| key.state == SigningKeyState::Active);
                assert!(active <= 1, "two active keys: {seen:?}");
                s.signing
                    .apply(&issuer, seen.generation, transition, NOW, event)
                    .await
                    .unwrap()
            }
        })
        .await;
        assert_eq!(active_keys(&s, &ring).await, 1);
    }
}

pub(crate) async fn signing_key_store_j_a_record_of_another_issuer_is_a_conflict_whatever_else_stands(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (ring, keys) = Ring::with_every_state(&cx, &s).await;
    let theirs = Ring::new(&cx);
    let standing = ring.keys(&s).await;
    let unknown = cx.fixtures.signing_key(&ring.issuer);
    let record = cx.fixtures.signing_key(&theirs.issuer);
    let publish = [unknown.kid.clone(), keys[0].kid.clone()].map(|kid| {
        KeyTransition::Publish(SigningKeyRecord {
            kid,
            ..record.clone()
        })
    });
    // Also where the replacement would not be needed, or the key is not there to be revoked.
    let revoke = keys
        .iter()
        .chain([&unknown])
        .map(|key| KeyTransition::Revoke {
            kid: key.kid.clone(),
            replacement: Some(cx.fixtures.replacement_key(&theirs.issuer, NOW)),
        });
    let mut ledger = Ledger::open(&s, &Tenant::default()).await;
    for transition in publish.into_iter().chain(revoke) {
        for expected in [ring.generation, ring.generation - 1] {
            let event = cx
                .fixtures
                .event(&Tenant::default(), AuditAction::SigningKeyPublished);
            let what = format!("{transition:?} at {expected}");
            let refused = s
                .signing
                .apply(&ring.issuer, expected, transition.clone(), NOW, event)
                .await
                .unwrap_err();
            assert_eq!(refused.kind(), StoreErrorKind::Conflict, "{what}");
            assert_eq!(ring.keys(&s).await, standing, "{what}");
            assert_eq!(theirs.keys(&s).await, [], "{what}");
            ledger.assert_nothing(&what).await;
        }
    }
}
