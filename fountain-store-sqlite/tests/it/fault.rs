//! Locks, full disks and files that are not what they should be: everything fails closed, and recovers.

use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::api_key::{KeyChangeOutcome, KeyStore};
use fountain_core::audit::AuditAction;
use fountain_core::change::{ChangeCursor, ChangeFeed};
use fountain_core::signing::{KeyTransition, SigningKeyStore};
use fountain_core::{StoreErrorKind, Timestamp};
use fountain_store_sqlite::SqliteStore;

use crate::workbench::{Workbench, number, run};

mod login;

/// F-14, R-92
#[tokio::test]
async fn a_change_whose_event_cannot_be_recorded_is_rolled_back() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "CREATE TRIGGER full BEFORE INSERT ON fountain_audit BEGIN SELECT raise(ABORT, 'no'); END",
    )
    .await;

    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyRevoked);
    let revoked = KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event.clone()).await;
    assert_eq!(revoked.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(
        KeyStore::find(&store, &key.id).await.unwrap(),
        Some(key.clone())
    );
    assert_eq!(store.head().await.unwrap(), ChangeCursor(1));

    run(&mut beside, "DROP TRIGGER full").await;
    let revoked = KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event).await;
    assert_eq!(revoked.unwrap(), KeyChangeOutcome::Changed);
}

/// F-36: what fails after the first row of several leaves none; the others of the same commit stand.
#[tokio::test]
async fn one_failed_step_leaves_the_others_that_are_committed_with_it() {
    let bench = Workbench::new();
    let store = bench.open().await;
    run(
        &mut bench.beside().await,
        "CREATE TRIGGER unlucky BEFORE INSERT ON fountain_changes
         WHEN (SELECT count(*) FROM fountain_api_keys WHERE name = 'unlucky') > 0
         BEGIN SELECT raise(ABORT, 'no'); END",
    )
    .await;
    let inserts: Vec<_> = (0..64)
        .map(|at| {
            let mut record = bench.fixtures.api_key(&bench.tenant);
            if at % 4 == 1 {
                record.name = "unlucky".into();
            }
            let event = bench
                .fixtures
                .event(&bench.tenant, AuditAction::ApiKeyIssued);
            let store = store.clone();
            tokio::spawn(async move {
                (
                    record.name.clone(),
                    KeyStore::insert(&store, record, event).await,
                )
            })
        })
        .collect();
    for insert in inserts {
        let (name, outcome) = insert.await.unwrap();
        assert_eq!(outcome.is_err(), name == "unlucky", "{outcome:?}");
    }
    let mut beside = bench.beside().await;
    for table in ["fountain_api_keys", "fountain_audit", "fountain_changes"] {
        let count = number(&mut beside, &format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(count, 48, "{table}");
    }
}

///
#[tokio::test]
async fn while_somebody_holds_the_lock_calls_time_out_and_then_recover() {
    let bench = Workbench::new();
    let patience = Duration::from_millis(50);
    let store = bench.builder().patience(patience).open().await.unwrap();
    let key = bench.insert(&store).await.unwrap();
    let mut beside = bench.beside().await;
    run(&mut beside, "BEGIN IMMEDIATE").await;
    for _ in 0..3 {
        let error = bench.insert(&store).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout);
        assert!(error.is_retryable());
    }
    // Readers do not wait for a writer.
    assert_eq!(KeyStore::find(&store, &key.id).await.unwrap(), Some(key));
    run(&mut beside, "ROLLBACK").await;
    // A step that was given up may still be waiting within SQLite; the next one has its turn.
    let mut attempts = 0;
    while bench.insert(&store).await.is_err() {
        attempts += 1;
        assert!(attempts < 20, "the writer never came back");
    }
}

