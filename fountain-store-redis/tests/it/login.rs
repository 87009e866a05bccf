//! What only Redis can get wrong about signing in: lines that cannot be read, and calls that a client sends twice.

use fountain_conformance::NOW;
use fountain_core::StoreErrorKind;
use fountain_core::audit::AuditAction;
use fountain_core::lockout::{AttemptOutcome, LockoutRules, LockoutStore};
use fountain_core::login::{CredentialStore, ReplaceOutcome};
use fountain_core::otp::{ChallengeOutcome, ChallengeStore, FactorOutcome, FactorStore};

use crate::workbench::Workbench;

/// The one line of a table, and its field.
async fn only(bench: &Workbench, table: &str) -> (String, String) {
    let entries: Vec<String> = bench.run(&["HGETALL", table]).await;
    let [field, line] = <[String; 2]>::try_from(entries).unwrap();
    (field, line)
}

/// F-35: nobody is let in by what cannot be read, an attempt is not judged, and an administrator can still unlock.
#[tokio::test]
async fn counts_that_cannot_be_read_are_no_counts_and_can_be_cleared() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let (tenant, key) = (&bench.tenant, bench.fixtures.lockout_key());
    let event = || bench.fixtures.event(tenant, AuditAction::AttemptCounted);
    let rules = LockoutRules::default();
    let attempt = || bench.fixtures.attempt_on(tenant, key, rules);
    for damaged in [
        "",
        "x",
        "1 0 -",
        "1 0 17 ",
        "one 0 - ",
        "1 0 x ",
        "99999999999999999 0 - ",
    ] {
        let counted = store.attempt(attempt()).await.unwrap();
        assert!(
            matches!(counted, AttemptOutcome::Counted { failures: 1, .. }),
            "{damaged}"
        );
        let (field, line) = only(&bench, "@lockouts").await;
        let forget = line.rsplit(' ').next().unwrap();
        let damaged = match damaged.strip_suffix(' ') {
            Some(head) => format!("{head} {forget}"),
            None => damaged.to_owned(),
        };
        let _: u64 = bench.run(&["HSET", "@lockouts", &field, &damaged]).await;
        let refused = store.attempt(attempt()).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Corrupt, "{damaged}");
        assert_eq!(only(&bench, "@lockouts").await.1, damaged);
        let cleared = store.clear(tenant, &[key], event()).await;
        assert!(cleared.unwrap(), "{damaged}");
    }
}

