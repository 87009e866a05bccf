//! What is revoked, by whatever way, and what introspection says of it.

use super::*;

/// R-45
#[tokio::test]
async fn revoking_any_token_of_a_family_ends_all_of_it_and_unknown_ones_are_no_error() {
    let node = node().await;
    let tokens = node.fountain.tokens();
    let tenant = Tenant::default();
    for by_access in [true, false] {
        let issued = issue(&node, alice()).await;
        let text = match by_access {
            true => issued.access.access_token.expose(),
            false => issued.refresh_token.expose(),
        };
        let foreign = Tenant::new("other").unwrap();
        tokens.revoke(&Actor::System, &foreign, text).await.unwrap();
        assert!(
            accepted(&node, &issued).await,
            "another tenant's token is not there"
        );
        tokens.revoke(&Actor::System, &tenant, text).await.unwrap();
        tokens.revoke(&Actor::System, &tenant, text).await.unwrap();
        assert!(!accepted(&node, &issued).await);
        assert_eq!(
            reason(&refresh(&node, &issued.refresh_token).await.unwrap_err()),
            Reason::RefreshRevoked
        );
    }
    for unknown in ["", "x", "fntr_x", "a.b.c"] {
        tokens
            .revoke(&Actor::System, &tenant, unknown)
            .await
            .unwrap();
    }
}

/// R-45: an answer that nothing is left to revoke is true also when the family was forgotten before the token ends.
#[tokio::test]
async fn an_access_token_whose_family_is_forgotten_is_still_revoked() {
    let node = node().await;
    let signer = node.fountain.keyring().signer().await.unwrap();
    let claims = AccessClaims::decode(
        br#"{"iss":"https://auth.example.com","sub":"alice","aud":"orders","client_id":"web","jti":"t1",
             "iat":1900000000,"exp":1900000600,"sid":"0dGbAxGzOtFmbRpCVL4YmF"}"#,
    )
    .unwrap();
    let text = signer.sign_access(&claims).unwrap();
    let tokens = node.fountain.tokens();
    assert!(tokens.verify(&text).await.is_ok());
    tokens
        .revoke(&Actor::System, &Tenant::default(), &text)
        .await
        .unwrap();
    assert!(tokens.verify(&text).await.is_err());
}

/// R-45, R-27: the node that is asked to revoke does not know the key yet that another one signs with.
#[tokio::test]
async fn a_token_under_a_key_that_this_node_has_not_read_yet_is_revoked_all_the_same() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let store = Arc::new(MemoryStore::new());
    let here = builder(&store, &clock).build().await.unwrap();
    let there = builder(&store, &clock).build().await.unwrap();
    let ring = there.keyring();
    let old = ring.signer().await.unwrap().kid().clone();
    let _ = ring.rotate(Actor::System).await.unwrap();
    clock.advance(ring.config().lead());
    // What `here` knows of the ring is from before the activation, and fresh enough to be believed.
    here.follow().await.unwrap();
    here.keyring().keys().await.unwrap();
    there.tick().await.unwrap();
    assert_ne!(*ring.signer().await.unwrap().kid(), old);

    let issued = there.tokens().issue_access(&alice()).await.unwrap();
    let text = issued.access_token.expose();
    here.tokens()
        .revoke(&Actor::System, &Tenant::default(), text)
        .await
        .unwrap();
    there.follow().await.unwrap();
    assert!(there.tokens().verify(text).await.is_err());
}

#[tokio::test]
async fn an_access_token_alone_ends_by_its_id_and_others_live_on() {
    let node = node().await;
    let tokens = node.fountain.tokens();
    let one = tokens.issue_access(&alice()).await.unwrap();
    let other = tokens.issue_access(&alice()).await.unwrap();
    tokens
        .revoke(
            &Actor::System,
            &Tenant::default(),
            one.access_token.expose(),
        )
        .await
        .unwrap();
    assert!(tokens.verify(one.access_token.expose()).await.is_err());
    assert!(tokens.verify(other.access_token.expose()).await.is_ok());
}

#[tokio::test]
async fn revoking_a_subject_ends_every_token_issued_before_and_none_after() {
    let node = node().await;
    let tokens = node.fountain.tokens();
    let (tenant, subject) = (Tenant::default(), Subject::new("alice").unwrap());
    let family = issue(&node, alice()).await;
    let bob = issue(
        &node,
        NewTokens::new(Subject::new("bob").unwrap(), client()),
    )
    .await;
    assert_eq!(
        tokens
            .revoke_subject(&Actor::System, &tenant, &subject)
            .await
            .unwrap(),
        1
    );
    assert!(!accepted(&node, &family).await);
    assert!(refresh(&node, &family.refresh_token).await.is_err());
    assert!(accepted(&node, &bob).await);
    node.clock.advance(Duration::from_secs(1));
    let after = issue(&node, alice()).await;
    assert!(accepted(&node, &after).await);
}

