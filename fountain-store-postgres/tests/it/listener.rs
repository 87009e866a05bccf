use std::time::{Duration, Instant};

use fountain_core::change::{ChangeCursor, ChangeFeed};
use fountain_store_postgres::ChangeListener;

use crate::server::number;
use crate::workbench::Workbench;

/// Twenty changes one after the other, each read before the next is made: by polling alone this takes 20 s.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long real notifications take is what this is about"
)]
async fn a_change_on_one_node_wakes_the_other() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let mut listener = ChangeListener::new(bench.database.options());
    listener.changed().await;
    let began = Instant::now();
    for round in 1..=20 {
        bench.insert(&store).await.unwrap();
        while store.head().await.unwrap() < ChangeCursor(round) {
            listener.changed().await;
        }
        listener.changed().await;
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn what_is_told_while_nobody_waits_is_not_lost() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let mut listener = ChangeListener::new(bench.database.options());
    listener.changed().await;
    for _ in 0..5 {
        bench.insert(&store).await.unwrap();
    }
    let told = tokio::time::timeout(Duration::from_millis(900), listener.changed());
    assert!(told.await.is_ok(), "it waited for the poll");
}

/// A lost connection, or none at all, makes it a poll.
#[tokio::test]
async fn without_a_connection_it_polls() {
    let bench = Workbench::new().await;
    let mut beside = bench.beside().await;
    let mut listener =
        ChangeListener::new(bench.database.options()).poll(Duration::from_millis(50));
    listener.changed().await;
    let end_all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..3 {
        number(&mut beside, end_all).await;
        listener.changed().await;
    }
    let mut nowhere = ChangeListener::new(bench.database.options().database("fountain_nowhere"))
        .poll(Duration::from_millis(50));
    nowhere.changed().await;
    nowhere.changed().await;
}
