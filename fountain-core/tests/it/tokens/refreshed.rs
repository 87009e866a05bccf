//! Refresh tokens: replay, grace, ends, bindings and races.

use super::*;

/// R1 -> R2 -> R3, replay R1: R3 is dead, and so is every access token of the family.
#[tokio::test]
async fn a_replayed_refresh_token_ends_its_family_and_its_access_tokens() {
    let node = node().await;
    let first = issue(&node, alice()).await;
    let second = refresh(&node, &first.refresh_token).await.unwrap();
    let third = refresh(&node, &second.refresh_token).await.unwrap();
    for tokens in [&first, &second, &third] {
        assert!(accepted(&node, tokens).await);
    }
    assert_eq!(
        reason(&refresh(&node, &first.refresh_token).await.unwrap_err()),
        Reason::RefreshReused
    );
    assert_eq!(
        reason(&refresh(&node, &third.refresh_token).await.unwrap_err()),
        Reason::RefreshRevoked
    );
    for tokens in [&first, &second, &third] {
        assert!(!accepted(&node, tokens).await);
    }
}

/// R-41, L-08: the boundary of the grace is 10 s, exactly.
#[tokio::test]
async fn a_retry_inside_the_grace_gets_the_identical_successor() {
    let node = node().await;
    let first = issue(&node, alice()).await;
    let second = refresh(&node, &first.refresh_token).await.unwrap();
    node.clock.advance(Duration::from_secs(10));
    let again = refresh(&node, &first.refresh_token).await.unwrap();
    assert_eq!(again.refresh_token.expose(), second.refresh_token.expose());
    assert_eq!(again.family, second.family);
    node.clock.advance(Duration::from_micros(1));
    assert_eq!(
        reason(&refresh(&node, &first.refresh_token).await.unwrap_err()),
        Reason::RefreshReused
    );
    assert!(refresh(&node, &second.refresh_token).await.is_err());
}

#[tokio::test]
async fn the_grace_ends_when_the_successor_is_used() {
    let node = node().await;
    let first = issue(&node, alice()).await;
    let second = refresh(&node, &first.refresh_token).await.unwrap();
    let _ = refresh(&node, &second.refresh_token).await.unwrap();
    assert_eq!(
        reason(&refresh(&node, &first.refresh_token).await.unwrap_err()),
        Reason::RefreshReused
    );
}

///
#[tokio::test]
async fn a_family_ends_idle_or_absolutely_and_no_use_extends_it_past_that() {
    let rules = || {
        RefreshRules::aal1()
            .absolute_life(Duration::from_secs(100))
            .idle_life(Duration::from_secs(60))
    };
    let node = node_with(|builder| builder.refresh(rules())).await;
    let idle = issue(&node, alice()).await;
    node.clock.advance(Duration::from_secs(60));
    assert_eq!(
        reason(&refresh(&node, &idle.refresh_token).await.unwrap_err()),
        Reason::RefreshExpired
    );

    let mut live = issue(&node, alice()).await;
    for _ in 0..3 {
        node.clock.advance(Duration::from_secs(33));
        live = refresh(&node, &live.refresh_token).await.unwrap();
    }
    node.clock.advance(Duration::from_secs(1));
    assert_eq!(
        reason(&refresh(&node, &live.refresh_token).await.unwrap_err()),
        Reason::RefreshExpired
    );
}

/// an access token does not outlive its family; the last one ends with it, to the second.
#[tokio::test]
async fn an_access_token_ends_with_its_family_at_the_latest() {
    let life = Duration::from_secs(1_000);
    let node = node_with(|builder| {
        builder.refresh(RefreshRules::aal1().absolute_life(life).idle_life(life))
    })
    .await;
    node.clock.advance(Duration::from_micros(500_000));
    let first = issue(&node, alice()).await;
    assert_eq!(first.access.expires_in, Duration::from_secs(600));
    let end = first.family_expires_at;
    assert_eq!(end, Timestamp::from_unix_micros(1_900_001_000_500_000));

    // 400 s before the end its own life is just what is left; a second later it is cut.
    node.clock.advance(Duration::from_secs(400));
    let mut last = refresh(&node, &first.refresh_token).await.unwrap();
    assert_eq!(last.access.expires_in, Duration::from_secs(600));
    for (step, left) in [(1, 599), (598, 1)] {
        node.clock.advance(Duration::from_secs(step));
        last = refresh(&node, &last.refresh_token).await.unwrap();
        assert_eq!(last.access.expires_in, Duration::from_secs(left));
        assert_eq!(
            last.access.expires_at,
            Timestamp::from_unix_seconds(1_900_001_000)
        );
        assert!(last.access.expires_at <= end && last.family_expires_at == end);
        assert!(accepted(&node, &last).await);
    }

    // In the family's last half second no token of whole seconds has a life to live.
    node.clock.advance(Duration::from_micros(999_999));
    assert!(node.clock.now() < end);
    let error = refresh(&node, &last.refresh_token).await.unwrap_err();
    assert_eq!(reason(&error), Reason::RefreshExpired);
}

