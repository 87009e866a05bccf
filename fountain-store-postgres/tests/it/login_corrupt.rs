//! F-35: a password, a factor, a challenge or a lock that cannot be read lets nobody in, alone, and stays as it is.

use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::audit::{AuditAction, AuditEvent};
use fountain_core::lockout::{IssueBudget, LockoutKey, LockoutRules, LockoutStore};
use fountain_core::login::{CredentialStore, ReplaceOutcome};
use fountain_core::otp::{ChallengeStore, FactorOutcome, FactorRecord, FactorStore};
use fountain_core::{StoreError, StoreErrorKind};
use sqlx::postgres::PgConnection;

use crate::server::{number, run};
use crate::workbench::Workbench;

fn is_corrupt<T: std::fmt::Debug>(answer: Result<T, StoreError>, damage: &str) {
    let corrupt = matches!(&answer, Err(error) if error.kind() == StoreErrorKind::Corrupt);
    assert!(corrupt, "{damage}: {answer:?}");
}

impl Workbench {
    fn some_event(&self) -> AuditEvent {
        self.fixtures
            .event(&self.tenant, AuditAction::Authenticated)
    }
}

/// As a damaged disk would have it: past what the columns themselves refuse.
async fn unchecked(beside: &mut PgConnection, table: &str, columns: &[&str], checks: &[&str]) {
    let columns = columns
        .iter()
        .map(|column| format!("ALTER {column} DROP NOT NULL"));
    let checks = checks
        .iter()
        .map(|check| format!("DROP CONSTRAINT {check}"));
    let all: Vec<_> = columns.chain(checks).collect();
    run(
        beside,
        &format!("ALTER TABLE fountain.{table} {}", all.join(", ")),
    )
    .await;
}

const ALL: &str = "SELECT count(*) FROM fountain.audit";

