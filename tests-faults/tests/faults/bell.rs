//! Nodes whose truth is in PostgreSQL, and which wake each other by Redis: what the loss of that Redis costs.

use std::sync::Arc;
use std::time::Duration;

use fountain_core::Fountain;
use fountain_store_postgres::PostgresStore;
use fountain_store_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use fountain_store_redis::{ChangeListener, RedisBell, redis};
use fountain_tests_faults::{Link, Proxy, Server, within};
use tokio::task::JoinHandle;

use crate::world::{accepts, issue, options, pool, revoke, timed, wiring};

/// After which time no node may accept what another one has revoked (L-13): 5 s.
const BOUND: Duration = Duration::from_secs(5);
/// What a node waits at most between two readings of the feed (1 s), and what a busy machine adds.
const POLL: Duration = Duration::from_secs(2);

/// A node that follows the feed whenever it is woken, and each second.
struct Node {
    fountain: Fountain,
    following: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Node {
    async fn start(postgres: &str, redis: &str) -> Self {
        let client = redis::Client::open(redis).unwrap();
        // As a service does that must start without it.
        let config = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(500));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config);
        let bell = RedisBell::new(connection.unwrap(), RedisBell::CHANNEL);
        let store = PostgresStore::builder(pool(options(postgres), 4));
        let fountain = wiring(Arc::new(store.build().await.unwrap()))
            .change_bell(Arc::new(bell))
            .build()
            .await
            .unwrap();
        let mut listener = ChangeListener::new(client, RedisBell::CHANNEL);
        let follows = fountain.clone();
        let following = tokio::spawn(async move {
            loop {
                follows.follow().await.unwrap();
                listener.changed().await;
            }
        });
        Self {
            fountain,
            following,
        }
    }
}

/// Revokes on one node a key that the other remembers: how long the call took, and then the other to refuse.
async fn spread(nodes: &[Node; 2]) -> (Duration, Duration) {
    let [here, there] = nodes;
    let key = issue(&here.fountain).await.unwrap();
    assert_eq!(accepts(&there.fountain, &key).await, Ok(true));
    let (revoked, call) = timed(revoke(&here.fountain, &key)).await;
    revoked.unwrap();
    let (_, spread) = within("the other node refuses", BOUND, async || {
        (accepts(&there.fountain, &key).await == Ok(false)).then_some(())
    })
    .await;
    (call, spread)
}

/// The median of nine rounds, of the calls and of how long the other node took.
async fn medians(nodes: &[Node; 2]) -> (Duration, Duration) {
    let (mut calls, mut spreads) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let (call, spread) = spread(nodes).await;
        calls.push(call);
        spreads.push(spread);
    }
    calls.sort();
    spreads.sort();
    assert!(spreads.iter().all(|spread| *spread <= POLL), "{spreads:?}");
    let middle = |times: &[Duration]| *times.get(times.len() / 2).unwrap();
    (middle(&calls), middle(&spreads))
}

/// F-15, F-16, F-17, L-13, R-107: the truth is in PostgreSQL. A Redis that is gone, slow, silent, frozen, killed or empty
/// slows no call down, and every change takes effect everywhere by the poll.
#[tokio::test(flavor = "multi_thread")]
async fn losing_the_redis_that_wakes_nodes_costs_no_more_than_a_poll() {
    let postgres = Server::postgres(&[]).await;
    let mut redis = Server::redis(&[]).await;
    let proxy = Proxy::to(redis.address()).await;
    let url = redis.url_through(proxy.address());
    let nodes = [
        Node::start(&postgres.url(), &url).await,
        Node::start(&postgres.url(), &url).await,
    ];
    let woken = async |what: &str| {
        // Connections are made again within their pauses.
        within(what, Duration::from_secs(30), async || {
            let (_, spread) = spread(&nodes).await;
            (spread < Duration::from_millis(200)).then_some(())
        })
        .await;
        let (call, spread) = medians(&nodes).await;
        // A poll alone takes half a second in the median.
        assert!(spread < Duration::from_millis(300), "{what}: {spread:?}");
        call
    };
    let usual = woken("the bell wakes the other node").await;
    let by_the_poll = async |what: &str| {
        let (call, _) = medians(&nodes).await;
        // Nobody waits for Redis, whose patience is a second.
        let longest = usual * 5 + Duration::from_millis(100);
        assert!(call <= longest, "{what}: {call:?}, usually {usual:?}");
    };
    for link in [
        Link::Refused,
        Link::Slow(Duration::from_secs(2)),
        Link::BlackHole,
    ] {
        proxy.set_and_wait(link).await;
        by_the_poll(&format!("{link:?}")).await;
    }
    proxy.set_and_wait(Link::Good).await;
    redis.freeze();
    by_the_poll("frozen").await;
    redis.thaw();
    redis.kill().await;
    by_the_poll("killed").await;
    redis.wipe();
    redis.start().await;
    woken("the bell wakes it again").await;
}

/// F-15: a node starts although the Redis that is to wake it is not there.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_start_and_agree_without_the_redis_that_wakes_them() {
    let postgres = Server::postgres(&[]).await;
    let mut redis = Server::redis(&[]).await;
    let url = redis.url();
    redis.kill().await;
    let nodes = [
        Node::start(&postgres.url(), &url).await,
        Node::start(&postgres.url(), &url).await,
    ];
    medians(&nodes).await;
}