/// R-44, B-66
#[tokio::test]
async fn a_refresh_token_is_bound_to_client_tenant_key_and_scope() {
    let node = node().await;
    let key = Digest::of(b"the holder's key");
    let read = Scope::new("orders:read").unwrap();
    let tokens = issue(&node, alice().bound_to(key).scope(read.clone())).await;
    let request = || RefreshRequest::new(tokens.refresh_token.clone(), client()).bound_to(key);
    let refused = [
        (
            RefreshRequest::new(tokens.refresh_token.clone(), client()),
            Reason::RefreshBinding,
        ),
        (
            RefreshRequest::new(
                tokens.refresh_token.clone(),
                ClientId::new("other").unwrap(),
            )
            .bound_to(key),
            Reason::RefreshBinding,
        ),
        (
            request().bound_to(Digest::of(b"another")),
            Reason::RefreshBinding,
        ),
        (
            request().tenant(Tenant::new("other").unwrap()),
            Reason::RefreshUnknown,
        ),
        (
            request().scopes(scopes(&["orders:read", "orders:write"])),
            Reason::RefreshScope,
        ),
        (
            request().scopes(scopes(&["orders:*"])),
            Reason::RefreshScope,
        ),
    ];
    let mut texts = BTreeSet::new();
    for (request, expected) in refused {
        let error = node.fountain.tokens().refresh(request).await.unwrap_err();
        assert_eq!(reason(&error), expected);
        texts.insert(error.rejection().to_string());
    }
    assert_eq!(texts.len(), 1, "one public face");
    // None of that spent the token.
    let narrow = node
        .fountain
        .tokens()
        .refresh(request().scopes(BTreeSet::new()))
        .await
        .unwrap();
    assert!(narrow.access.scopes.is_empty());
}

/// B-66
#[tokio::test]
async fn what_is_no_refresh_token_is_refused_without_asking_the_store() {
    let node = node().await;
    let tokens = issue(&node, alice()).await;
    let access = tokens.access.access_token.expose();
    let text = tokens.refresh_token.expose();
    for bad in [
        "",
        access,
        &text[1..],
        &text[..text.len() - 1],
        &format!("{text} "),
        "fntr_",
    ] {
        let error = refresh(&node, &Secret::from(bad.to_owned()))
            .await
            .unwrap_err();
        assert_eq!(reason(&error), Reason::RefreshUnknown);
    }
    assert!(node.fountain.tokens().verify(text).await.is_err());
}

/// R-40, F-25: with a grace, all 64 get the one child; without one, one wins and the family ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_uses_of_one_token_exactly_one_makes_a_child() {
    for grace in [Duration::from_secs(10), Duration::ZERO] {
        let node =
            Arc::new(node_with(|builder| builder.refresh(RefreshRules::aal1().grace(grace))).await);
        for _ in 0..20 {
            let first = issue(&node, alice()).await;
            let uses: Vec<_> = (0..64)
                .map(|_| {
                    let (node, token) = (node.clone(), first.refresh_token.clone());
                    tokio::spawn(async move { refresh(&node, &token).await })
                })
                .collect();
            let mut children = BTreeSet::new();
            let mut winners = 0;
            for used in uses {
                match used.await.unwrap() {
                    Ok(tokens) => {
                        winners += 1;
                        children.insert(tokens.refresh_token.expose().to_owned());
                    }
                    Err(error) => assert!(matches!(
                        reason(&error),
                        Reason::RefreshReused | Reason::RefreshRevoked
                    )),
                }
            }
            assert_eq!(children.len(), 1);
            assert_eq!(winners, if grace.is_zero() { 1 } else { 64 });
        }
    }
}
