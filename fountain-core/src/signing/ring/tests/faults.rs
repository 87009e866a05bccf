use super::*;
use crate::audit::AuditAction;
use crate::signing::SigningKeyRecord;

/// F-02, R-90: nothing is signed or verified with what may be out of date.
#[tokio::test]
async fn a_store_that_does_not_answer_means_unavailable_once_the_bound_has_passed() {
    let world = World::edwards();
    let node = world.node();
    node.bootstrap().await.unwrap();
    let token = world.issue(&node).await;
    world.store.set_down(true);
    world.clock.advance(KeyringConfig::MAX_STALENESS);
    assert_eq!(
        world.verify(&node, &token).await,
        Ok(()),
        "within the bound"
    );
    world.clock.advance(MICRO);
    assert_eq!(
        *node.signer().await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(
        *node.jwks().await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(
        world.verify(&node, &token).await,
        Err(Reason::StoreUnavailable)
    );
    assert!(node.rotate(Actor::System).await.unwrap_err().is_retryable());
    assert!(node.advance().await.is_err() && node.bootstrap().await.is_err());
    world.store.set_down(false);
    assert_eq!(world.verify(&node, &token).await, Ok(()));
}

#[tokio::test]
async fn a_confirmed_feed_saves_the_questions_and_its_silence_brings_them_back() {
    let world = World::edwards();
    let node = world.node();
    node.bootstrap().await.unwrap();
    node.signer().await.unwrap();
    let before = world.store.reads();
    for _ in 0..100 {
        world.clock.advance(Duration::from_secs(1));
        node.trust.confirm(world.clock.monotonic());
        node.signer().await.unwrap();
        node.keys().await.unwrap();
    }
    assert_eq!(world.store.reads(), before);
    for _ in 0..10 {
        world.clock.advance(KeyringConfig::MAX_STALENESS + MICRO);
        node.signer().await.unwrap();
        node.keys().await.unwrap();
    }
    assert_eq!(world.store.reads(), before + 10);
}

/// B-50 for our own keys: invented key ids cause one question a second.
#[tokio::test]
async fn a_flood_of_unknown_key_ids_is_one_question_a_second() {
    let world = World::edwards();
    let node = world.node();
    node.bootstrap().await.unwrap();
    let good = world.issue(&node).await;
    let keys = node.keys().await.unwrap();
    let before = world.store.reads();
    for second in 1..=3 {
        for _ in 0..1_000 {
            assert!(node.keys_after(&keys).await.unwrap().is_none());
            assert_eq!(world.verify(&node, &good).await, Ok(()));
        }
        assert_eq!(world.store.reads(), before + second);
        world.clock.advance(Keyring::UNKNOWN_KEY_INTERVAL);
    }
    // the slot is taken before the question, so a store that is down is not asked more often
    world.store.set_down(true);
    let asked = world.store.reads();
    assert!(node.keys_after(&keys).await.is_err());
    for _ in 0..1_000 {
        assert!(node.keys_after(&keys).await.unwrap().is_none());
    }
    assert_eq!(world.store.reads(), asked + 1);
}

/// A hundred callers that find what they know too old share one question, and one failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_once_share_one_question_to_the_store() {
    let world = World::edwards();
    let node = Arc::new(world.node());
    node.bootstrap().await.unwrap();
    for down in [false, true] {
        world.clock.advance(KeyringConfig::MAX_STALENESS + MICRO);
        world.store.set_down(down);
        let before = world.store.reads();
        let turn = node.gate.turn().await; // until all of them are waiting
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let node = node.clone();
                tokio::spawn(async move { node.signer().await.is_ok() })
            })
            .collect();
        tokio::task::yield_now().await;
        while Arc::strong_count(&node) < 101 {
            tokio::task::yield_now().await;
        }
        drop(turn);
        for caller in callers {
            assert_eq!(caller.await.unwrap(), !down);
        }
        // callers that arrive after the first question has been answered with a failure may ask once more
        let asked = world.store.reads() - before;
        assert!(if down { asked < 100 } else { asked == 1 }, "{asked}");
    }
}