#[tokio::test]
async fn a_count_or_a_budget_that_cannot_be_read_lets_nobody_guess() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let (fixtures, tenant) = (&bench.fixtures, &bench.tenant);
    let [damaged, sound] = [(); 2].map(|()| LockoutKey::new(fixtures.digest()));
    let attempt = |key| fixtures.attempt_on(tenant, key, LockoutRules::default());
    let budget = |key| IssueBudget::new(key, 3, Duration::from_secs(60)).unwrap();
    let mut beside = bench.beside().await;
    unchecked(&mut beside, "lockouts", &["failures", "forget_at"], &[]).await;
    unchecked(&mut beside, "budgets", &["taken"], &[]).await;
    let hex = |key: &LockoutKey| {
        let bytes = key.digest().as_bytes().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let here = format!("WHERE key = '\\x{}'", hex(&damaged));

    for damage in [
        "failures = -1",
        "failures = 4294967296",
        "failures = NULL",
        "locks = -1",
        "locked_until = 9223372036854775807",
        "forget_at = 253402207200000001",
        "forget_at = NULL",
    ] {
        let _counted = store.attempt(attempt(damaged)).await.unwrap();
        run(
            &mut beside,
            &format!("UPDATE fountain.lockouts SET {damage} {here}"),
        )
        .await;
        let row =
            format!("SELECT hashtext(held::text)::bigint FROM fountain.lockouts AS held {here}");
        let (before, events) = (
            number(&mut beside, &row).await,
            number(&mut beside, ALL).await,
        );
        is_corrupt(store.attempt(attempt(damaged)).await, damage);
        let asked = store.locked_until(tenant, &[sound, damaged], NOW).await;
        is_corrupt(asked, damage);
        assert_eq!(number(&mut beside, &row).await, before, "{damage}");
        assert_eq!(number(&mut beside, ALL).await, events, "{damage}");

        let _other = store.attempt(attempt(sound)).await.unwrap();
        store.locked_until(tenant, &[sound], NOW).await.unwrap();
        // An administrator can clear it, and then it counts again.
        let both = [damaged, sound];
        let cleared = store.clear(tenant, &both, bench.some_event()).await;
        assert!(cleared.unwrap(), "{damage}");
    }

    for damage in [
        "taken = '{}'",
        "taken = ARRAY[NULL]::bigint[]",
        "taken = NULL",
        "kept_until = '{9223372036854775807}'",
        "kept_until = kept_until || kept_until",
    ] {
        let both = [budget(damaged), budget(sound)];
        run(&mut beside, "TRUNCATE fountain.budgets").await;
        let taken = LockoutStore::take(&store, tenant, &both, NOW, bench.some_event()).await;
        let _taken = taken.unwrap();
        run(
            &mut beside,
            &format!("UPDATE fountain.budgets SET {damage} {here}"),
        )
        .await;
        let events = number(&mut beside, ALL).await;
        let rows = "SELECT sum(hashtext(held::text))::bigint FROM fountain.budgets AS held";
        let before = number(&mut beside, rows).await;
        is_corrupt(
            LockoutStore::take(&store, tenant, &both, NOW, bench.some_event()).await,
            damage,
        );
        assert_eq!(number(&mut beside, rows).await, before, "{damage}");
        assert_eq!(number(&mut beside, ALL).await, events, "{damage}");
        let alone = [budget(sound)];
        let _other = LockoutStore::take(&store, tenant, &alone, NOW, bench.some_event())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_read_fails_alone_and_can_be_replaced() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let (fixtures, tenant) = (&bench.fixtures, &bench.tenant);
    let mut beside = bench.beside().await;
    let sound = fixtures.credential(tenant);
    CredentialStore::insert(&store, sound.clone(), bench.some_event())
        .await
        .unwrap();
    for damage in [
        "password = ''",
        "password = 'hunter2'",
        "password = replace(password, 'argon2id', 'argon2i')",
        "name = upper(name)",
        "name = ''",
        "subject = subject || chr(10)",
        "tenant = ''",
        "created_at = 9223372036854775807",
        "version = -1",
    ] {
        let record = fixtures.credential(tenant);
        let subject = record.subject.as_str();
        CredentialStore::insert(&store, record.clone(), bench.some_event())
            .await
            .unwrap();
        run(
            &mut beside,
            &format!("UPDATE fountain.credentials SET {damage} WHERE subject = '{subject}'"),
        )
        .await;
        // By what is damaged it is not found; by the other it is, and cannot be read.
        let answers = [
            CredentialStore::find(&store, tenant, &record.name).await,
            store.find_subject(tenant, &record.subject).await,
        ];
        let mut corrupt = 0;
        for answer in answers {
            match answer {
                Ok(found) => assert_eq!(found, None, "{damage}"),
                Err(error) => {
                    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
                    assert!(!format!("{error:?}").contains("hunter2"));
                    corrupt += 1;
                }
            }
        }
        let wanted = match damage {
            "tenant = ''" => 0,
            damage if damage.starts_with("name") || damage.starts_with("subject") => 1,
            _ => 2,
        };
        assert_eq!(corrupt, wanted, "{damage}");
        let found = CredentialStore::find(&store, tenant, &sound.name).await;
        assert_eq!(found.unwrap().as_ref(), Some(&sound));

        // A new password mends a hash that cannot be read.
        if damage.starts_with("password") {
            let hash = fixtures.password_hash();
            let subject = &record.subject;
            let replaced = store
                .replace(tenant, subject, 1, hash.clone(), NOW, bench.some_event())
                .await;
            assert_eq!(replaced.unwrap(), ReplaceOutcome::Replaced);
            let found = store.find_subject(tenant, subject).await.unwrap();
            assert_eq!(found.map(|found| found.password), Some(hash));
        }
    }
}

#[tokio::test]
async fn a_factor_that_cannot_be_read_is_not_taken_and_does_not_go_missing() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let (fixtures, tenant) = (&bench.fixtures, &bench.tenant);
    let mut beside = bench.beside().await;
    let columns = ["mark", "kind", "confirm_by"];
    unchecked(&mut beside, "factors", &columns, &[]).await;
    let sound = fixtures.factor(tenant);
    FactorStore::insert(&store, sound.clone(), bench.some_event())
        .await
        .unwrap();
    for (damage, judged) in [
        ("mark = -1", true),
        ("mark = 18446744073709551616", true),
        ("mark = 'NaN'", true),
        ("mark = NULL", true),
        ("confirm_by = 9223372036854775807", true),
        ("confirm_by = NULL", true),
        ("confirmed_at = -9223372036854775808", true),
        ("kind = 'martian'", false),
        ("kind = NULL", false),
        ("created_at = 9223372036854775807", false),
    ] {
        let record = FactorRecord {
            confirmed_at: Some(NOW),
            ..fixtures.factor(tenant)
        };
        let (subject, id) = (&record.subject, &record.id);
        FactorStore::insert(&store, record.clone(), bench.some_event())
            .await
            .unwrap();
        let here = format!("WHERE id = '{id}'");
        run(
            &mut beside,
            &format!("UPDATE fountain.factors SET {damage} {here}"),
        )
        .await;
        let row =
            format!("SELECT hashtext(held::text)::bigint FROM fountain.factors AS held {here}");
        let before = number(&mut beside, &row).await;
        is_corrupt(FactorStore::find(&store, tenant, subject, id).await, damage);
        // Left out, its owner would seem to need no second factor.
        is_corrupt(store.list(tenant, subject).await, damage);
        if judged {
            let taken = FactorStore::take(&store, tenant, subject, id, 7, bench.some_event()).await;
            is_corrupt(taken, damage);
            let confirmed = store
                .confirm(tenant, subject, id, 7, NOW, bench.some_event())
                .await;
            is_corrupt(confirmed, damage);
        }
        assert_eq!(number(&mut beside, &row).await, before, "{damage}");
        let listed = store.list(tenant, &sound.subject).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&sound));
        // It can still be ended.
        let disabled = store
            .disable(tenant, subject, id, NOW, bench.some_event())
            .await;
        assert_eq!(disabled.unwrap(), FactorOutcome::Done, "{damage}");
        let removed = FactorStore::remove(&store, tenant, subject, id, bench.some_event()).await;
        assert!(removed.unwrap(), "{damage}");
    }
}

