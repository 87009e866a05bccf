use std::borrow::Cow;

use fountain_conformance::NOW;
use fountain_core::StoreErrorKind;
use fountain_core::Timestamp;
use fountain_core::api_key::KeyStore;
use fountain_core::change::{Change, ChangeCursor, ChangeFeed};
use fountain_store_postgres::{MIGRATIONS, PostgresStore};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection, SqlSafeStr};

use crate::server::{Database, number, run};
use crate::workbench::Workbench;

/// A host's own migrator, with sqlx's default table.
async fn run_host_migrator(database: &Database) {
    let migrator = Migrator::with_migrations(vec![Migration::new(
        1,
        Cow::Borrowed("orders"),
        MigrationType::Simple,
        "CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders VALUES (7)".into_sql_str(),
        false,
    )]);
    let pool = database.pool(1);
    migrator.run(&pool).await.unwrap();
    pool.close().await;
}

async fn empty() -> Workbench {
    Workbench {
        database: Database::empty().await,
        ..Workbench::new().await
    }
}

#[tokio::test]
async fn a_host_keeps_its_tables_and_its_migrations_whoever_was_there_first() {
    for host_first in [true, false] {
        let bench = empty().await;
        if host_first {
            run_host_migrator(&bench.database).await;
        }
        let store = bench.open().await;
        bench.insert(&store).await.unwrap();
        let mut beside = bench.beside().await;
        let theirs = "SELECT count(*) FROM pg_class WHERE relname = '_sqlx_migrations'";
        assert_eq!(number(&mut beside, theirs).await, i64::from(host_first));
        // The host starts, or starts again: its migrator knows nothing of ours.
        run_host_migrator(&bench.database).await;
        bench.open().await;
        assert_eq!(number(&mut beside, "SELECT id FROM orders").await, 7);
        assert_eq!(
            number(&mut beside, "SELECT count(*) FROM _sqlx_migrations").await,
            1
        );
        assert_eq!(
            number(&mut beside, "SELECT count(*) FROM fountain._migrations").await,
            i64::try_from(MIGRATIONS.len()).unwrap()
        );
    }
}

#[tokio::test]
async fn everything_of_ours_is_in_our_schema() {
    let bench = empty().await;
    let mut beside = bench.beside().await;
    let all = "SELECT (SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                       WHERE n.nspname NOT IN ('fountain', 'pg_toast'))
                    + (SELECT count(*) FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
                       WHERE n.nspname <> 'fountain')";
    let before = number(&mut beside, all).await;
    bench.open().await;
    assert_eq!(number(&mut beside, all).await, before);
}

///
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_nodes_that_start_at_once_all_come_up_and_one_migrates() {
    for _ in 0..5 {
        let bench = empty().await;
        let nodes: Vec<_> = (0..8)
            .map(|_| {
                let builder = bench.builder().deadline(std::time::Duration::from_secs(30));
                tokio::spawn(async move { builder.build().await })
            })
            .collect();
        let mut stores = Vec::new();
        for node in nodes {
            stores.push(node.await.unwrap().expect("every one of them comes up"));
        }
        let record = bench.insert(&stores[0]).await.unwrap();
        for store in &stores {
            let found = KeyStore::find(store, &record.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(&record));
        }
        let mut beside = bench.beside().await;
        let migrations = number(&mut beside, "SELECT count(*) FROM fountain._migrations").await;
        assert_eq!(migrations, i64::try_from(MIGRATIONS.len()).unwrap());
    }
}

/// a node of this version works on newer tables as long as they say that it may.
#[tokio::test]
async fn newer_tables_are_served_while_they_say_so_and_refused_when_not() {
    let bench = Workbench::new().await;
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "UPDATE fountain.schema SET version = version + 1",
    )
    .await;
    let store = bench.open().await;
    bench.insert(&store).await.unwrap();

    run(
        &mut beside,
        "UPDATE fountain.schema SET serves_from = version",
    )
    .await;
    for migrate in [true, false] {
        let error = bench.builder().migrate(migrate).build().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Schema);
    }
    let error = PostgresStore::migrate(&bench.database.options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
    let newer = i64::from(MIGRATIONS.last().unwrap().version) + 1;
    let version = "SELECT version::bigint FROM fountain.schema";
    assert_eq!(number(&mut beside, version).await, newer);
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_ran_is_refused() {
    let bench = Workbench::new().await;
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "UPDATE fountain.schema SET version = 0, serves_from = 0",
    )
    .await;
    run(
        &mut beside,
        "UPDATE fountain._migrations SET checksum = '\\x00'",
    )
    .await;
    let error = bench.builder().build().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
}

