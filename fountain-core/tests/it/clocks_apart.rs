//! Two nodes on one store whose clocks differ: a subject is revoked by the one that is behind.

use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::Authority;
use fountain_core::identity::ClientId;
use fountain_core::memory::MemoryStore;
use fountain_core::token::{IssuedTokens, NewTokens};
use fountain_core::{Actor, Fountain, ManualClock, Reason, Subject, Tenant, Timestamp};

use crate::support::DownRevocations;
use crate::tokens::builder;

struct Nodes {
    ahead: Fountain,
    behind: Fountain,
    behinds_clock: Arc<ManualClock>,
    behinds_revocations: Arc<DownRevocations>,
    alice: Subject,
}

/// Half a minute is the leeway of the rules; the clocks are 20 s apart.
async fn nodes() -> Nodes {
    let now = Timestamp::from_unix_seconds(1_900_000_000);
    let store = Arc::new(MemoryStore::new());
    let behinds_clock = Arc::new(ManualClock::at(now));
    let behinds_revocations = Arc::new(DownRevocations::new(store.clone()));
    let behind = builder(&store, &behinds_clock)
        .refresh_token_store(store.clone())
        .revocation_store(behinds_revocations.clone())
        .change_feed(store.clone())
        .build()
        .await
        .unwrap();
    let aheads_clock = Arc::new(ManualClock::at(now + Duration::from_secs(20)));
    let ahead = builder(&store, &aheads_clock).build().await.unwrap();
    let nodes = Nodes {
        ahead,
        behind,
        behinds_clock,
        behinds_revocations,
        alice: Subject::new("alice").unwrap(),
    };
    nodes
        .behind
        .subjects()
        .register(
            Authority::System,
            &Tenant::default(),
            &nodes.alice,
            ["clerk"],
        )
        .await
        .unwrap();
    nodes
}

/// A family of the node that is ahead, whose access token both nodes remember.
async fn issued_ahead(nodes: &Nodes) -> IssuedTokens {
    let new = NewTokens::new(nodes.alice.clone(), ClientId::new("web").unwrap());
    let issued = nodes.ahead.tokens().issue(&Actor::System, new).await;
    let issued = issued.unwrap();
    for node in [&nodes.ahead, &nodes.behind] {
        let token = issued.access.access_token.expose();
        node.tokens().verify(token).await.unwrap();
    }
    issued
}

async fn assert_revoked(node: &Fountain, issued: &IssuedTokens) {
    let token = issued.access.access_token.expose();
    let refused = node.tokens().verify(token).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::TokenRevoked);
}

/// its `iat` is later than the not-before of the subject, and it stays revoked to its last moment.
#[tokio::test]
async fn revoking_a_subject_covers_a_familys_token_from_a_clock_that_is_ahead() {
    let nodes = nodes().await;
    let issued = issued_ahead(&nodes).await;
    nodes
        .behind
        .tokens()
        .revoke_subject(&Actor::System, &Tenant::default(), &nodes.alice)
        .await
        .unwrap();
    assert_revoked(&nodes.behind, &issued).await;
    nodes.ahead.follow().await.unwrap();
    assert_revoked(&nodes.ahead, &issued).await;

    // It says that it ends 620 s from here, and is accepted for 30 s more.
    nodes.behinds_clock.advance(Duration::from_secs(649));
    nodes.behind.tick().await.unwrap();
    assert_revoked(&nodes.behind, &issued).await;
}

///
#[tokio::test]
async fn disabling_a_subject_covers_a_familys_token_from_a_clock_that_is_ahead() {
    let nodes = nodes().await;
    let issued = issued_ahead(&nodes).await;
    let tenant = Tenant::default();
    let subjects = nodes.behind.subjects();
    subjects
        .disable(Authority::System, &tenant, &nodes.alice)
        .await
        .unwrap();
    assert_revoked(&nodes.behind, &issued).await;
    nodes.ahead.follow().await.unwrap();
    assert_revoked(&nodes.ahead, &issued).await;
    nodes.behinds_clock.advance(Duration::from_secs(649));
    nodes.behind.tick().await.unwrap();
    assert_revoked(&nodes.behind, &issued).await;
}

/// L-13: what the first half ended is forgotten, though the second half did not happen.
#[tokio::test]
async fn a_subjects_revocation_that_stops_half_way_has_ended_the_families_everywhere() {
    let nodes = nodes().await;
    let tenant = Tenant::default();
    let issued = issued_ahead(&nodes).await;
    nodes.behinds_revocations.set_down(true);
    let tokens = nodes.behind.tokens();
    let half = tokens.revoke_subject(&Actor::System, &tenant, &nodes.alice);
    assert!(half.await.is_err());
    nodes.behinds_revocations.set_down(false);
    assert_revoked(&nodes.behind, &issued).await;
    nodes.ahead.follow().await.unwrap();
    assert_revoked(&nodes.ahead, &issued).await;

    let issued = issued_ahead(&nodes).await;
    nodes.behinds_revocations.set_down(true);
    let subjects = nodes.behind.subjects();
    let half = subjects.disable(Authority::System, &tenant, &nodes.alice);
    assert!(half.await.is_err());
    nodes.behinds_revocations.set_down(false);
    assert_revoked(&nodes.behind, &issued).await;
    nodes.ahead.follow().await.unwrap();
    assert_revoked(&nodes.ahead, &issued).await;
}
