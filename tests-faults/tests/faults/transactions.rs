//! What cancelled calls leave behind on the server.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fountain_tests_faults::{Link, Proxy, Server, pause};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Connection as _, PgPool};

/// Polls at most so often, a little time between; what came of it, if it was done.
pub(crate) async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        pause(Duration::from_micros(300)).await;
    }
    None
}

/// How many connections of the database sit in a transaction that nobody goes on with.
pub(crate) async fn idle_in_transaction(server: &Server) -> i64 {
    let mut beside = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(&mut beside)
    .await
    .unwrap()
}

async fn pool(address: &str, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .test_before_acquire(false)
        .connect(address)
        .await
        .unwrap()
}

/// F-22, the control: what the stores must not do. `begin()` of sqlx 0.9, dropped at the wrong moment, gives back a
/// connection whose transaction nobody ends. Were this test to fail, sqlx would have mended it.
#[tokio::test]
async fn a_dropped_begin_of_sqlx_leaves_a_transaction_open() {
    let server = Server::postgres(&[]).await;
    let proxy = Proxy::to(server.address()).await;
    let pool = pool(&server.url_through(proxy.address()), 1).await;
    proxy.set(Link::Slow(Duration::from_millis(1)));
    // A drop has to fall between a `BEGIN` and its answer, which no number of polls is sure to do.
    for _ in 0..10 {
        for polls in 1..=40 {
            drop(drop_after(polls, pool.begin()).await);
            pause(Duration::from_millis(20)).await;
            if idle_in_transaction(&server).await > 0 {
                return;
            }
        }
    }
    panic!("no transaction was left open");
}

/// The control's control: without a dropped future there is none.
#[tokio::test]
async fn a_begin_that_is_awaited_and_dropped_leaves_none_open() {
    let server = Server::postgres(&[]).await;
    let pool = pool(&server.url(), 1).await;
    for _ in 0..20 {
        drop(pool.begin().await.unwrap());
    }
    drop(pool.acquire().await.unwrap());
    assert_eq!(idle_in_transaction(&server).await, 0);
}
