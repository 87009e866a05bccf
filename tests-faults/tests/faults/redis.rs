//! Redis does not answer, answers late, or has forgotten: alone, and beside a PostgreSQL that holds what must last.

use std::sync::Arc;
use std::time::Duration;

use fountain_core::{Actor, ErrorKind, Fountain, Reason, Tenant};
use fountain_store_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use fountain_store_redis::{RedisStore, redis};
use fountain_tests_faults::{Link, Proxy, Server, within};

use crate::world::{
    CALL, DECISION, RECOVERY, SLACK, accepts, accepts_token, issue, revoke, sign_in, timed, wiring,
};

/// A node on Redis alone, behind a proxy.
async fn node(server: &Server, proxy: &Proxy, staleness: Duration) -> Fountain {
    let store = store(&server.url_through(proxy.address())).await;
    let built = wiring(Arc::new(store)).staleness(staleness).build().await;
    built.unwrap()
}

pub(crate) async fn store(url: &str) -> RedisStore {
    let client = redis::Client::open(url).unwrap();
    // Its pauses between attempts double; without an end to that, a long outage is followed by a long pause.
    let config = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(500));
    let connection = ConnectionManager::new_with_config(client, config).await;
    RedisStore::builder(connection.unwrap())
        .accept_volatile_security_state()
        .open()
        .await
        .unwrap()
}

/// F-15, F-16: down, late by more than the patience, or silent, it is 503 in time and no decision; then all is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_down_late_or_silent_is_no_decision_in_time() {
    let server = Server::redis(&[]).await;
    let proxy = Proxy::to(server.address()).await;
    let fountain = node(&server, &proxy, Duration::ZERO).await;
    let (good, revoked) = (
        issue(&fountain).await.unwrap(),
        issue(&fountain).await.unwrap(),
    );
    revoke(&fountain, &revoked).await.unwrap();
    let tokens = sign_in(&fountain, "alice").await.unwrap();
    for link in [
        Link::Refused,
        Link::Slow(Duration::from_secs(2)),
        Link::BlackHole,
    ] {
        proxy.set_and_wait(link).await;
        for key in [&good, &revoked] {
            let (answer, took) = timed(accepts(&fountain, key)).await;
            assert_eq!(answer, Err(Reason::StoreUnavailable), "{link:?}");
            assert!(took <= DECISION + SLACK, "{link:?}: {took:?}");
        }
        assert!(accepts_token(&fountain, &tokens).await.is_err(), "{link:?}");
        let (made, took) = timed(revoke(&fountain, &revoked)).await;
        assert_eq!(
            *made.unwrap_err().kind(),
            ErrorKind::Unavailable,
            "{link:?}"
        );
        assert!(took <= CALL + SLACK, "{link:?}: {took:?}");
        proxy.set_and_wait(Link::Good).await;
        within("it answers again", RECOVERY, async || {
            (accepts(&fountain, &good).await == Ok(true)).then_some(())
        })
        .await;
        assert_eq!(accepts(&fountain, &revoked).await, Ok(false));
        assert_eq!(accepts_token(&fountain, &tokens).await, Ok(true));
    }
}

/// F-17: restarted empty, it knows nothing, and nothing is what it lets in: not the keys that were good, and not the
/// tokens whose revocations are lost, since the key that signed them is lost as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_was_restarted_empty_lets_nothing_in() {
    let mut server = Server::redis(&[]).await;
    let proxy = Proxy::to(server.address()).await;
    let fountain = node(&server, &proxy, Duration::from_secs(5)).await;
    fountain.follow().await.unwrap();
    let (good, revoked) = (
        issue(&fountain).await.unwrap(),
        issue(&fountain).await.unwrap(),
    );
    let (open, ended) = (
        sign_in(&fountain, "alice").await.unwrap(),
        sign_in(&fountain, "bob").await.unwrap(),
    );
    revoke(&fountain, &revoked).await.unwrap();
    fountain
        .tokens()
        .revoke(
            &Actor::System,
            &Tenant::default(),
            ended.refresh_token.expose(),
        )
        .await
        .unwrap();
    assert_eq!(accepts(&fountain, &good).await, Ok(true));
    assert_eq!(accepts_token(&fountain, &open).await, Ok(true));
    assert_eq!(accepts_token(&fountain, &ended).await, Ok(false));
    server.kill().await;
    server.start().await;
    within("the feed tells that it was lost", RECOVERY, async || {
        fountain.follow().await.ok()
    })
    .await;
    for key in [&good, &revoked] {
        assert_ne!(accepts(&fountain, key).await, Ok(true));
    }
    for tokens in [&open, &ended] {
        assert_ne!(accepts_token(&fountain, tokens).await, Ok(true));
    }
}

