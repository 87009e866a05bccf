//! R-43, F-11: a process that is killed at any moment loses no acknowledged change and leaves none half done.
//!
//! The child is this test binary again, told by its arguments to run [`a_child_rotates_until_it_is_killed`] alone.
//! It says on its standard output what was acknowledged, line by line; the parent kills it in the middle.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fountain_conformance::{Fixtures, NOW};
use fountain_core::api_key::{KeyId, KeyStore, RotateKeyOutcome};
use fountain_core::audit::AuditAction;
use fountain_core::token::{RefreshOutcome, RefreshTokenStore};
use fountain_core::{Digest, StoreErrorKind, Tenant};
use fountain_store_sqlite::SqliteStore;

use crate::workbench::{Workbench, connect, hex, number};

mod spent;

const CHILD_FILE: &str = "FOUNTAIN_SQLITE_CRASH_FILE";
const CHILD_SEED: &str = "FOUNTAIN_SQLITE_CRASH_SEED";
const KEY: &str = "acknowledged key ";
const TOKEN: &str = "acknowledged token ";

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // After a kill there is nobody to read it; that is the end of this child either way.
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// What a parent told this child.
#[expect(
    clippy::disallowed_methods,
    reason = "how a parent tells its child what to do"
)]
fn orders() -> (String, u64) {
    match (std::env::var(CHILD_FILE), std::env::var(CHILD_SEED)) {
        (Ok(path), Ok(seed)) => (path, seed.parse().unwrap()),
        _ => panic!("started without a parent"),
    }
}

