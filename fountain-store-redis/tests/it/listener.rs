//! Waking other nodes: the listener, and the bell of nodes whose truth is elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fountain_core::change::{ChangeBell, ChangeCursor, ChangeFeed};
use fountain_store_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use fountain_store_redis::redis::{AsyncConnectionConfig, Client, PushInfo, PushKind};
use fountain_store_redis::{ChangeListener, RedisBell};
use fountain_tests_faults::{Server, within};
use tokio::time::timeout;

use crate::workbench::Workbench;

/// How long a ring may take to be heard on a busy machine, and less than what a listener polls.
const SOON: Duration = Duration::from_millis(900);

/// As a host has one that does not want to wait long for a server that came back.
async fn bell(url: &str) -> RedisBell {
    let config = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(500));
    let client = Client::open(url).unwrap();
    let connection = ConnectionManager::new_with_config(client, config).await;
    RedisBell::new(connection.unwrap(), RedisBell::CHANNEL)
}

fn listener(url: &str) -> ChangeListener {
    ChangeListener::new(Client::open(url).unwrap(), RedisBell::CHANNEL)
}

/// Whether a ring is heard before the poll would have run out; rings a few times, since a lost connection loses some.
async fn is_heard(bell: &RedisBell, listener: &mut ChangeListener) -> Option<()> {
    // What was told before.
    while timeout(Duration::from_millis(1), listener.changed())
        .await
        .is_ok()
    {}
    bell.ring();
    timeout(SOON, listener.changed()).await.ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long real messages take is what this is about"
)]
fn now() -> Instant {
    Instant::now()
}

/// Twenty changes one after the other, each read before the next is made: by polling alone this takes 20 s.
#[tokio::test]
async fn a_change_of_a_store_wakes_who_listens_on_its_channel() {
    let server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let store = bench.open().await;
    let mut listener = ChangeListener::new(bench.client.clone(), store.channel());
    listener.changed().await;
    let start = store.head().await.unwrap();
    let began = now();
    for round in 1..=20 {
        bench.insert(&store).await.unwrap();
        while store.head().await.unwrap() < ChangeCursor(start.0 + round) {
            listener.changed().await;
        }
        listener.changed().await;
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_is_told_while_nobody_waits_is_not_lost_and_is_told_once() {
    let server = Server::redis(&[]).await;
    let bench = Workbench::on(&server.url());
    let store = bench.open().await;
    let mut listener = ChangeListener::new(bench.client.clone(), store.channel());
    listener.changed().await;
    for _ in 0..5 {
        bench.insert(&store).await.unwrap();
    }
    // Behind the messages on the listener's own connection.
    let told = timeout(SOON, listener.changed());
    assert!(told.await.is_ok(), "it waited for the poll");
    // Five changes, one or two wakings: messages may be under way still.
    let mut more = 0;
    while timeout(Duration::from_millis(100), listener.changed())
        .await
        .is_ok()
    {
        more += 1;
    }
    assert!(more <= 4, "{more}");
}

/// Issue 3: a node that changed something rings, another one hears.
#[tokio::test]
async fn a_bell_is_heard_by_another_node() {
    let server = Server::redis(&[]).await;
    let bell = bell(&server.url()).await;
    let mut listeners = [listener(&server.url()), listener(&server.url())];
    for listener in &mut listeners {
        listener.changed().await;
    }
    for _ in 0..10 {
        bell.ring();
        for listener in &mut listeners {
            let heard = timeout(SOON, listener.changed());
            assert!(heard.await.is_ok(), "it waited for the poll");
        }
    }
}

/// F-16: with a server that does not answer, a ring waits for nobody, and a thousand of them become a few.
#[tokio::test]
async fn many_rings_become_few_and_wait_for_no_server() {
    let server = Server::redis(&[]).await;
    let url = server.url();
    let heard = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&heard);
    let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        if push.kind == PushKind::Message {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Ok::<_, std::convert::Infallible>(())
    });
    let client = Client::open(format!("{url}?protocol=resp3")).unwrap();
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = connection.await.unwrap();
    connection.subscribe(RedisBell::CHANNEL).await.unwrap();
    let bell = bell(&url).await;
    server.freeze();
    let began = now();
    for _ in 0..1_000 {
        bell.ring();
        tokio::task::yield_now().await;
    }
    let took = began.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
    server.thaw();
    within("a ring is heard", Duration::from_secs(10), async || {
        (heard.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    // The last one was followed by whatever still comes.
    bell.ring();
    within(
        "the bell rings still",
        Duration::from_secs(10),
        async || {
            bell.ring();
            (heard.load(Ordering::SeqCst) > 2).then_some(())
        },
    )
    .await;
    let heard = heard.load(Ordering::SeqCst);
    assert!(heard < 100, "{heard} of a thousand were published");
}

/// F-15, F-17: a server that is killed makes it a poll; when it is back, bell and listener find it by themselves.
#[tokio::test]
async fn after_the_server_was_killed_it_polls_and_then_hears_again() {
    let mut server = Server::redis(&[]).await;
    let bell = bell(&server.url()).await;
    let mut listener = listener(&server.url());
    listener.changed().await;
    is_heard(&bell, &mut listener).await.unwrap();
    server.kill().await;
    let began = now();
    // The first may be told of the loss at once; none waits longer than the poll.
    for _ in 0..3 {
        bell.ring();
        listener.changed().await;
    }
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1_500), "it spins: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    server.start().await;
    within("it hears again", Duration::from_secs(15), async || {
        is_heard(&bell, &mut listener).await
    })
    .await;
}

/// F-16: a connection that is open and dead is noticed by a sign of life that does not come.
#[tokio::test]
async fn a_connection_that_is_open_and_dead_is_given_up() {
    let frozen = Server::redis(&[]).await;
    let other = Server::redis(&[]).await;
    let bell = bell(&other.url()).await;
    let mut listener = listener(&frozen.url())
        .or(Client::open(other.url()).unwrap())
        .poll(Duration::from_millis(250));
    listener.changed().await;
    frozen.freeze();
    within(
        "it goes to the other one",
        Duration::from_secs(40),
        async || {
            bell.ring();
            timeout(Duration::from_millis(200), listener.changed())
                .await
                .ok()
        },
    )
    .await;
    frozen.thaw();
}

/// Nowhere, and no right: a poll.
#[tokio::test]
async fn without_a_connection_it_polls() {
    let server = Server::redis(&[]).await;
    let mut url = server.url();
    // A password that is not.
    url = url.replace(server.secret(), "wrong");
    let mut listener = listener(&url).poll(Duration::from_millis(50));
    let began = now();
    for _ in 0..5 {
        listener.changed().await;
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(250), "{took:?}");
    assert!(!format!("{listener:?}").contains("wrong"));
    let debug = format!("{:?}", bell(&server.url()).await);
    assert!(!debug.contains(server.secret()), "{debug}");
}
