use super::*;

/// the first key of sixteen nodes that start at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_nodes_that_start_at_once_make_one_first_key() {
    for _ in 0..20 {
        let world = World::edwards();
        let nodes: Vec<_> = (0..16).map(|_| Arc::new(world.node())).collect();
        let kids = together(nodes.clone(), |node| async move {
            node.bootstrap().await.unwrap()
        })
        .await;
        assert!(kids.iter().all(|kid| *kid == kids[0]));
        assert_eq!(world.ring().await.keys.len(), 1);
        for node in nodes {
            assert_eq!(*node.signer().await.unwrap().kid(), kids[0]);
        }
    }
}

/// R-26, F-27
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_rotators_at_once_one_publishes_and_fifteen_learn_of_it() {
    for _ in 0..20 {
        let world = World::edwards();
        let nodes: Vec<_> = (0..16).map(|_| Arc::new(world.node())).collect();
        nodes[0].bootstrap().await.unwrap();
        let outcomes = together(nodes, |node| async move {
            node.rotate(Actor::System).await.unwrap()
        })
        .await;
        let published: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Rotation::Published { kid, .. } => Some(kid.clone()),
                Rotation::AlreadyRotated { .. } => None,
            })
            .collect();
        assert_eq!(published.len(), 1);
        assert_eq!(world.in_state(SigningKeyState::Pending).await, published);
        let learned = outcomes.iter().filter(
            |outcome| matches!(outcome, Rotation::AlreadyRotated { kid } if *kid == published[0]),
        );
        assert_eq!(learned.count(), 15);
    }
}

///
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_schedules_at_once_take_each_step_once() {
    let world = World::edwards();
    let nodes: Vec<_> = (0..16).map(|_| Arc::new(world.node())).collect();
    nodes[0].bootstrap().await.unwrap();
    for (wait, field) in [
        (KeyringConfig::DEFAULT_ROTATION_INTERVAL, 0_usize),
        (nodes[0].config().lead(), 1),
        (nodes[0].config().tail(), 2),
    ] {
        world.clock.advance(wait);
        let done = together(nodes.clone(), |node| async move {
            node.advance().await.unwrap()
        })
        .await;
        let count = |pick: fn(&Advance) -> usize| done.iter().map(pick).sum::<usize>();
        let counts = [
            count(|advance| advance.published.len()),
            count(|advance| advance.activated.len()),
            count(|advance| advance.removed.len()),
        ];
        let mut expected = [0; 3];
        expected[field] = 1;
        assert_eq!(counts, expected);
    }
    assert_eq!(world.ring().await.keys.len(), 2);
}

/// L-01: to the microsecond, by the node's own judgement and by the store's.
#[tokio::test]
async fn a_key_does_not_sign_one_microsecond_before_its_time() {
    let world = World::edwards();
    let node = world.node();
    let first = node.bootstrap().await.unwrap();
    let Rotation::Published { kid, activate_from } = node.rotate(Actor::System).await.unwrap()
    else {
        panic!("nothing was pending");
    };
    assert_eq!(activate_from, world.now() + node.config().lead());
    assert!(
        node.config().lead() >= KeyringConfig::DEFAULT_JWKS_MAX_AGE + KeyringConfig::DEFAULT_SKEW
    );

    world.clock.advance(node.config().lead() - MICRO);
    assert!(node.advance().await.unwrap().is_empty());
    assert_eq!(*node.signer().await.unwrap().kid(), first);
    let ring = world.ring().await;
    let transition = KeyTransition::Activate {
        kid: kid.clone(),
        remove_from: activate_from,
    };
    let now = world.now();
    let event = AuditEvent::new(
        &OsRandom,
        now,
        Tenant::default(),
        Actor::System,
        crate::audit::AuditAction::SigningKeyActivated,
    )
    .unwrap();
    let outcome = world
        .store
        .inner
        .apply(
            world.rules.issuer(),
            ring.generation,
            transition,
            now,
            event,
        )
        .await
        .unwrap();
    assert_eq!(
        outcome,
        TransitionOutcome::TooEarly {
            until: activate_from
        }
    );

    world.clock.advance(MICRO);
    assert_eq!(
        node.advance().await.unwrap().activated,
        std::slice::from_ref(&kid)
    );
    assert_eq!(*node.signer().await.unwrap().kid(), kid);
    assert_eq!(world.in_state(SigningKeyState::Retired).await, [first]);
}