/// F-35
#[tokio::test]
async fn a_challenge_or_a_factor_that_cannot_be_read_is_neither_answered_nor_taken() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let tenant = &bench.tenant;
    let event = || bench.fixtures.event(tenant, AuditAction::ChallengeAnswered);

    let challenge = bench.fixtures.challenge(tenant);
    ChallengeStore::insert(&store, challenge.clone(), event())
        .await
        .unwrap();
    let code = bench.fixtures.pending_code();
    let put = store
        .put_code(tenant, &challenge.id, code.clone(), NOW, event())
        .await;
    assert!(matches!(put.unwrap(), ChallengeOutcome::Done(_)));
    let (field, line) = only(&bench, "@challenges").await;
    let words: Vec<_> = line.split(' ').collect();
    for (place, word) in [(1, "17"), (2, "x"), (3, "-"), (8, "17"), (8, "-")] {
        let mut words = words.clone();
        words[place] = word;
        let damaged = words.join(" ");
        let _: u64 = bench.run(&["HSET", "@challenges", &field, &damaged]).await;
        let found = ChallengeStore::find(&store, tenant, &challenge.id).await;
        assert_eq!(
            found.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
        let counted = store.count(tenant, &challenge.id, NOW, event()).await;
        assert_eq!(
            counted.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
        let digest = Some(&code.digest);
        let answered = store
            .consume(tenant, &challenge.id, digest, NOW, event())
            .await;
        assert_eq!(
            answered.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
    }

    let factor = bench.fixtures.factor(tenant);
    FactorStore::insert(&store, factor.clone(), event())
        .await
        .unwrap();
    let (field, line) = only(&bench, "@factors").await;
    for damaged in [
        "",
        "x",
        &line.replacen(" totp ", " ", 1),
        &line.replacen("0000 ", "000 ", 1),
    ] {
        let _: u64 = bench.run(&["HSET", "@factors", &field, damaged]).await;
        let taken =
            FactorStore::take(&store, tenant, &factor.subject, &factor.id, 9, event()).await;
        assert_eq!(
            taken.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
        let listed = store.list(tenant, &factor.subject).await;
        assert_eq!(
            listed.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
        // Not even a purge makes it a subject without factors.
        let end = fountain_core::Timestamp::MAX;
        FactorStore::purge(&store, end, 10).await.unwrap();
        assert!(
            store.list(tenant, &factor.subject).await.is_err(),
            "{damaged}"
        );
    }
}

/// a client of a cluster sends a call again by itself. What took effect is answered as it was, and once only.
#[tokio::test]
async fn a_call_that_is_sent_twice_is_done_once_and_answered_alike() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let tenant = &bench.tenant;
    let event = || bench.fixtures.event(tenant, AuditAction::FactorUsed);

    let factor = bench.fixtures.factor(tenant);
    let (subject, id) = (&factor.subject, &factor.id);
    FactorStore::insert(&store, factor.clone(), event())
        .await
        .unwrap();
    let (confirmed, taken, disabled) = (event(), event(), event());
    for _ in 0..2 {
        let done = store
            .confirm(tenant, subject, id, 5, NOW, confirmed.clone())
            .await;
        assert_eq!(done.unwrap(), FactorOutcome::Done);
    }
    for _ in 0..2 {
        let done = FactorStore::take(&store, tenant, subject, id, 6, taken.clone()).await;
        assert_eq!(done.unwrap(), FactorOutcome::Done);
    }
    // Another caller with the same code is another event.
    let other = FactorStore::take(&store, tenant, subject, id, 6, event()).await;
    assert_eq!(other.unwrap(), FactorOutcome::Spent);
    for _ in 0..2 {
        let done = store
            .disable(tenant, subject, id, NOW, disabled.clone())
            .await;
        assert_eq!(done.unwrap(), FactorOutcome::Done);
    }

    let codes = [bench.fixtures.digest(), bench.fixtures.digest()];
    store
        .replace_recovery_codes(tenant, subject, &codes, event())
        .await
        .unwrap();
    let used = event();
    for _ in 0..2 {
        let left = store
            .take_recovery_code(tenant, subject, &codes[0], used.clone())
            .await;
        assert_eq!(left.unwrap(), Some(1));
    }
    let other = store
        .take_recovery_code(tenant, subject, &codes[0], event())
        .await;
    assert_eq!(other.unwrap(), None);

    let challenge = bench.fixtures.challenge(tenant);
    ChallengeStore::insert(&store, challenge.clone(), event())
        .await
        .unwrap();
    let answered = event();
    for _ in 0..2 {
        let done = store
            .consume(tenant, &challenge.id, None, NOW, answered.clone())
            .await;
        assert!(matches!(done.unwrap(), ChallengeOutcome::Done(_)));
    }
    let other = store
        .consume(tenant, &challenge.id, None, NOW, event())
        .await;
    assert_eq!(other.unwrap(), ChallengeOutcome::Consumed);

    let credential = bench.fixtures.credential(tenant);
    CredentialStore::insert(&store, credential.clone(), event())
        .await
        .unwrap();
    let (hash, replaced) = (bench.fixtures.password_hash(), event());
    for _ in 0..2 {
        let version = credential.version;
        let (subject, hash) = (&credential.subject, hash.clone());
        let done = store
            .replace(tenant, subject, version, hash, NOW, replaced.clone())
            .await;
        assert_eq!(done.unwrap(), ReplaceOutcome::Replaced);
    }
    let found = store
        .find_subject(tenant, &credential.subject)
        .await
        .unwrap();
    assert_eq!(found.unwrap().version, credential.version + 1);
}
