//! How a `Fountain` is wired, and its chores.

use super::*;

#[tokio::test]
async fn every_mistake_in_the_wiring_is_named_at_once() {
    let errors = Fountain::builder(Arc::new(MemoryStore::new()))
        .staleness(Duration::from_secs(6))
        .remember(0)
        .build()
        .await
        .unwrap_err();
    let text = errors.to_string();
    for setting in [
        "issuer",
        "audience",
        "roles",
        "key_encryption",
        "staleness",
        "remember",
    ] {
        assert!(text.contains(setting), "{setting}: {text}");
    }
    assert_eq!(errors.iter().count(), 6);
}

/// R-74, F-33: a wrong key-encryption key is named, and nothing stored is overwritten.
#[tokio::test]
async fn a_wrong_key_encryption_key_fails_the_start_and_leaves_the_ring_alone() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let store = Arc::new(MemoryStore::new());
    let good = builder(&store, &clock).build().await.unwrap();
    let kid = good.keyring().signer().await.unwrap().kid().clone();
    let wrong = LocalKeys::new(KekId::new("test").unwrap(), &kek(2), Arc::new(OsRandom));
    let other = LocalKeys::new(KekId::new("other").unwrap(), &kek(3), Arc::new(OsRandom));
    for keys in [wrong.unwrap(), other.unwrap()] {
        let errors = builder(&store, &clock)
            .key_encryption(Arc::new(keys))
            .build()
            .await
            .unwrap_err();
        assert!(
            errors.to_string().contains("key-encryption key"),
            "{errors}"
        );
    }
    let again = builder(&store, &clock).build().await.unwrap();
    assert_eq!(*again.keyring().signer().await.unwrap().kid(), kid);
}

#[tokio::test]
async fn a_tick_does_the_chores_once_a_minute() {
    let node = node().await;
    assert!(node.fountain.tick().await.unwrap().chores);
    assert!(!node.fountain.tick().await.unwrap().chores);
    node.clock.advance(Duration::from_secs(60));
    assert!(node.fountain.tick().await.unwrap().chores);
}

///
#[tokio::test]
async fn ended_families_and_revocations_are_removed() {
    let node = node().await;
    let issued = issue(&node, alice()).await;
    let other = issue(&node, alice()).await;
    node.fountain
        .tokens()
        .revoke_family(&Actor::System, &Tenant::default(), &issued.family)
        .await
        .unwrap();
    node.fountain.tick().await.unwrap();
    node.clock
        .advance(Duration::from_secs(30 * 24 * 3_600 + 3_600 + 1));
    let tick = node.fountain.tick().await.unwrap();
    assert_eq!(tick.purged, 3, "two families and a revocation");
    assert!(refresh(&node, &other.refresh_token).await.is_err());
    assert!(node.clock.now() > other.family_expires_at);
}

/// F-30, R-21
#[tokio::test]
async fn a_node_whose_clock_jumped_ahead_forgets_no_revocation_for_the_others() {
    let node = node().await;
    let alone = node.fountain.tokens().issue_access(&alice()).await.unwrap();
    let text = alone.access_token.expose();
    let tenant = Tenant::default();
    let tokens = node.fountain.tokens();
    tokens.revoke(&Actor::System, &tenant, text).await.unwrap();

    // The jump has purged by the time that the clock is right again.
    let right = node.clock.now();
    node.clock.jump_to(right + Duration::from_secs(3_600));
    assert!(node.fountain.tick().await.unwrap().chores);
    node.clock.jump_to(right);
    assert!(tokens.verify(text).await.is_err());
}
