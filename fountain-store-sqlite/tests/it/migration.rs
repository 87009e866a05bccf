use std::borrow::Cow;
use std::sync::Arc;

use fountain_conformance::NOW;
use fountain_core::StoreErrorKind;
use fountain_core::api_key::KeyStore;
use fountain_core::change::{Change, ChangeCursor, ChangeFeed, RecordedChange};
use fountain_core::lockout::{AttemptOutcome, LockoutRules, LockoutStore};
use fountain_store_sqlite::{MIGRATIONS, SqliteStore};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlitePool};

use crate::workbench::{Workbench, connect, number, run};

/// A host's own migrator, with sqlx's default table.
fn host_migrator() -> Migrator {
    Migrator::with_migrations(vec![Migration::new(
        1,
        Cow::Borrowed("orders"),
        MigrationType::Simple,
        "CREATE TABLE orders (id INTEGER PRIMARY KEY); INSERT INTO orders VALUES (7)"
            .into_sql_str(),
        false,
    )])
}

async fn run_host_migrator(path: &std::path::Path) {
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let pool = SqlitePool::connect(&url).await.unwrap();
    host_migrator().run(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn a_host_that_was_there_first_keeps_its_tables_and_its_migrations() {
    let bench = Workbench::new();
    run_host_migrator(&bench.path()).await;

    let store = bench.open().await;
    bench.insert(&store).await.unwrap();
    store.close().await;

    // The host starts again: its migrator knows nothing of ours.
    run_host_migrator(&bench.path()).await;
    let mut beside = bench.beside().await;
    assert_eq!(number(&mut beside, "SELECT id FROM orders").await, 7);
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM _sqlx_migrations").await,
        1
    );
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM _fountain_migrations").await,
        i64::try_from(MIGRATIONS.len()).unwrap()
    );
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM fountain_api_keys").await,
        1
    );
}

#[tokio::test]
async fn a_host_that_comes_later_finds_no_migrations_of_its_own() {
    let bench = Workbench::new();
    bench.open().await.close().await;
    assert_eq!(
        number(
            &mut bench.beside().await,
            "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'"
        )
        .await,
        0
    );
    run_host_migrator(&bench.path()).await;
    bench.open().await;
}

#[tokio::test]
async fn every_table_and_index_of_ours_carries_our_prefix() {
    let bench = Workbench::new();
    bench.open().await;
    let strangers = number(
        &mut bench.beside().await,
        "SELECT count(*) FROM sqlite_master
         WHERE name NOT LIKE 'fountain\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
           AND name <> '_fountain_migrations'",
    )
    .await;
    assert_eq!(strangers, 0);
}

/// R-108
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_that_open_a_new_file_at_once_all_come_up() {
    for _ in 0..20 {
        let bench = Arc::new(Workbench::new());
        let openers: Vec<_> = (0..8)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.builder().open().await })
            })
            .collect();
        let mut stores = Vec::new();
        for opener in openers {
            stores.push(opener.await.unwrap().expect("every one of them comes up"));
        }
        let record = bench.insert(&stores[0]).await.unwrap();
        for store in &stores {
            assert_eq!(
                KeyStore::find(store, &record.id).await.unwrap(),
                Some(record.clone())
            );
        }
    }
}

#[tokio::test]
async fn opening_again_changes_nothing() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let record = bench.insert(&store).await.unwrap();
    store.close().await;
    let store = bench.open().await;
    assert_eq!(
        KeyStore::find(&store, &record.id).await.unwrap(),
        Some(record)
    );
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let bench = Workbench::new();
    bench.open().await.close().await;
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "UPDATE fountain_schema SET version = version + 1",
    )
    .await;

    let error = bench.builder().open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
    let newer = i64::from(MIGRATIONS.last().unwrap().version) + 1;
    assert_eq!(
        number(&mut beside, "SELECT version FROM fountain_schema").await,
        newer
    );
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_ran_is_refused() {
    let bench = Workbench::new();
    bench.open().await.close().await;
    let mut beside = bench.beside().await;
    run(&mut beside, "UPDATE fountain_schema SET version = 0").await;
    run(
        &mut beside,
        "UPDATE _fountain_migrations SET checksum = x'00'",
    )
    .await;
    let error = bench.builder().open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
}

