//! Signing keys.

use std::sync::Arc;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::Tenant;
use fountain_core::audit::AuditAction;
use fountain_core::signing::{
    KeyRing, KeyTransition, SigningKeyState, SigningKeyStore, TransitionOutcome,
};
use shuttle::future::block_on;

use crate::check::{count, holds, race};
use crate::memory::MemoryStore;

const NODES: usize = 16;

fn in_state(ring: &KeyRing, state: SigningKeyState) -> usize {
    count(&ring.keys, |key| key.state == state)
}

/// 16 nodes see that a key is wanted, and each has made one.
#[test]
fn of_16_nodes_that_publish_a_key_at_once_one_does() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(26);
        let issuer = fixtures.issuer();
        let outcomes = race(NODES, |_| {
            let publish = KeyTransition::Publish(fixtures.signing_key(&issuer));
            let event = fixtures.event(&Tenant::default(), AuditAction::SigningKeyPublished);
            let (store, issuer) = (store.clone(), issuer.clone());
            async move {
                let seen = store.ring(&issuer).await.unwrap().generation;
                let apply = store.apply(&issuer, seen, publish, NOW, event);
                (seen, apply.await.unwrap())
            }
        });
        let ring = block_on(store.ring(&issuer)).unwrap();
        // A node may also come when another is done; of those that saw the same ring, one wins.
        for generation in 0..=ring.generation {
            let won = count(&outcomes, |(seen, outcome)| {
                *seen == generation && matches!(outcome, TransitionOutcome::Applied { .. })
            });
            assert_eq!(won, usize::from(generation < ring.generation));
        }
        let published = u64::try_from(in_state(&ring, SigningKeyState::Pending)).unwrap();
        assert_eq!(published, ring.generation);
    });
}

/// while nodes activate different keys, whoever looks sees one active key.
#[test]
fn no_reader_ever_sees_two_active_keys_or_none() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(25);
        let issuer = fixtures.issuer();
        let event = |action| fixtures.event(&Tenant::default(), action);
        let mut kids = Vec::new();
        for generation in 0..5 {
            let key = fixtures.signing_key(&issuer);
            kids.push((key.kid.clone(), key.activate_from));
            let publish = KeyTransition::Publish(key);
            let event = event(AuditAction::SigningKeyPublished);
            block_on(store.apply(&issuer, generation, publish, NOW, event)).unwrap();
        }
        let (first, later) = kids.split_first().unwrap();
        let now = kids.iter().map(|(_, from)| *from).max().unwrap();
        let activate = |kid: &fountain_core::identity::Kid| KeyTransition::Activate {
            kid: kid.clone(),
            remove_from: now,
        };
        let begin = event(AuditAction::SigningKeyActivated);
        block_on(store.apply(&issuer, 5, activate(&first.0), now, begin)).unwrap();

        let reader = {
            let (store, issuer) = (store.clone(), issuer.clone());
            shuttle::thread::spawn(move || {
                for _ in 0..8 {
                    let ring = block_on(store.ring(&issuer)).unwrap();
                    assert_eq!(in_state(&ring, SigningKeyState::Active), 1);
                }
            })
        };
        let outcomes = race(later.len(), |number| {
            let transition = activate(&later[number].0);
            let event = event(AuditAction::SigningKeyActivated);
            let (store, issuer) = (store.clone(), issuer.clone());
            async move {
                store
                    .apply(&issuer, 6, transition, now, event)
                    .await
                    .unwrap()
            }
        });
        reader.join().unwrap();
        let won = count(&outcomes, |o| {
            matches!(o, TransitionOutcome::Applied { .. })
        });
        let lost = count(&outcomes, |o| {
            matches!(o, TransitionOutcome::Moved { generation: 7 })
        });
        assert_eq!((won, lost), (1, later.len() - 1), "{outcomes:?}");
    });
}