/// L-01, R-25
#[tokio::test]
async fn a_retired_key_is_not_removed_one_microsecond_before_its_last_token_has_died() {
    let world = World::edwards();
    let node = world.node();
    let first = node.bootstrap().await.unwrap();
    node.rotate(Actor::System).await.unwrap();
    world.clock.advance(node.config().lead());
    let last = world.issue(&node).await;
    node.advance().await.unwrap();
    assert!(node.config().tail() >= LIFE + TokenRules::DEFAULT_LEEWAY);

    world
        .clock
        .advance(LIFE + TokenRules::DEFAULT_LEEWAY - MICRO);
    assert_eq!(world.verify(&node, &last).await, Ok(()));
    world.clock.advance(MICRO);
    assert_eq!(world.verify(&node, &last).await, Err(Reason::TokenExpired));

    let rest = node.config().tail() - LIFE - TokenRules::DEFAULT_LEEWAY;
    world.clock.advance(rest - MICRO);
    assert!(node.advance().await.unwrap().is_empty());
    world.clock.advance(MICRO);
    assert_eq!(
        node.advance().await.unwrap().removed,
        std::slice::from_ref(&first)
    );
    let ring = world.ring().await;
    let removed = ring.keys.iter().find(|record| record.kid == first).unwrap();
    assert!(removed.sealed.is_empty());
    assert!(!node.jwks().await.unwrap().json().contains(first.as_str()));
}

/// R-25, L-01: a thousand rotations as fast as they may follow one another. One node signs, another verifies, and
/// a stranger keeps the JWK set for as long as it may.
#[tokio::test]
async fn a_thousand_rotations_refuse_no_token_and_accept_none_after_removal() {
    let world = World::edwards();
    let interval = Duration::from_secs(700);
    let node = || world.node_with(&KEK, |builder| builder.rotation_interval(interval));
    let (signer, verifier) = (node(), node());
    signer.bootstrap().await.unwrap();

    let step = Duration::from_secs(150);
    let mut stranger = (Timestamp::MIN, String::new());
    // the tokens that are alive, oldest first, and one token of each key that is not removed yet
    let mut alive = std::collections::VecDeque::new();
    let mut of_key: Vec<(Kid, String)> = Vec::new();
    let (mut rotations, mut verified, mut refused) = (0, 0, 0);
    while rotations < 1_000 {
        world.clock.advance(step);
        let now = world.now();
        if now.since(stranger.0) > KeyringConfig::DEFAULT_JWKS_MAX_AGE {
            stranger = (now, verifier.jwks().await.unwrap().json().to_owned());
        }
        let done = signer.advance().await.unwrap();
        rotations += done.activated.len();

        let kid = signer.signer().await.unwrap().kid().clone();
        let token = world.issue(&signer).await;
        assert!(
            stranger.1.contains(kid.as_str()),
            "a stranger lacks the key that signs"
        );
        if of_key.last().is_none_or(|(last, _)| *last != kid) {
            of_key.push((kid, token.clone()));
        }
        alive.push_back((now + LIFE, token));
        while alive
            .front()
            .is_some_and(|(expires_at, _)| *expires_at <= now)
        {
            alive.pop_front();
        }
        for (node, token) in [
            (&verifier, alive.front()),
            (&verifier, alive.back()),
            (&signer, alive.front()),
        ] {
            let (_, token) = token.expect("one was just issued");
            assert_eq!(world.verify(node, token).await, Ok(()), "a false refusal");
            verified += 1;
        }
        for removed in done.removed {
            let at = of_key
                .iter()
                .position(|(kid, _)| *kid == removed)
                .expect("it has signed");
            let (_, token) = of_key.remove(at);
            // as if it had been stolen and the verifier had no idea of time: the key alone decides
            verifier.trust.forget(world.rules.issuer());
            let keys = verifier.keys().await.unwrap();
            let long_ago = now - Duration::from_secs(6 * 700);
            let rejection = verify_access(&token, &world.rules, &*keys, long_ago).unwrap_err();
            assert_eq!(
                rejection.reason(),
                Reason::TokenKeyState,
                "accepted after removal"
            );
            refused += 1;
        }
    }
    assert!(verified > 10_000 && refused > 990, "{verified} {refused}");
    assert_eq!(world.in_state(SigningKeyState::Active).await.len(), 1);
    assert!(world.in_state(SigningKeyState::Retired).await.len() <= 3);
}

#[tokio::test]
async fn what_was_missed_while_nothing_ran_is_caught_up_with_in_order() {
    let world = World::edwards();
    let node = world.node();
    let first = node.bootstrap().await.unwrap();
    world.clock.advance(Duration::from_secs(400 * 86_400));
    let done = node.advance().await.unwrap();
    assert_eq!((done.published.len(), done.activated.len()), (1, 0));
    assert_eq!(*node.signer().await.unwrap().kid(), first);
    world.clock.advance(node.config().lead());
    assert_eq!(node.advance().await.unwrap().activated, done.published);
}

