//! Redis has a replica, and something that puts it in the primary's place: a Sentinel, or a cluster.

use std::sync::Arc;
use std::time::Duration;

use fountain_core::api_key::IssuedApiKey;
use fountain_core::{ErrorKind, Fountain, Reason};
use fountain_store_redis::redis::cluster::ClusterClient;
use fountain_store_redis::redis::sentinel::{
    SentinelClient, SentinelNodeConnectionInfo, SentinelServerType,
};
use fountain_store_redis::redis::{self, IntoConnectionInfo as _};
use fountain_store_redis::{RedisStore, redis::aio::ConnectionLike};
use fountain_tests_faults::{Server, within};

use crate::world::{CALL, SLACK, accepts, issue, revoke, timed, wiring};

/// How long a Sentinel or a cluster may take to put a replica in the place of who is gone, on a busy machine.
const FAIL_OVER: Duration = Duration::from_secs(20);

async fn node<C>(connection: C) -> Option<Fountain>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    let store = RedisStore::builder(connection)
        .accept_volatile_security_state()
        .open()
        .await
        .ok()?;
    let built = wiring(Arc::new(store)).staleness(Duration::ZERO).build();
    built.await.ok()
}

/// A key that is good, and one that was revoked.
async fn good_and_revoked(fountain: &Fountain) -> [IssuedApiKey; 2] {
    let [good, revoked] = [issue(fountain).await, issue(fountain).await].map(Result::unwrap);
    revoke(fountain, &revoked).await.unwrap();
    assert_eq!(accepts(fountain, &good).await, Ok(true));
    assert_eq!(accepts(fountain, &revoked).await, Ok(false));
    [good, revoked]
}

/// Waits until a replica has all that this primary has written.
async fn replicated(primary: &Server) {
    let client = redis::Client::open(primary.url()).unwrap();
    let mut asked = client.get_multiplexed_async_connection().await.unwrap();
    within("the replica has everything", FAIL_OVER, async || {
        let said: String = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut asked)
            .await
            .ok()?;
        let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name));
        let here = field("master_repl_offset:")?;
        let there = field("slave0:")?
            .split(',')
            .find_map(|part| part.strip_prefix("offset="))?;
        (here == there).then_some(())
    })
    .await;
}

/// F-18: behind a Sentinel. While there is no primary, nothing is decided and nothing changed; when there is one again, what
/// was revoked is, and the old connection never writes to who is a replica by then.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_sentinel_nothing_is_decided_until_there_is_a_primary_again() {
    let mut primary = Server::redis(&["repl-diskless-sync-delay 0"]).await;
    let _replica = primary.replica().await;
    let sentinel = primary.sentinel().await;
    let settings = primary.url().into_connection_info().unwrap();
    let settings = SentinelNodeConnectionInfo::default()
        .set_redis_connection_info(settings.redis_settings().clone());
    let mut client = SentinelClient::build(
        vec![sentinel.url()],
        String::from("fountain"),
        Some(settings),
        SentinelServerType::Master,
    )
    .unwrap();

    let connection = client.get_async_connection().await.unwrap();
    let before = node(connection).await.unwrap();
    let [good, revoked] = good_and_revoked(&before).await;
    replicated(&primary).await;
    // A Sentinel hears of replicas when it asks the primary, every ten seconds.
    let asked = redis::Client::open(sentinel.url()).unwrap();
    let mut asked = asked.get_multiplexed_async_connection().await.unwrap();
    within("the Sentinel knows of the replica", FAIL_OVER, async || {
        let mut ask = redis::cmd("SENTINEL");
        let known: Vec<redis::Value> = ask
            .arg("REPLICAS")
            .arg("fountain")
            .query_async(&mut asked)
            .await
            .ok()?;
        (!known.is_empty()).then_some(())
    })
    .await;

    primary.kill().await;
    for key in [&good, &revoked] {
        assert_eq!(accepts(&before, key).await, Err(Reason::StoreUnavailable));
    }
    let (made, took) = timed(revoke(&before, &good)).await;
    assert_eq!(*made.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(took <= CALL + SLACK, "{took:?}");

    let (after, _) = within("there is a primary again", FAIL_OVER, async || {
        node(client.get_async_connection().await.ok()?).await
    })
    .await;
    assert_eq!(accepts(&after, &good).await, Ok(true));
    assert_eq!(accepts(&after, &revoked).await, Ok(false));
    revoke(&after, &good).await.unwrap();
    assert_eq!(accepts(&after, &good).await, Ok(false));
    // The node on the old connection has nobody to ask, and lets nobody in.
    assert_eq!(accepts(&before, &good).await, Err(Reason::StoreUnavailable));
    assert!(issue(&before).await.is_err());
}

/// F-18: in a cluster, whose client finds the new primary by itself.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_a_node_goes_on_when_its_primary_was_replaced() {
    let mut servers = Server::redis_cluster().await;
    let client = ClusterClient::new(servers.iter().map(Server::url).collect::<Vec<_>>()).unwrap();
    let (fountain, _) = within("the cluster is whole", FAIL_OVER, async || {
        node(client.get_async_connection().await.ok()?).await
    })
    .await;
    let [good, revoked] = good_and_revoked(&fountain).await;

    let held = holder(&servers).await;
    replicated(&servers[held]).await;
    servers[held].kill().await;
    for key in [&good, &revoked] {
        assert_ne!(accepts(&fountain, key).await, Ok(true), "nobody can know");
    }
    within("a replica takes over", FAIL_OVER, async || {
        (accepts(&fountain, &good).await == Ok(true)).then_some(())
    })
    .await;
    assert_eq!(accepts(&fountain, &revoked).await, Ok(false));
    revoke(&fountain, &good).await.unwrap();
    assert_eq!(accepts(&fountain, &good).await, Ok(false));

    // Who comes back follows: nothing that it had before counts.
    servers[held].start().await;
    assert_eq!(accepts(&fountain, &good).await, Ok(false));
    assert_eq!(accepts(&fountain, &revoked).await, Ok(false));
    assert!(issue(&fountain).await.is_ok());
}

/// Which server has what Fountain stores: all of it is in one slot.
async fn holder(servers: &[Server]) -> usize {
    for (at, server) in servers.iter().enumerate() {
        let client = redis::Client::open(server.url()).unwrap();
        let mut asked = client.get_multiplexed_async_connection().await.unwrap();
        let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut asked).await.unwrap();
        let is_primary = role.first() == Some(&redis::Value::BulkString(b"master".to_vec()));
        let size: i64 = redis::cmd("DBSIZE").query_async(&mut asked).await.unwrap();
        if is_primary && size > 0 {
            return at;
        }
    }
    panic!("no primary holds anything");
}