/// F-37: one that fails, or whose node is killed, half way leaves nothing and holds nobody up.
#[tokio::test]
async fn a_migration_that_ends_half_way_leaves_nothing_behind() {
    let bench = empty().await;
    let mut beside = bench.beside().await;
    // The last function of the last migration is in the way.
    let last = "fountain.take_budgets(in_tenant text, keys bytea[], limits bigint[], windows bigint[], \
                now_at bigint, event_id text, event_tenant text, event text)";
    run(
        &mut beside,
        &format!(
            "CREATE SCHEMA fountain; CREATE FUNCTION {last} RETURNS int LANGUAGE sql AS 'SELECT 1'"
        ),
    )
    .await;
    bench.builder().build().await.unwrap_err();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'fountain'";
    assert_eq!(number(&mut beside, tables).await, 0);
    run(&mut beside, "DROP SCHEMA fountain CASCADE").await;

    // Killed: the lock and the transaction go with the connection.
    let mut killed = bench.beside().await;
    run(
        &mut killed,
        "BEGIN; SELECT pg_advisory_xact_lock(7381240360074832238); CREATE SCHEMA fountain",
    )
    .await;
    killed.close_hard().await.unwrap();
    bench.insert(&bench.open().await).await.unwrap();
}

#[tokio::test]
async fn a_host_may_run_the_plain_sql_with_its_own_tool() {
    let bench = empty().await;
    let refused = bench.builder().migrate(false).build().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Schema);

    let mut beside = bench.beside().await;
    for migration in MIGRATIONS {
        run(&mut beside, migration.sql).await;
    }
    let store = bench.builder().migrate(false).build().await.unwrap();
    bench.insert(&store).await.unwrap();
    // Nor is one who forgets to say so punished for it.
    bench.insert(&bench.open().await).await.unwrap();
}

/// R-108, L-13: nodes of version 1 work on the tables of version 2 beside new ones. What they wrote before the migration
/// has no time; what they write after it has, since they call the same function.
#[tokio::test]
async fn nodes_of_version_1_go_on_beside_nodes_that_keep_the_time_of_a_change() {
    let note = |name: &str| {
        format!(
            "SELECT fountain.note('{name}', 'default', '{{\"at\":-7}}', 'api_key', '', '7Kq3nX0aVb2LmZ9T')"
        )
    };
    let bench = empty().await;
    let mut old = bench.beside().await;
    run(&mut old, MIGRATIONS[0].sql).await;
    run(&mut old, &note("before")).await;
    // By a tool of the host's until now: it is not run again.
    let store = bench.open().await;
    run(&mut old, &note("after")).await;
    bench.insert(&store).await.unwrap();

    let batch = store.since(ChangeCursor(0), 10).await.unwrap();
    let times: Vec<_> = batch.changes.iter().map(|entry| entry.at).collect();
    assert_eq!(
        times,
        [None, Some(Timestamp::from_unix_micros(-7)), Some(NOW)]
    );
    let id = "7Kq3nX0aVb2LmZ9T".parse().unwrap();
    assert_eq!(batch.changes[0].change, Change::ApiKey { id });

    // What a node of version 1 asks when it starts, and when it reads the feed.
    let serves = "SELECT count(*) FROM fountain.schema WHERE version >= 1 AND serves_from <= 1";
    assert_eq!(number(&mut old, serves).await, 1);
    let read = "SELECT count(*) FROM (
        SELECT head, oldest, position, kind, scope, id FROM fountain.changes_since(0, 10)) AS seen
        WHERE head = 3 AND oldest = 1 AND kind = 'api_key'";
    assert_eq!(number(&mut old, read).await, 3);
}
