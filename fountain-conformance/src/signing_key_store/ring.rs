//! A, B, C and I: rings, generations and publication.

use fountain_core::Tenant;
use fountain_core::audit::AuditAction;
use fountain_core::identity::{Issuer, Kid};
use fountain_core::signing::{
    Algorithm, KeyRing, KeyTransition, SigningKeyRecord, SigningKeyState, TransitionOutcome,
};

use super::{Ring, activate, remove, revoke};
use tokio::task::yield_now;

use crate::context::{Context, Stores};
use crate::fixtures::{NOW, TICK};
use crate::ledger::Ledger;
use crate::race::{count, race};

pub(crate) async fn signing_key_store_a_an_issuer_without_keys_has_an_empty_ring_at_generation_zero(
    cx: Context,
) {
    let s = cx.fresh().await;
    Ring::new(&cx).publish(&cx, &s).await;
    let ring = s.signing.ring(&cx.fixtures.issuer()).await.unwrap();
    assert_eq!(ring, KeyRing::default());
}

pub(crate) async fn signing_key_store_a_a_ring_holds_every_key_ended_or_not_in_the_order_of_publication(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (mut ring, every_state) = Ring::with_every_state(&cx, &s).await;
    let mut expected: Vec<_> = every_state
        .iter()
        .map(|key| (key.published_at, key.kid.clone()))
        .collect();
    for at in [3, 1, 2, 1, 3, 2, 1] {
        let record = SigningKeyRecord {
            published_at: NOW + at * TICK,
            ..cx.fixtures.signing_key(&ring.issuer)
        };
        expected.push((record.published_at, record.kid.clone()));
        ring.apply(&cx, &s, KeyTransition::Publish(record), NOW)
            .await;
    }
    expected.sort();
    let keys = ring.keys(&s).await;
    let found: Vec<_> = keys
        .into_iter()
        .map(|key| (key.published_at, key.kid))
        .collect();
    assert_eq!(found, expected);
}

/// Readers run while keys are published: each ring must have as many keys as its generation says.
pub(crate) async fn signing_key_store_a_keys_and_generation_are_of_one_moment(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(10) {
        let issuer = cx.fixtures.issuer();
        let events: Vec<_> = (0..8)
            .map(|_| {
                cx.fixtures
                    .event(&Tenant::default(), AuditAction::SigningKeyPublished)
            })
            .collect();
        let records: Vec<_> = (0..8).map(|_| cx.fixtures.signing_key(&issuer)).collect();
        let publishing = tokio::spawn({
            let (s, issuer) = (s.clone(), issuer.clone());
            async move {
                for (expected, (record, event)) in (0..).zip(records.into_iter().zip(events)) {
                    let publish = KeyTransition::Publish(record);
                    let outcome = s
                        .signing
                        .apply(&issuer, expected, publish, NOW, event)
                        .await;
                    assert!(matches!(
                        outcome.unwrap(),
                        TransitionOutcome::Applied { .. }
                    ));
                }
            }
        });
        let mut last = 0;
        while !publishing.is_finished() {
            last = generation_of_whole_ring(&s, &issuer).await.max(last);
            yield_now().await;
        }
        publishing.await.expect("publishing does not panic");
        assert!(last <= 8, "a generation that never was");
        assert_eq!(generation_of_whole_ring(&s, &issuer).await, 8);
    }
}

async fn generation_of_whole_ring(s: &Stores, issuer: &Issuer) -> u64 {
    let ring = s.signing.ring(issuer).await.unwrap();
    let keys = u64::try_from(ring.keys.len()).expect("not that many keys");
    assert_eq!(
        keys, ring.generation,
        "keys and generation are of two moments"
    );
    ring.generation
}

pub(crate) async fn signing_key_store_b_a_transition_applies_only_at_the_expected_generation(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (ring, [pending, active, retired, ..]) = Ring::with_every_state(&cx, &s).await;
    let generation = ring.generation;
    let mut ledger = Ledger::open(&s, &Tenant::default()).await;
    for expected in [0, generation - 1, generation + 1, u64::from(u32::MAX)] {
        let stale = Ring {
            issuer: ring.issuer.clone(),
            generation: expected,
        };
        for transition in [
            KeyTransition::Publish(cx.fixtures.signing_key(&ring.issuer)),
            activate(&pending),
            remove(&retired),
            revoke(&active),
            // What would not apply, or is too early, is judged after the generation.
            activate(&active),
            KeyTransition::Publish(active.clone()),
        ] {
            let outcome = stale.attempt(&cx, &s, transition, NOW - TICK).await;
            assert_eq!(outcome, TransitionOutcome::Moved { generation });
        }
    }
    assert_eq!(ring.key(&s, &pending.kid).await, pending);
    ledger
        .assert_nothing("transitions from other generations")
        .await;

    let nobody = Ring {
        issuer: cx.fixtures.issuer(),
        generation: 1,
    };
    let publish = KeyTransition::Publish(cx.fixtures.signing_key(&nobody.issuer));
    let outcome = nobody.attempt(&cx, &s, publish, NOW).await;
    assert_eq!(outcome, TransitionOutcome::Moved { generation: 0 });
}