/// R-45
#[tokio::test]
async fn introspection_says_nothing_of_what_is_not_active() {
    let node = node().await;
    let tokens = node.fountain.tokens();
    let tenant = Tenant::default();
    let issued = issue(&node, alice().scope(Scope::new("orders:read").unwrap())).await;
    let (access, refresh_token) = (
        issued.access.access_token.expose(),
        issued.refresh_token.expose(),
    );
    let seen = tokens.introspect(&tenant, access).await.unwrap();
    assert!(seen.active);
    assert_eq!(seen.sub.as_deref(), Some("alice"));
    assert_eq!(seen.exp, Some(1_900_000_600));
    assert!(
        tokens
            .introspect(&tenant, refresh_token)
            .await
            .unwrap()
            .active
    );

    let foreign = Tenant::new("other").unwrap();
    let mut inactive = vec![
        tokens.introspect(&foreign, access).await.unwrap(),
        tokens.introspect(&foreign, refresh_token).await.unwrap(),
        tokens.introspect(&tenant, "garbage").await.unwrap(),
    ];
    tokens
        .revoke(&Actor::System, &tenant, refresh_token)
        .await
        .unwrap();
    inactive.push(tokens.introspect(&tenant, access).await.unwrap());
    inactive.push(tokens.introspect(&tenant, refresh_token).await.unwrap());
    for answer in inactive {
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"active":false}"#
        );
    }
}

/// R-21, R-31, L-13: two nodes on one store.
#[tokio::test]
async fn a_revocation_is_felt_on_the_other_node_when_it_follows_and_at_once_when_it_does_not() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let store = Arc::new(MemoryStore::new());
    let revocations = Arc::new(CountingRevocations::new(store.clone()));
    let here = Node {
        fountain: builder(&store, &clock).build().await.unwrap(),
        clock: clock.clone(),
    };
    let there = Node {
        fountain: builder(&store, &clock)
            .refresh_token_store(store.clone())
            .revocation_store(revocations.clone())
            .change_feed(store.clone())
            .build()
            .await
            .unwrap(),
        clock: clock.clone(),
    };
    let issued = issue(&here, alice()).await;
    assert!(accepted(&there, &issued).await);
    assert!(accepted(&there, &issued).await);
    assert_eq!(revocations.asked(), 1, "the second time it was remembered");

    here.fountain
        .tokens()
        .revoke_family(&Actor::System, &Tenant::default(), &issued.family)
        .await
        .unwrap();
    there.fountain.follow().await.unwrap();
    assert!(!accepted(&there, &issued).await);

    // A node that does not follow: within the bound it may still believe, past it it asks.
    let issued = issue(&here, alice()).await;
    assert!(accepted(&there, &issued).await);
    here.fountain
        .tokens()
        .revoke_family(&Actor::System, &Tenant::default(), &issued.family)
        .await
        .unwrap();
    clock.advance(Duration::from_micros(5_000_001));
    assert!(!accepted(&there, &issued).await);
}

/// R-80: a store that does not answer is 503, never accepted, never "not revoked".
#[tokio::test]
async fn a_revocation_store_that_is_down_refuses_as_unavailable() {
    let store = Arc::new(MemoryStore::new());
    let down = Arc::new(DownRevocations::new(store.clone()));
    let node = node_with(|builder| {
        builder
            .refresh_token_store(store.clone())
            .revocation_store(down.clone())
            .change_feed(store.clone())
            .staleness(Duration::ZERO)
    })
    .await;
    let issued = issue(&node, alice()).await;
    assert!(accepted(&node, &issued).await);
    down.set_down(true);
    let text = issued.access.access_token.expose();
    let rejection = node.fountain.tokens().verify(text).await.unwrap_err();
    assert!(matches!(
        rejection.kind(),
        RejectionKind::Unavailable { .. }
    ));
    let error = node
        .fountain
        .tokens()
        .introspect(&Tenant::default(), text)
        .await
        .unwrap_err();
    assert!(matches!(
        error.rejection().kind(),
        RejectionKind::Unavailable { .. }
    ));
    down.set_down(false);
    assert!(accepted(&node, &issued).await);
}

/// R-31
#[tokio::test]
async fn a_revoked_signing_key_verifies_nothing_at_once() {
    let node = node().await;
    let issued = issue(&node, alice()).await;
    assert!(accepted(&node, &issued).await);
    let kid = node
        .fountain
        .keyring()
        .signer()
        .await
        .unwrap()
        .kid()
        .clone();
    node.fountain
        .keyring()
        .revoke(&kid, Actor::System, "leaked")
        .await
        .unwrap();
    assert!(!accepted(&node, &issued).await);
    let after = issue(&node, alice()).await;
    assert!(accepted(&node, &after).await);
}