/// F-37: killed half way, a migration leaves nothing; the next opening does it all.
#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_nothing_behind() {
    // The last table of the first migration is in the way, or that of the third.
    for table in ["fountain_changes", "fountain_budgets"] {
        let bench = Workbench::new();
        let mut beside = bench.beside().await;
        let create = format!("CREATE TABLE {table} (position INTEGER)");
        run(&mut beside, &create).await;
        bench.builder().open().await.unwrap_err();
        let tables = "SELECT count(*) FROM sqlite_master WHERE name LIKE '%fountain%'";
        assert_eq!(number(&mut beside, tables).await, 1, "{table}");

        run(&mut beside, &format!("DROP TABLE {table}")).await;
        bench.insert(&bench.open().await).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_of_version_2_keeps_what_it_holds_and_gets_the_tables_of_version_3() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let record = bench.insert(&store).await.unwrap();
    store.close().await;
    let mut beside = bench.beside().await;
    for table in [
        "fountain_credentials",
        "fountain_factors",
        "fountain_recovery_codes",
        "fountain_challenges",
        "fountain_lockouts",
        "fountain_budgets",
    ] {
        run(&mut beside, &format!("DROP TABLE {table}")).await;
    }
    run(
        &mut beside,
        "DELETE FROM _fountain_migrations WHERE version = 3;
         UPDATE fountain_schema SET version = 2",
    )
    .await;

    let refused = bench.builder().migrate(false).open().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Schema);
    let store = bench.open().await;
    assert_eq!(
        KeyStore::find(&store, &record.id).await.unwrap(),
        Some(record)
    );
    let (fixtures, rules) = (&bench.fixtures, LockoutRules::default());
    let attempt = fixtures.attempt_on(&bench.tenant, fixtures.lockout_key(), rules);
    assert!(matches!(
        store.attempt(attempt).await.unwrap(),
        AttemptOutcome::Counted { failures: 1, .. }
    ));
}

#[tokio::test]
async fn a_host_may_run_the_plain_sql_with_its_own_tool() {
    let bench = Workbench::new();
    let refused = bench.builder().migrate(false).open().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Schema);

    let mut beside = connect(&bench.path()).await;
    for migration in MIGRATIONS {
        run(&mut beside, migration.sql).await;
    }
    let store = bench.builder().migrate(false).open().await.unwrap();
    bench.insert(&store).await.unwrap();
    // Nor is one who forgets to say so punished for it.
    let store: SqliteStore = bench.open().await;
    bench.insert(&store).await.unwrap();
}

/// L-13: what a process of version 1 wrote, and goes on writing while it has the file open, has no time and is read all
/// the same; and it can read what is new.
#[tokio::test]
async fn a_process_of_version_1_goes_on_beside_one_that_keeps_the_time_of_a_change() {
    let write = r#"INSERT INTO fountain_changes (change) VALUES ('{"kind":"api_key","id":"7Kq3nX0aVb2LmZ9T"}')"#;
    let bench = Workbench::new();
    let mut old = bench.beside().await;
    run(&mut old, MIGRATIONS[0].sql).await;
    run(&mut old, write).await;
    // By a tool of the host's until now: it is not run again.
    let store = bench.open().await;
    run(&mut old, write).await;
    let key = bench.insert(&store).await.unwrap();

    let batch = store.since(ChangeCursor(0), 10).await.unwrap();
    let entry = |id, at| RecordedChange {
        change: Change::ApiKey { id },
        at,
    };
    let of_old = entry("7Kq3nX0aVb2LmZ9T".parse().unwrap(), None);
    assert_eq!(
        batch.changes,
        [of_old.clone(), of_old, entry(key.id, Some(NOW))]
    );
    let read =
        "SELECT count(*) FROM (SELECT position, change FROM fountain_changes WHERE position > 0)";
    assert_eq!(number(&mut old, read).await, 3);
}
