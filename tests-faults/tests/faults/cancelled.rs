//! Calls that are dropped half-way, and a pool that others have emptied.

use std::fs;
use std::time::Duration;

use fountain_core::access::Authority;
use fountain_core::api_key::{KeyStore, Rotation};
use fountain_core::identity::ClientId;
use fountain_core::token::RefreshRequest;
use fountain_core::{Actor, ErrorKind, Fountain, Secret, StoreErrorKind, Subject, Tenant};
use tokio::task::{JoinSet, yield_now};

use crate::transactions::drop_after;
use crate::world::{
    CALL, SLACK, World, accepts, accepts_token, idle_in_transaction, issue, number, revoke,
    sign_in, timed,
};

/// F-21, F-22, R-103: every public call that changes something, dropped after 1 to 200 polls.
#[tokio::test(flavor = "multi_thread")]
async fn after_200_dropped_futures_of_each_call_all_is_consistent_and_nothing_open() {
    let world = World::with(&[], 4).await;
    let fountain = &world.node.fountain;
    let good = issue(fountain).await.unwrap();
    for polls in 1..=200 {
        drop_each(fountain, polls).await;
    }
    world.is_well_again(&good).await;
    assert_eq!(idle_in_transaction(&world.server).await, 0);
    let mut beside = world.beside().await;
    for (what, sql) in [
        (
            "a key without its event, or an event without its key",
            "SELECT (SELECT count(*) FROM fountain.api_keys)
                  - (SELECT count(*) FROM fountain.audit
                     WHERE event->>'action' IN ('api_key.issued', 'api_key.rotated'))",
        ),
        (
            "a revoked key without its event",
            "SELECT (SELECT count(*) FROM fountain.api_keys WHERE revoked_at IS NOT NULL)
                  - (SELECT count(*) FROM fountain.audit WHERE event->>'action' = 'api_key.revoked')",
        ),
        (
            "a key with two successors",
            "SELECT count(*) FROM (SELECT FROM fountain.api_keys WHERE predecessor IS NOT NULL
             GROUP BY predecessor HAVING count(*) > 1) AS twice",
        ),
        (
            "a living family without its one live token",
            "SELECT count(*) FROM fountain.families AS family WHERE 1 <> (
             SELECT count(*) FROM fountain.refresh_tokens WHERE family = family.id AND spent_at IS NULL)",
        ),
        (
            "a spent token without its event",
            "SELECT (SELECT count(*) FROM fountain.refresh_tokens WHERE spent_at IS NOT NULL)
                  - (SELECT count(*) FROM fountain.audit WHERE event->>'action' = 'token.refreshed')",
        ),
        (
            "an ended family that is not revoked",
            "SELECT (SELECT count(*) FROM fountain.families WHERE revoked_at IS NOT NULL)
                  - (SELECT count(*) FROM fountain.revocations WHERE kind = 'family')",
        ),
        (
            "a subject whose version is not the number of its events",
            "SELECT (SELECT sum(version)::bigint FROM fountain.subjects)
                  - (SELECT count(*) FROM fountain.audit WHERE event->>'action' LIKE 'subject.%')",
        ),
    ] {
        assert_eq!(number(&mut beside, sql).await, 0, "{what}");
    }
}

/// Drops each call after so many polls, and makes it again: what is asked for twice is there.
async fn drop_each(fountain: &Fountain, polls: usize) {
    let (tenant, actor) = (Tenant::default(), Actor::System);
    let by = Authority::System;
    let keys = fountain.api_keys();
    let cut = async |future: std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>| {
        if polls.is_multiple_of(8) {
            let _ = drop_after(polls, future).await;
        } else {
            let _ = drop_at_once_after(polls, future).await;
        }
    };

    cut(Box::pin(async { drop(issue(fountain).await) })).await;
    let key = issue(fountain).await.unwrap();
    let id = &key.record.id;
    cut(Box::pin(async {
        let _ = accepts(fountain, &key).await;
    }))
    .await;
    cut(Box::pin(async {
        drop(keys.rotate(by, &tenant, id, Rotation::new()).await)
    }))
    .await;
    match keys.rotate(by, &tenant, id, Rotation::new()).await {
        Ok(_) => {}
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Conflict(_)), "{error:?}"),
    }
    cut(Box::pin(async { drop(revoke(fountain, &key).await) })).await;
    revoke(fountain, &key).await.unwrap();
    assert_eq!(accepts(fountain, &key).await, Ok(false));

    cut(Box::pin(async { drop(sign_in(fountain, "alice").await) })).await;
    let tokens = sign_in(fountain, "alice").await.unwrap();
    let refresh = || {
        let token = Secret::from(tokens.refresh_token.expose().to_owned());
        fountain
            .tokens()
            .refresh(RefreshRequest::new(token, ClientId::new("web").unwrap()))
    };
    cut(Box::pin(async { drop(refresh().await) })).await;
    drop(refresh().await.unwrap());
    cut(Box::pin(async {
        let _ = accepts_token(fountain, &tokens).await;
    }))
    .await;
    let end = || {
        fountain
            .tokens()
            .revoke_family(&actor, &tenant, &tokens.family)
    };
    cut(Box::pin(async { drop(end().await) })).await;
    end().await.unwrap();
    assert_eq!(accepts_token(fountain, &tokens).await, Ok(false));

    let subject = Subject::new(format!("subject-{polls}")).unwrap();
    let subjects = fountain.subjects();
    cut(Box::pin(async {
        drop(subjects.register(by, &tenant, &subject, ["clerk"]).await)
    }))
    .await;
    drop(subjects.register(by, &tenant, &subject, ["clerk"]).await);
    cut(Box::pin(async {
        drop(subjects.assign(by, &tenant, &subject, ["admin"]).await)
    }))
    .await;
    let assigned = subjects
        .assign(by, &tenant, &subject, ["admin"])
        .await
        .unwrap();
    assert_eq!(assigned.version, 2);
    cut(Box::pin(async { drop(fountain.tick().await) })).await;
}

/// Polls at once, again and again, so that most polls fall into the first moments of a call.
async fn drop_at_once_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..polls {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// F-09, R-105: somebody has taken every connection; a thousand callers have their errors in time, and cost nothing.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_pool_empty_a_thousand_callers_are_told_in_time_and_all_is_well_at_once() {
    let world = World::with(&[], 4).await;
    let key = issue(&world.node.fountain).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(world.node.pool.acquire().await.unwrap());
    }
    let before = resident_bytes();
    let mut callers = JoinSet::new();
    for _ in 0..1_000 {
        let (store, id) = (world.node.store.clone(), key.record.id.clone());
        callers.spawn(async move { timed(KeyStore::find(&store, &id)).await });
    }
    let mut slowest = Duration::ZERO;
    for (found, took) in callers.join_all().await {
        assert_eq!(found.unwrap_err().kind(), StoreErrorKind::Timeout);
        slowest = slowest.max(took);
    }
    assert!(slowest <= CALL + SLACK, "{slowest:?}");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
    drop(taken);
    let (accepted, took) = timed(accepts(&world.node.fountain, &key)).await;
    assert_eq!(accepted, Ok(true));
    assert!(took <= CALL, "{took:?}");
    world.is_well_again(&key).await;
}

/// What this process holds in memory.
fn resident_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