/// Not a test: the child of the one below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "only as the child of a_killed_process_loses_nothing_that_it_acknowledged"]
async fn a_child_rotates_until_it_is_killed() {
    let (path, seed) = orders();
    let store = SqliteStore::open(path).await.unwrap();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (store, fixtures) = (store.clone(), Fixtures::seeded(seed * 100 + worker));
            tokio::spawn(async move {
                if worker % 2 == 0 {
                    rotate_keys(&store, &fixtures).await;
                } else {
                    rotate_tokens(&store, &fixtures).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

async fn rotate_keys(store: &SqliteStore, fixtures: &Fixtures) {
    let tenant = Tenant::default();
    let mut current = fixtures.api_key(&tenant);
    let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
    KeyStore::insert(store, current.clone(), event)
        .await
        .unwrap();
    loop {
        let next = fixtures.successor_of(&current);
        let event = fixtures.event(&tenant, AuditAction::ApiKeyRotated);
        let outcome = store
            .rotate(&tenant, &current.id, next.clone(), NOW, NOW, event)
            .await
            .unwrap();
        assert!(matches!(outcome, RotateKeyOutcome::Rotated { .. }));
        say(&format!("{KEY}{} {}", current.id, next.id));
        current = next;
    }
}

async fn rotate_tokens(store: &SqliteStore, fixtures: &Fixtures) {
    let tenant = Tenant::default();
    let family = fixtures.family(&tenant);
    let first = fixtures.refresh_token();
    let mut current = first.digest;
    let event = fixtures.event(&tenant, AuditAction::TokenIssued);
    RefreshTokenStore::insert(store, family.clone(), first, event)
        .await
        .unwrap();
    loop {
        let attempt = fixtures.use_of(&family, current);
        let next = attempt.successor.digest;
        let outcome = store.use_token(attempt).await.unwrap();
        assert!(matches!(outcome, RefreshOutcome::Rotated { .. }));
        say(&format!("{TOKEN}{} {}", hex(&current), hex(&next)));
        current = next;
    }
}

fn unhex(text: &str) -> Digest {
    let bytes: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect();
    Digest::from_bytes(bytes.try_into().unwrap())
}

/// This test binary again, to run one function alone.
fn child(command: &mut Command, function: &str, path: &Path, seed: u64) -> Child {
    command
        .args(["--exact", function, "--ignored", "--nocapture"])
        .env(CHILD_FILE, path)
        .env(CHILD_SEED, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn acknowledged(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .filter(|line| line.starts_with("acknowledged "))
}

/// What the child said before it was killed, behind `lines` lines.
fn run_child_and_kill_it(function: &str, path: &Path, seed: u64, lines: usize) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = child(&mut command, function, path, seed);
    let mut said = acknowledged(&mut child);
    let mut heard: Vec<_> = said.by_ref().take(lines).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // What is still in the pipe was acknowledged as well.
    heard.extend(said);
    heard
}

/// Not a test: the child of the one below. It goes on until the system lets it write no more.
#[cfg(unix)]
#[tokio::test]
#[ignore = "only as the child of a_disk_that_fails_loses_nothing_and_is_survived"]
async fn a_child_inserts_until_the_disk_fails() {
    let (path, seed) = orders();
    let store = SqliteStore::open(path).await.unwrap();
    let (fixtures, tenant) = (Fixtures::seeded(seed), Tenant::default());
    let mut last = None;
    let error = loop {
        let record = fixtures.api_key(&tenant);
        let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
        match KeyStore::insert(&store, record.clone(), event).await {
            Ok(_) => say(&format!("{KEY}{}", record.id)),
            Err(error) => break error,
        }
        last = Some(record);
    };
    // Refused, and not one of them by a wrong answer; what is stored still can be read.
    assert!(
        matches!(
            error.kind(),
            StoreErrorKind::Unavailable | StoreErrorKind::Full
        ),
        "{error:?}"
    );
    let last = last.expect("some got through before");
    let found = KeyStore::find(&store, &last.id).await.unwrap();
    assert_eq!(found, Some(last));
    say("acknowledged the end");
}

/// F-14, R-106: writes fail below SQLite (the system's bound on the size of files), in the log or in the file.
#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_fails_loses_nothing_and_is_survived() {
    let bench = Workbench::new();
    let mut command = Command::new("sh");
    // In blocks of 512 bytes. Without the trap the signal would kill it, which is the other test's part.
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 4000; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    let function = "crash::a_child_inserts_until_the_disk_fails";
    let mut child = child(&mut command, function, &bench.path(), 99);
    let mut heard: Vec<_> = acknowledged(&mut child).collect();
    assert!(child.wait().unwrap().success(), "{heard:?}");
    assert_eq!(heard.pop().as_deref(), Some("acknowledged the end"));
    assert!(heard.len() > 10, "the bound was too low to tell anything");

    let store = SqliteStore::open(bench.path()).await.unwrap();
    for line in &heard {
        let id = KeyId::new(line.strip_prefix(KEY).unwrap()).unwrap();
        assert!(KeyStore::find(&store, &id).await.unwrap().is_some());
    }
    bench.insert(&store).await.unwrap();
    store.close().await;
    assert_whole(&bench.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let bench = Workbench::new();
    let function = "crash::a_child_rotates_until_it_is_killed";
    // One file for all rounds, so that each opens what the one before left.
    for round in 0..12_u64 {
        let lines = usize::try_from(3 + round * 7).unwrap();
        let heard = run_child_and_kill_it(function, &bench.path(), round, lines);
        assert!(heard.len() >= lines, "the child died by itself: {heard:?}");

        let store = SqliteStore::open(bench.path()).await.unwrap();
        for line in &heard {
            // The last line may be cut in two by the kill.
            if let Some((old, new)) = line.strip_prefix(KEY).and_then(|ids| ids.split_once(' '))
                && let (Ok(old), Ok(new)) = (KeyId::new(old), KeyId::new(new))
            {
                let old = KeyStore::find(&store, &old)
                    .await
                    .unwrap()
                    .expect("it was acknowledged");
                assert_eq!(old.successor.as_ref(), Some(&new), "{line}");
                assert!(
                    KeyStore::find(&store, &new).await.unwrap().is_some(),
                    "{line}"
                );
            }
            if let Some((old, new)) = line.strip_prefix(TOKEN).and_then(|ids| ids.split_once(' '))
                && new.len() == 64
            {
                let tenant = Tenant::default();
                for (digest, what) in [(unhex(old), "spent"), (unhex(new), "there")] {
                    let found = RefreshTokenStore::find(&store, &tenant, &digest, NOW).await;
                    let (_, live) = found.unwrap().expect("it was acknowledged");
                    assert!(what == "there" || !live, "{line}");
                }
            }
        }
        store.close().await;
        assert_whole(&bench.path()).await;
    }
}

/// Every change whole: both ends of a rotation, one live token in a family, an event and its change for each.
async fn assert_whole(path: &Path) {
    let mut file = connect(path).await;
    let integrity: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut file)
        .await
        .unwrap();
    assert_eq!(integrity, "ok");
    for (what, sql) in [
        (
            "a key names a successor that is not there",
            "SELECT count(*) FROM fountain_api_keys AS old WHERE successor IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM fountain_api_keys AS new WHERE new.id = old.successor AND new.predecessor = old.id)",
        ),
        (
            "a successor stands whose predecessor does not know it",
            "SELECT count(*) FROM fountain_api_keys AS new WHERE predecessor IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM fountain_api_keys AS old WHERE old.id = new.predecessor AND old.successor = new.id)",
        ),
        (
            "a family without exactly one unspent token",
            "SELECT count(*) FROM fountain_families AS family WHERE 1 <> (
                 SELECT count(*) FROM fountain_refresh_tokens WHERE family = family.id AND spent_at IS NULL)",
        ),
        (
            "a spent token whose successor is not there",
            "SELECT count(*) FROM fountain_refresh_tokens AS old WHERE spent_at IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM fountain_refresh_tokens AS new WHERE new.digest = old.successor)",
        ),
        (
            "events that are not as many as changes of records",
            "SELECT (SELECT count(*) FROM fountain_audit)
                  - (SELECT count(*) FROM fountain_api_keys) - (SELECT count(*) FROM fountain_refresh_tokens)",
        ),
        (
            "feed entries that are not as many as changes of keys",
            "SELECT (SELECT count(*) FROM fountain_changes) - (SELECT count(*) FROM fountain_api_keys)",
        ),
        (
            "a hole in the sequence",
            "SELECT coalesce(max(sequence), 0) - count(*) FROM fountain_audit",
        ),
    ] {
        assert_eq!(number(&mut file, sql).await, 0, "{what}");
    }
}