/// a full store refuses, evicts nothing, and works again when there is room.
#[tokio::test]
async fn a_full_file_refuses_changes_and_goes_on_answering() {
    let bench = Workbench::new();
    let store = bench.builder().max_bytes(400 * 1024).open().await.unwrap();
    let mut keys = Vec::new();
    let refused = loop {
        match bench.insert(&store).await {
            Ok(key) => keys.push(key),
            Err(error) => break error,
        }
        assert!(keys.len() < 10_000, "it was never full");
    };
    assert_eq!(refused.kind(), StoreErrorKind::Full);
    for key in &keys {
        assert_eq!(
            KeyStore::find(&store, &key.id).await.unwrap().as_ref(),
            Some(key)
        );
    }
    let mut beside = bench.beside().await;
    let stored = i64::try_from(keys.len()).unwrap();
    for table in ["fountain_api_keys", "fountain_audit", "fountain_changes"] {
        let count = number(&mut beside, &format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(count, stored, "{table}");
    }
    // The same store works again as soon as there is room.
    let gone = KeyStore::purge(&store, Timestamp::MAX, 50).await.unwrap();
    assert_eq!(gone, 50);
    bench.insert(&store).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_is_an_error_of_its_kind() {
    let bench = Workbench::new();
    let folder = bench.path().parent().unwrap().to_owned();
    let missing = SqliteStore::open(folder.join("none").join("fountain.db")).await;
    assert_eq!(missing.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let directory = SqliteStore::open(&folder).await;
    assert_eq!(directory.unwrap_err().kind(), StoreErrorKind::Unavailable);

    std::fs::write(
        bench.path(),
        "not a database, but long enough to look at".repeat(100),
    )
    .unwrap();
    let other = SqliteStore::open(bench.path()).await;
    assert_eq!(other.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

/// SQLite would make a store in memory of this name, one for every connection.
#[tokio::test]
async fn a_name_that_sqlite_reads_as_memory_is_a_file_all_the_same() {
    let bench = Workbench::new();
    let folder = bench.path().parent().unwrap().to_owned();
    for name in [":memory:", "file:x?mode=memory", "a b%20c"] {
        let path = folder.join(name);
        let store = SqliteStore::open(&path).await.unwrap();
        let key = bench.insert(&store).await.unwrap();
        assert_eq!(KeyStore::find(&store, &key.id).await.unwrap(), Some(key));
        assert!(path.is_file(), "{name}");
    }
    SqliteStore::open("").await.unwrap_err();
    SqliteStore::open("a\0b").await.unwrap_err();
}

/// What was wiped is not in the file any more, not even in its free space.
#[tokio::test]
async fn a_sealed_key_that_ended_leaves_no_trace_in_the_file() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let issuer = bench.fixtures.issuer();
    let mut key = bench.fixtures.signing_key(&issuer);
    key.sealed = b"sealed bytes that must not stay".repeat(40);
    let kid = key.kid.clone();
    let steps = [
        KeyTransition::Publish(key),
        KeyTransition::Revoke {
            kid,
            replacement: None,
        },
    ];
    let mut traces = Vec::new();
    for (generation, step) in (0..).zip(steps) {
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::SigningKeyPublished);
        store
            .apply(&issuer, generation, step, NOW, event)
            .await
            .unwrap();
        run(&mut bench.beside().await, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        let file = std::fs::read(bench.path()).unwrap();
        traces.push(
            file.windows(31)
                .any(|at| at == b"sealed bytes that must not stay"),
        );
    }
    assert_eq!(traces, [true, false]);
}

/// The tables are gone under a store that is open: everything is refused, nothing is made anew.
#[tokio::test]
async fn tables_that_vanish_are_a_schema_error() {
    let bench = Workbench::new();
    let store = bench.open().await;
    run(&mut bench.beside().await, "DROP TABLE fountain_api_keys").await;
    let found = KeyStore::find(&store, &bench.fixtures.key_id())
        .await
        .unwrap_err();
    assert_eq!(found.kind(), StoreErrorKind::Schema);
    let inserted = bench.insert(&store).await.unwrap_err();
    assert_eq!(inserted.kind(), StoreErrorKind::Schema);
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Workbench::new();
    let store = bench.open().await;
    bench.insert(&store).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(bench.path().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 3, "the file, its log and the log's index");
}

#[tokio::test]
async fn debug_shows_the_path_and_nothing_else() {
    let bench = Workbench::new();
    let shown = format!("{:?}", bench.open().await);
    assert!(
        shown.starts_with("SqliteStore { path:") && shown.ends_with(".. }"),
        "{shown}"
    );
}