/// R-26, R-102
pub(crate) async fn signing_key_store_b_of_parallel_transitions_exactly_one_is_applied(
    cx: Context,
) {
    let s = cx.fresh().await;
    for round in 0..cx.rounds.races {
        let mut ring = Ring::new(&cx);
        // Now the first transition of an issuer, now a later one.
        let pending = if round % 2 == 0 {
            None
        } else {
            Some(ring.publish(&cx, &s).await)
        };
        let expected = ring.generation;
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, issuer) = (s.clone(), ring.issuer.clone());
            let event = cx
                .fixtures
                .event(&Tenant::default(), AuditAction::SigningKeyPublished);
            let transition = match &pending {
                Some(pending) if task % 2 == 0 => activate(pending),
                _ => KeyTransition::Publish(cx.fixtures.signing_key(&issuer)),
            };
            async move {
                s.signing
                    .apply(&issuer, expected, transition, NOW, event)
                    .await
                    .unwrap()
            }
        })
        .await;
        let generation = expected + 1;
        let applied = TransitionOutcome::Applied { generation };
        let moved = TransitionOutcome::Moved { generation };
        let counts = (
            count(&outcomes, |o| *o == applied),
            count(&outcomes, |o| *o == moved),
        );
        assert_eq!(counts, (1, outcomes.len() - 1), "{outcomes:?}");
        assert_eq!(
            s.signing.ring(&ring.issuer).await.unwrap().generation,
            generation
        );
    }
}

pub(crate) async fn signing_key_store_c_publish_adds_the_key_as_given_and_pending(cx: Context) {
    let s = cx.fresh().await;
    for algorithm in Algorithm::ALL {
        let mut ring = Ring::new(&cx);
        let record = SigningKeyRecord {
            algorithm: *algorithm,
            kid: Kid::new("~._-A0").unwrap(),
            public_jwk: if algorithm.is_symmetric() {
                String::new()
            } else {
                r#"{"a":"\u0000'\\"}"#.into()
            },
            sealed: (0..=u8::MAX).collect(),
            ..cx.fixtures.signing_key(&ring.issuer)
        };
        ring.apply(&cx, &s, KeyTransition::Publish(record.clone()), NOW)
            .await;
        assert_eq!(ring.keys(&s).await, [record]);
    }
    let ring = Ring::new(&cx);
    for state in [SigningKeyState::Active, SigningKeyState::Retired] {
        let record = SigningKeyRecord {
            state,
            ..cx.fixtures.signing_key(&ring.issuer)
        };
        let publish = KeyTransition::Publish(record);
        ring.assert_refused(&cx, &s, publish, NOW, TransitionOutcome::NotApplicable)
            .await;
    }
}

/// R-13
pub(crate) async fn signing_key_store_c_a_kid_is_never_used_again_whatever_became_of_it(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (ring, every_state) = Ring::with_every_state(&cx, &s).await;
    for key in every_state {
        let again = SigningKeyRecord {
            kid: key.kid,
            ..cx.fixtures.signing_key(&ring.issuer)
        };
        let publish = KeyTransition::Publish(again);
        ring.assert_refused(&cx, &s, publish, NOW, TransitionOutcome::NotApplicable)
            .await;
    }
}

/// R-13, B-78
pub(crate) async fn signing_key_store_i_issuers_do_not_see_each_others_keys(cx: Context) {
    let s = cx.fresh().await;
    let issuers = [
        "https://a",
        "https://A",
        "https://a/",
        "https://a:b",
        "%",
        "*",
        "{tag}",
        "a",
        "a:b",
        "a_b",
        "axb",
    ];
    let kids = ["b", "B", "b.c", "b_c", "bxc", "~"];
    let mut rings = Vec::new();
    for issuer in issuers {
        let mut ring = Ring {
            issuer: Issuer::new(issuer).unwrap(),
            generation: 0,
        };
        let mut keys = Vec::new();
        for kid in kids {
            let record = SigningKeyRecord {
                kid: Kid::new(kid).unwrap(),
                ..cx.fixtures.signing_key(&ring.issuer)
            };
            ring.apply(&cx, &s, KeyTransition::Publish(record.clone()), NOW)
                .await;
            keys.push(record);
        }
        keys.sort_by(|a, b| a.kid.cmp(&b.kid));
        rings.push((ring, keys));
    }
    // One issuer's transition is no other's.
    let (first, rest) = rings.split_first_mut().unwrap();
    first.0.activate(&cx, &s, &first.1[0]).await;
    for (ring, keys) in rest {
        assert_eq!(ring.keys(&s).await, *keys);
    }
}
