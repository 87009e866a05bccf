//! A fail-over to a server that is behind.

use fountain_core::{ErrorKind, Reason};
use fountain_tests_faults::within;
use sqlx::ConnectOptions as _;

use crate::world::{
    RECOVERY, World, accepts, accepts_token, issue, number, options, revoke, sign_in,
};

/// F-06: a standby that lags behind, here by all that happened since, is believed nothing and told nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_behind_neither_answers_nor_takes_changes() {
    let world = World::new().await;
    let fountain = &world.node.fountain;
    let key = issue(fountain).await.unwrap();
    let tokens = sign_in(fountain, "alice").await.unwrap();
    let standby = world.server.standby_left_behind().await;
    revoke(fountain, &key).await.unwrap();
    fountain
        .tokens()
        .revoke(
            &fountain_core::Actor::System,
            &fountain_core::Tenant::default(),
            tokens.refresh_token.expose(),
        )
        .await
        .unwrap();
    assert_eq!(accepts(fountain, &key).await, Ok(false));

    // To the standby nothing has happened yet: its answer would be wrong.
    let mut behind = options(&standby.url()).connect().await.unwrap();
    let good = "SELECT count(*) FROM fountain.api_keys WHERE revoked_at IS NULL";
    assert_eq!(number(&mut behind, good).await, 1);

    world.proxy.lead_to(standby.address());
    world.proxy.cut();
    let mut asked = 0;
    for _ in 0..20 {
        for answer in [
            accepts(fountain, &key).await,
            accepts_token(fountain, &tokens).await,
        ] {
            assert_eq!(answer, Err(Reason::StoreUnavailable));
            asked += 1;
        }
        let error = revoke(fountain, &key).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unavailable);
        assert!(fountain.follow().await.is_err());
    }
    assert_eq!(asked, 40);

    world.proxy.lead_to(world.server.address());
    world.proxy.cut();
    within("the primary answers", RECOVERY, async || {
        (accepts(fountain, &key).await == Ok(false)).then_some(())
    })
    .await;
    assert_eq!(accepts_token(fountain, &tokens).await, Ok(false));
}

/// F-06, R-106, L-13: a standby that became the primary without the newest changes has another feed. A node that had
/// read those must not take the changes that get their places now for read.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_fail_over_that_lost_changes_no_memory_outlives_its_revocation() {
    let world = World::new().await;
    let writer = &world.node.fountain;
    let (kept, other) = (issue(writer).await.unwrap(), issue(writer).await.unwrap());
    let mut spare = Vec::new();
    for _ in 0..4 {
        spare.push(issue(writer).await.unwrap());
    }
    let reader = world.remembering().await.fountain;
    let standby = world.server.standby_left_behind().await;
    // Two changes that the standby will never have, and that the reader has read.
    for key in &spare[..2] {
        revoke(writer, key).await.unwrap();
    }
    assert_eq!(reader.follow().await.unwrap(), 2);
    assert_eq!(accepts(&reader, &kept).await, Ok(true));

    let mut behind = options(&standby.url()).connect().await.unwrap();
    sqlx::query("SELECT pg_promote()")
        .execute(&mut behind)
        .await
        .unwrap();
    world.proxy.lead_to(standby.address());
    world.proxy.cut();
    within("the new primary takes changes", RECOVERY, async || {
        revoke(writer, &other).await.ok()
    })
    .await;
    // As many as were lost, so that the feed stands where it stood.
    revoke(writer, &kept).await.unwrap();
    within("the reader follows", RECOVERY, async || {
        reader.follow().await.ok()
    })
    .await;
    assert_eq!(accepts(&reader, &kept).await, Ok(false));
}