/// R-74, F-33
#[tokio::test]
async fn a_node_with_another_key_encryption_key_does_not_start_and_changes_nothing() {
    let world = World::edwards();
    world.node().bootstrap().await.unwrap();
    let before = world.ring().await;
    let wrong = world.node_with(b"another key-encryption key, also", |builder| builder);
    let error = wrong.bootstrap().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Corrupt);
    assert!(wrong.signer().await.is_err());

    let random = Arc::new(OsRandom);
    let other_id = LocalKeys::new(KekId::new("b").unwrap(), &KEK, random.clone()).unwrap();
    let mut missing = world.node();
    missing.sealer = Sealer::new(Arc::new(other_id), random);
    let error = missing.bootstrap().await.unwrap_err();
    let named = ErrorKind::Crypto("the key-encryption key is not configured");
    assert_eq!(*error.kind(), named);
    assert_eq!(world.ring().await, before);
}

async fn publish(world: &World, issuer: &Issuer, record: SigningKeyRecord) {
    let ring = world.store.inner.ring(issuer).await.unwrap();
    let now = world.now();
    let event = AuditEvent::new(
        &OsRandom,
        now,
        Tenant::default(),
        Actor::System,
        AuditAction::SigningKeyPublished,
    )
    .unwrap();
    let transition = KeyTransition::Publish(record);
    world
        .store
        .inner
        .apply(issuer, ring.generation, transition, now, event)
        .await
        .unwrap();
}

/// Who can write to the store, but has no key-encryption key, brings in no key: by a public half of their own, by a
/// record that was sealed elsewhere, by another algorithm or another issuer's row.
#[tokio::test]
async fn a_key_that_was_written_past_the_seal_is_never_trusted_published_or_activated() {
    let world = World::edwards();
    let node = world.node();
    let kid = node.bootstrap().await.unwrap();
    let own = world.ring().await.keys[0].clone();

    let attacker = World::edwards();
    let forged_kid = attacker
        .node_with(b"another key-encryption key, also", |builder| builder)
        .bootstrap()
        .await
        .unwrap();
    let forged = attacker.ring().await.keys[0].clone();

    let elsewhere = Issuer::new("https://other.example.com").unwrap();
    let mut foreign = world.clone();
    foreign.rules = TokenRules::builder()
        .issuer(elsewhere.as_str())
        .audience("orders")
        .algorithm(Algorithm::EdDsa)
        .max_life(LIFE)
        .build()
        .unwrap();
    let foreign_kid = foreign.node().bootstrap().await.unwrap();
    let copied = foreign.ring().await.keys[0].clone();

    let pending = |record: SigningKeyRecord, kid: &str| SigningKeyRecord {
        kid: Kid::new(kid).unwrap(),
        state: SigningKeyState::Pending,
        activated_at: None,
        activate_from: world.now(),
        ..record
    };
    for record in [
        pending(forged.clone(), forged_kid.as_str()),
        SigningKeyRecord {
            issuer: world.rules.issuer().clone(),
            ..pending(copied, foreign_kid.as_str())
        },
        pending(own.clone(), "renamed"),
        SigningKeyRecord {
            algorithm: Algorithm::Ed25519,
            ..pending(own.clone(), "other-algorithm")
        },
        SigningKeyRecord {
            public_jwk: forged.public_jwk.clone(),
            sealed: Vec::new(),
            ..pending(own.clone(), "unsealed")
        },
    ] {
        let name = record.kid.clone();
        publish(&world, world.rules.issuer(), record).await;
        node.trust.forget(world.rules.issuer());
        let keys = node.keys().await.unwrap();
        let found = crate::token::KeySource::by_kid(&*keys, &name).unwrap_err();
        assert_eq!(found, Reason::TokenKeyState);
        assert!(!node.jwks().await.unwrap().json().contains(name.as_str()));
        let refused = node.advance().await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Corrupt), "{refused}");
        assert_eq!(
            *node.signer().await.unwrap().kid(),
            kid,
            "the good key goes on"
        );
        node.revoke(&name, Actor::System, "forged").await.unwrap();
    }
}