/// B-14
#[tokio::test]
async fn a_retired_key_verifies_what_it_signed_in_time_and_nothing_later() {
    let world = World::edwards();
    let (node, late) = (world.node(), world.node());
    node.bootstrap().await.unwrap();
    let stale_signer = late.signer().await.unwrap();
    node.rotate(Actor::System).await.unwrap();
    world.clock.advance(node.config().lead());
    node.advance().await.unwrap();
    let token = |after: Duration| {
        let issued = world.now() + after;
        let claims = AccessClaims::new(
            world.rules.issuer().clone(),
            Subject::new("u1").unwrap(),
            Audience::new("orders").unwrap(),
            ClientId::new("web").unwrap(),
            TokenId::new("t1").unwrap(),
            issued,
            issued + LIFE,
        );
        stale_signer.sign_access(&claims).unwrap()
    };
    let grace = Duration::from_secs(5 + 30);
    let (in_time, too_late) = (token(grace), token(grace + Duration::from_secs(1)));
    world.clock.advance(grace);
    assert_eq!(world.verify(&node, &in_time).await, Ok(()));
    assert_eq!(
        world.verify(&node, &too_late).await,
        Err(Reason::TokenKeyState)
    );
}

/// B-14
#[tokio::test]
async fn a_pending_key_is_listed_but_verifies_nothing() {
    let world = World::edwards();
    let node = world.node();
    node.bootstrap().await.unwrap();
    let Rotation::Published { kid, .. } = node.rotate(Actor::System).await.unwrap() else {
        panic!("nothing was pending");
    };
    assert!(node.jwks().await.unwrap().json().contains(kid.as_str()));
    let keys = node.keys().await.unwrap();
    let found = crate::token::KeySource::by_kid(&*keys, &kid).unwrap_err();
    assert_eq!(found, Reason::TokenKeyState);
}

/// what is served can be read back strictly, and says which of its keys is which.
#[tokio::test]
async fn the_published_set_holds_every_live_public_key_and_its_tag_follows_it() {
    for &algorithm in Algorithm::ALL {
        if algorithm.family() == Family::Rsa && algorithm != Algorithm::Rs256 {
            continue; // as RS256, and slow to make
        }
        let world = World::new(algorithm);
        let node = world.node();
        let first = node.bootstrap().await.unwrap();
        let one = node.jwks().await.unwrap();
        assert_eq!(one.max_age(), KeyringConfig::DEFAULT_JWKS_MAX_AGE);
        assert!(one.etag().starts_with('"') && one.etag().ends_with('"') && one.etag().len() == 45);
        node.rotate(Actor::System).await.unwrap();
        let two = node.jwks().await.unwrap();
        let read = crate::signing::Jwks::parse(two.json().as_bytes()).unwrap();
        if algorithm.is_symmetric() {
            assert_eq!(two.json(), "{\"keys\":[]}");
            assert_eq!(one, two);
        } else {
            assert_ne!(one.etag(), two.etag());
            assert_eq!((read.len(), read.skipped().len()), (2, 0));
            let key = read.find(first.as_str()).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(key.thumbprint().unwrap(), first);
        }
        let token = world.issue(&node).await;
        assert_eq!(world.verify(&world.node(), &token).await, Ok(()));
    }
}

#[tokio::test]
async fn a_secret_and_public_keys_never_stand_side_by_side() {
    let world = World::new(Algorithm::Hs256);
    world.node().bootstrap().await.unwrap();
    let public = World {
        rules: World::edwards().rules,
        ..world.clone()
    };
    let error = public.node().rotate(Actor::System).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidInput { .. }));
    assert_eq!(world.ring().await.keys.len(), 1);
}

/// every step leaves its trace, with who took it.
#[tokio::test]
async fn each_step_is_in_the_audit_trail() {
    use crate::audit::{AuditAction, AuditStore};
    let world = World::edwards();
    let node = world.node();
    let first = node.bootstrap().await.unwrap();
    let admin = Actor::Subject(Subject::new("admin").unwrap());
    node.rotate(admin.clone()).await.unwrap();
    node.rotate(admin.clone()).await.unwrap(); // changes nothing
    world.clock.advance(node.config().lead());
    node.advance().await.unwrap();
    world.clock.advance(node.config().tail());
    node.advance().await.unwrap();
    let active = node.signer().await.unwrap().kid().clone();
    node.revoke(&active, admin.clone(), "leaked").await.unwrap();
    let page = world
        .store
        .inner
        .page(&Tenant::default(), None, 100)
        .await
        .unwrap();
    let seen: Vec<_> = page
        .items
        .iter()
        .map(|item| (item.event.action, item.event.actor.clone()))
        .collect();
    use AuditAction::*;
    assert_eq!(
        seen,
        [
            (SigningKeyPublished, Actor::System),
            (SigningKeyActivated, Actor::System),
            (SigningKeyPublished, admin.clone()),
            (SigningKeyActivated, Actor::System),
            (SigningKeyRemoved, Actor::System),
            (SigningKeyRevoked, admin),
        ]
    );
    let target = |at: usize| page.items[at].event.target.clone().unwrap().id;
    assert_eq!(target(0), first.as_str());
    assert_eq!(page.items[3].event.details["retired"], first.as_str());
    assert_eq!(page.items[5].event.details["why"], "leaked");
    assert_eq!(target(5), active.as_str());
}
