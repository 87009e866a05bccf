use std::pin::Pin;

use fountain_core::Tenant;
use fountain_core::audit::AuditAction;
use fountain_core::change::Change;
use fountain_core::identity::{Issuer, Kid};
use fountain_core::signing::{
    KeyRing, KeyTransition, SigningKeyRecord, SigningKeyState, TransitionOutcome,
};

use super::Mutation;
use crate::context::{Context, Stores};
use crate::fixtures::NOW;

/// Every transition of `SigningKeyStore::apply`.
pub(crate) fn signing_mutations<'a>(
    cx: &'a Context,
    s: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    Box::pin(async move {
        let issuer = cx.fixtures.issuer();
        let publish = step(
            cx,
            "SigningKeyStore::apply(Publish)",
            AuditAction::SigningKeyPublished,
            0,
            KeyTransition::Publish(cx.fixtures.signing_key(&issuer)),
            &issuer,
        );

        let (issuer, _, new) = active_and_pending(cx, s).await;
        let activate = step(
            cx,
            "SigningKeyStore::apply(Activate)",
            AuditAction::SigningKeyActivated,
            3,
            KeyTransition::Activate {
                kid: new.kid,
                remove_from: NOW,
            },
            &issuer,
        );

        let (issuer, old, new) = active_and_pending(cx, s).await;
        let retire = KeyTransition::Activate {
            kid: new.kid,
            remove_from: NOW,
        };
        apply(cx, s, &issuer, 3, retire).await;
        let remove = step(
            cx,
            "SigningKeyStore::apply(Remove)",
            AuditAction::SigningKeyRemoved,
            4,
            KeyTransition::Remove { kid: old.kid },
            &issuer,
        );

        let (issuer, old, _) = active_and_pending(cx, s).await;
        let revoke = step(
            cx,
            "SigningKeyStore::apply(Revoke)",
            AuditAction::SigningKeyRevoked,
            3,
            KeyTransition::Revoke {
                kid: old.kid,
                replacement: Some(cx.fixtures.replacement_key(&issuer, NOW)),
            },
            &issuer,
        );
        vec![publish, activate, remove, revoke]
    })
}

/// An issuer at generation 3, with an active key and a pending one.
async fn active_and_pending(
    cx: &Context,
    s: &Stores,
) -> (Issuer, SigningKeyRecord, SigningKeyRecord) {
    let issuer = cx.fixtures.issuer();
    let (old, new) = (
        cx.fixtures.signing_key(&issuer),
        cx.fixtures.signing_key(&issuer),
    );
    let activate = KeyTransition::Activate {
        kid: old.kid.clone(),
        remove_from: NOW,
    };
    apply(cx, s, &issuer, 0, KeyTransition::Publish(old.clone())).await;
    apply(cx, s, &issuer, 1, activate).await;
    apply(cx, s, &issuer, 2, KeyTransition::Publish(new.clone())).await;
    (issuer, old, new)
}

/// Applies a transition that must succeed.
pub(crate) async fn apply(
    cx: &Context,
    s: &Stores,
    issuer: &Issuer,
    expected: u64,
    transition: KeyTransition,
) {
    let event = cx
        .fixtures
        .event(&Tenant::default(), AuditAction::SigningKeyPublished);
    let outcome = s
        .signing
        .apply(issuer, expected, transition, NOW, event)
        .await
        .unwrap();
    let generation = expected + 1;
    assert_eq!(outcome, TransitionOutcome::Applied { generation });
}

fn step(
    cx: &Context,
    name: &'static str,
    action: AuditAction,
    expected: u64,
    transition: KeyTransition,
    issuer: &Issuer,
) -> Mutation {
    // A tenant of its own, so that its trail is short.
    let event = cx.fixtures.event(&cx.fixtures.tenant(), action);
    let change = Change::SigningKeys {
        issuer: issuer.clone(),
    };
    Mutation::new(
        name,
        event,
        Some(change),
        (issuer.clone(), expected, transition),
        |s, (issuer, expected, transition), event| async move {
            let outcome = s
                .signing
                .apply(&issuer, expected, transition, NOW, event)
                .await;
            matches!(outcome.unwrap(), TransitionOutcome::Applied { .. })
        },
        |s, (issuer, expected, transition)| async move {
            let ring = s.signing.ring(&issuer).await.unwrap();
            let moved = ring.generation > expected;
            assert_eq!(
                moved,
                took_effect(&ring, &transition),
                "half a transition: {ring:?}"
            );
            moved
        },
    )
}

fn took_effect(ring: &KeyRing, transition: &KeyTransition) -> bool {
    let state = |kid: &Kid| {
        ring.keys
            .iter()
            .find(|key| key.kid == *kid)
            .map(|key| key.state)
    };
    match transition {
        KeyTransition::Publish(record) => state(&record.kid).is_some(),
        KeyTransition::Activate { kid, .. } => {
            let active = state(kid) == Some(SigningKeyState::Active);
            let retired = ring
                .keys
                .iter()
                .any(|key| key.state == SigningKeyState::Retired);
            assert_eq!(
                active, retired,
                "one key became active, none was retired, or the reverse"
            );
            active
        }
        KeyTransition::Remove { kid } => state(kid) == Some(SigningKeyState::Removed),
        KeyTransition::Revoke { kid, replacement } => {
            let revoked = state(kid) == Some(SigningKeyState::Revoked);
            let replaced = replacement
                .as_ref()
                .is_none_or(|key| state(&key.kid).is_some());
            assert_eq!(
                revoked, replaced,
                "a key was revoked, its replacement is missing"
            );
            revoked
        }
    }
}