/// F-18, L-13: a fail-over to a replica that had not heard of the newest changes. What they were is lost, which the host
/// has accepted in words; but no node goes on believing what it remembers from before.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_fail_over_that_lost_changes_no_memory_outlives_its_revocation() {
    let primary = Server::redis(&["repl-diskless-sync-delay 0"]).await;
    let replica = Server::redis(&[]).await;
    let proxy = Proxy::to(primary.address()).await;
    let fountain = node(&primary, &proxy, Duration::from_secs(5)).await;
    let (kept, other) = (
        issue(&fountain).await.unwrap(),
        issue(&fountain).await.unwrap(),
    );
    let (lost, spare) = (
        issue(&fountain).await.unwrap(),
        issue(&fountain).await.unwrap(),
    );

    let url = primary.url_through(proxy.address());
    let port = primary.address().port().to_string();
    let mut to_replica = redis::Client::open(replica.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    for words in [
        vec!["CONFIG", "SET", "masterauth", primary.secret()],
        // Clients log in where they are led to as they did before.
        vec!["CONFIG", "SET", "requirepass", primary.secret()],
        vec!["REPLICAOF", "127.0.0.1", &port],
    ] {
        let mut command = redis::Cmd::new();
        command.arg(&words);
        let () = command.query_async(&mut to_replica).await.unwrap();
    }
    within("the replica has followed", RECOVERY, async || {
        let role: String = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut to_replica)
            .await
            .ok()?;
        role.contains("master_link_status:up").then_some(())
    })
    .await;
    fountain.follow().await.unwrap();
    // The replica hears of nothing more. The primary acknowledges all the same.
    replica.freeze();
    for key in [&lost, &spare] {
        revoke(&fountain, key).await.unwrap();
    }
    assert_eq!(fountain.follow().await.unwrap(), 2);
    assert_eq!(accepts(&fountain, &kept).await, Ok(true));

    proxy.lead_to(replica.address());
    drop(primary);
    replica.thaw();
    let () = redis::cmd("REPLICAOF")
        .arg("NO")
        .arg("ONE")
        .query_async(&mut to_replica)
        .await
        .unwrap();
    proxy.cut();
    // Another node, which makes as many changes as were lost, so that the feed stands where it stood.
    let beside = wiring(Arc::new(store(&url).await))
        .staleness(Duration::ZERO)
        .build()
        .await
        .unwrap();
    for key in [&other, &kept] {
        revoke(&beside, key).await.unwrap();
    }
    within("the node follows", RECOVERY, async || {
        fountain.follow().await.ok()
    })
    .await;
    assert_eq!(accepts(&fountain, &kept).await, Ok(false));
    assert_eq!(accepts(&fountain, &other).await, Ok(false));
}

/// F-15, F-17, R-107: with PostgreSQL for all that must last, a Redis beside it that is down, late or empty opens nothing
/// and closes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_a_redis_beside_postgres_opens_nothing_and_closes_nothing() {
    let world = crate::world::World::new().await;
    let mut server = Server::redis(&[]).await;
    let proxy = Proxy::to(server.address()).await;
    let redis = store(&server.url_through(proxy.address())).await;
    // What of today's traits may be lost: the trail of what was no change.
    let fountain = wiring(Arc::new(world.node.store.clone()))
        .audit_store(Arc::new(redis))
        .build()
        .await
        .unwrap();
    fountain.follow().await.unwrap();
    let (good, revoked) = (
        issue(&fountain).await.unwrap(),
        issue(&fountain).await.unwrap(),
    );
    let ended = sign_in(&fountain, "bob").await.unwrap();
    revoke(&fountain, &revoked).await.unwrap();
    fountain
        .tokens()
        .revoke_family(&Actor::System, &Tenant::default(), &ended.family)
        .await
        .unwrap();
    let unchanged = async || {
        fountain.follow().await.unwrap();
        assert_eq!(accepts(&fountain, &good).await, Ok(true));
        assert_eq!(accepts(&fountain, &revoked).await, Ok(false));
        assert_eq!(accepts_token(&fountain, &ended).await, Ok(false));
        revoke(&fountain, &issue(&fountain).await.unwrap())
            .await
            .unwrap();
    };
    for link in [
        Link::Refused,
        Link::Slow(Duration::from_secs(2)),
        Link::BlackHole,
    ] {
        proxy.set_and_wait(link).await;
        assert!(
            fountain
                .audit()
                .page(&Tenant::default(), None, 1)
                .await
                .is_err()
        );
        unchanged().await;
    }
    proxy.set_and_wait(Link::Good).await;
    server.kill().await;
    unchanged().await;
    server.wipe();
    server.start().await;
    unchanged().await;
    within("it is asked again", RECOVERY, async || {
        fountain
            .audit()
            .page(&Tenant::default(), None, 1)
            .await
            .ok()
    })
    .await;
}