/// The public half in the store is for people; ours comes from under the seal.
#[tokio::test]
async fn a_public_half_that_was_exchanged_in_the_store_is_not_published() {
    let world = World::edwards();
    let node = world.node();
    node.bootstrap().await.unwrap();
    let Rotation::Published { kid, .. } = node.rotate(Actor::System).await.unwrap() else {
        panic!("nothing was pending");
    };
    let record = world
        .ring()
        .await
        .keys
        .into_iter()
        .find(|record| record.kid == kid)
        .unwrap();
    let copy = World::edwards();
    let exchanged = SigningKeyRecord {
        public_jwk: "{\"kty\":\"forged\"}".to_owned(),
        ..record
    };
    publish(&copy, world.rules.issuer(), exchanged).await;
    let reader = copy.node();
    let json = reader.jwks().await.unwrap().json().to_owned();
    assert!(
        json.contains(kid.as_str()) && !json.contains("forged"),
        "{json}"
    );
}

/// F-21, R-103: a call that was dropped at any of its polls leaves a ring that goes on.
#[tokio::test]
async fn a_call_that_is_dropped_at_any_poll_leaves_one_key_at_most_of_each_kind() {
    type Call = fn(&Keyring) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    let calls: [Call; 4] = [
        |node| Box::pin(async move { drop(node.bootstrap().await) }),
        |node| Box::pin(async move { drop(node.rotate(Actor::System).await) }),
        |node| Box::pin(async move { drop(node.advance().await) }),
        |node| {
            Box::pin(async move {
                let kid = node.signer().await.unwrap().kid().clone();
                drop(node.revoke(&kid, Actor::System, "x").await);
            })
        },
    ];
    for (which, call) in calls.iter().enumerate() {
        for polls in 0..40 {
            let world = World::edwards();
            let (node, other) = (world.node(), world.node());
            if which > 0 {
                node.bootstrap().await.unwrap();
            }
            if which == 2 {
                node.rotate(Actor::System).await.unwrap();
                world.clock.advance(node.config().lead());
            }
            let mut future = call(&node);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            for _ in 0..polls {
                if future.as_mut().poll(&mut context).is_ready() {
                    break;
                }
            }
            drop(future);
            assert!(world.in_state(SigningKeyState::Active).await.len() <= 1);
            assert!(world.in_state(SigningKeyState::Pending).await.len() <= 1);
            let active = other.bootstrap().await.unwrap();
            assert_eq!(node.bootstrap().await.unwrap(), active);
            assert_eq!(*node.signer().await.unwrap().kid(), active);
        }
    }
}

/// F-42: no key, and nothing changed.
#[tokio::test]
async fn without_entropy_there_is_no_new_key() {
    let world = World::edwards();
    let mut node = world.node();
    node.random = Arc::new(crate::danger::InsecureFailingRandom);
    assert_eq!(
        *node.bootstrap().await.unwrap_err().kind(),
        ErrorKind::Entropy
    );
    assert_eq!(world.ring().await, KeyRing::default());
}

/// F-30: the wall clock jumps; memory is judged by the clock that does not.
#[tokio::test]
async fn a_jump_of_the_wall_clock_neither_refreshes_nor_ages_what_was_read() {
    let world = World::edwards();
    let node = world.node();
    node.bootstrap().await.unwrap();
    node.signer().await.unwrap();
    let (reads, now) = (world.store.reads(), world.now());
    for jump in [
        now - Duration::from_secs(3_600),
        now + Duration::from_secs(3_600),
    ] {
        world.clock.jump_to(jump);
        node.signer().await.unwrap();
        assert!(node.advance().await.is_ok());
    }
    assert_eq!(world.store.reads(), reads + 2, "the two schedules' own");
}

///
#[tokio::test]
async fn debug_shows_no_key() {
    let world = World::edwards();
    let node = world.node();
    node.bootstrap().await.unwrap();
    let snapshot = node.snapshot.load_full().unwrap();
    let shown = format!("{node:?} {:?}", snapshot.content.signer());
    let exported = "302e0201"; // how every PKCS#8 key begins
    assert!(
        !shown.contains("48, 46, 2, 1") && !shown.contains(exported),
        "{shown}"
    );
}