#[tokio::test]
async fn recovery_codes_that_cannot_be_read_are_none_that_can_be_taken() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let (fixtures, tenant) = (&bench.fixtures, &bench.tenant);
    let mut beside = bench.beside().await;
    unchecked(&mut beside, "recovery_codes", &["codes"], &[]).await;
    for damage in [
        "codes = codes || '\\x00'::bytea",
        "codes = codes || NULL::bytea",
        "codes = NULL",
        "codes = array_fill(codes[1], ARRAY[21])",
    ] {
        let (subject, code) = (fixtures.subject(), fixtures.digest());
        let codes = [code];
        let store = &store;
        let replace = || store.replace_recovery_codes(tenant, &subject, &codes, bench.some_event());
        let take = || store.take_recovery_code(tenant, &subject, &code, bench.some_event());
        replace().await.unwrap();
        run(
            &mut beside,
            &format!(
                "UPDATE fountain.recovery_codes SET {damage} WHERE subject = '{}'",
                subject.as_str()
            ),
        )
        .await;
        is_corrupt(store.recovery_codes(tenant, &subject).await, damage);
        is_corrupt(take().await, damage);
        replace().await.unwrap();
        assert_eq!(take().await.unwrap(), Some(0), "{damage}");
    }
}

#[tokio::test]
async fn a_challenge_that_cannot_be_read_cannot_be_answered() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let (fixtures, tenant) = (&bench.fixtures, &bench.tenant);
    let mut beside = bench.beside().await;
    unchecked(
        &mut beside,
        "challenges",
        &["expires_at", "attempts", "attempt_limit"],
        &["challenges_check"],
    )
    .await;
    for damage in [
        "attempts = -1",
        "attempts = NULL",
        "attempt_limit = 4294967296",
        "attempt_limit = NULL",
        "expires_at = 9223372036854775807",
        "expires_at = NULL",
        "consumed_at = 9223372036854775807",
        "code_expires_at = 9223372036854775807",
        "code_factor = NULL",
        "code_factor = 'short'",
        "purpose = 'Log in'",
        "subject = ''",
        "created_at = 9223372036854775807",
    ] {
        let mut record = fixtures.challenge(tenant);
        let code = fixtures.pending_code();
        record.code = Some(code.clone());
        let id = &record.id;
        ChallengeStore::insert(&store, record.clone(), bench.some_event())
            .await
            .unwrap();
        run(
            &mut beside,
            &format!("UPDATE fountain.challenges SET {damage} WHERE id = '{id}'"),
        )
        .await;
        is_corrupt(ChallengeStore::find(&store, tenant, id).await, damage);
        let event = || bench.some_event();
        is_corrupt(store.count(tenant, id, NOW, event()).await, damage);
        let digest = Some(&code.digest);
        let consumed = store.consume(tenant, id, digest, NOW, event()).await;
        is_corrupt(consumed, damage);
    }
}

/// What the columns' own types and checks refuse never becomes a record.
#[tokio::test]
async fn the_tables_refuse_what_is_plainly_wrong_of_sign_ins() {
    use sqlx::{AssertSqlSafe, Executor};

    let bench = Workbench::new().await;
    let mut beside = bench.beside().await;
    for wrong in [
        "INSERT INTO fountain.lockouts VALUES ('t', '\\x00', 1, 0, NULL, 0)",
        "INSERT INTO fountain.budgets VALUES ('t', '\\x00', '{}', '{}', 0)",
        "INSERT INTO fountain.challenges (id, tenant, subject, purpose, binding, context, created_at, expires_at,
             attempts, attempt_limit) VALUES ('x', 't', 's', 'p', '\\x00', '', 0, 0, 0, 0)",
        "INSERT INTO fountain.challenges (id, tenant, subject, purpose, binding, context, created_at, expires_at,
             attempts, attempt_limit, code_issued_at)
         VALUES ('x', 't', 's', 'p', decode(repeat('00', 32), 'hex'), '', 0, 0, 0, 0, 0)",
        "INSERT INTO fountain.factors VALUES ('x', 't', 's', 'totp', '', 1e20, 0, NULL, 0, NULL)",
    ] {
        let error = beside.execute(AssertSqlSafe(wrong)).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code());
        let code = code.unwrap_or_default();
        // check_violation; numeric_value_out_of_range
        assert!(code == "23514" || code == "22003", "{wrong}: {error}");
    }
}
