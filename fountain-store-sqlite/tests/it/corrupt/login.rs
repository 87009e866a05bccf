//! F-35 for names, second factors, challenges, locks and budgets.

use std::fmt::Debug;
use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::audit::{AuditAction, AuditEvent};
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutKey, LockoutRules, LockoutStore,
};
use fountain_core::login::CredentialStore;
use fountain_core::otp::{ChallengeOutcome, ChallengeStore, FactorOutcome, FactorStore};
use fountain_core::{StoreError, StoreErrorKind};
use fountain_store_sqlite::SqliteStore;

use crate::workbench::{Workbench, hex, number, run};

fn event(bench: &Workbench, action: AuditAction) -> AuditEvent {
    bench.fixtures.event(&bench.tenant, action)
}

#[track_caller]
fn assert_corrupt<T: Debug>(answer: Result<T, StoreError>, damage: &str) {
    match answer {
        Err(error) => assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}"),
        Ok(answer) => panic!("{damage}: {answer:?}"),
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_read_fails_alone_and_can_be_removed() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let mut beside = bench.beside().await;
    let sound = bench.fixtures.credential(&bench.tenant);
    let registered = event(&bench, AuditAction::CredentialRegistered);
    assert!(
        CredentialStore::insert(&store, sound.clone(), registered)
            .await
            .unwrap()
    );
    for damage in [
        "name = upper(name)",
        "name = name || ' '",
        "name = ''",
        "password = 'hunter2'",
        "password = replace(password, 'm=19456', 'm=4194304')",
        "created_at = 9223372036854775807",
        "changed_at = -9223372036854775808",
        "version = -1",
    ] {
        let record = bench.fixtures.credential(&bench.tenant);
        let registered = event(&bench, AuditAction::CredentialRegistered);
        assert!(
            CredentialStore::insert(&store, record.clone(), registered)
                .await
                .unwrap()
        );
        let subject = record.subject.as_str();
        run(
            &mut beside,
            &format!("UPDATE fountain_credentials SET {damage} WHERE subject = '{subject}'"),
        )
        .await;

        assert_corrupt(
            store.find_subject(&bench.tenant, &record.subject).await,
            damage,
        );
        let found = CredentialStore::find(&store, &bench.tenant, &record.name).await;
        if damage.starts_with("name") {
            // What it is found by is damaged: no stranger gets in by the name either.
            assert_eq!(found.unwrap(), None, "{damage}");
        } else {
            assert_corrupt(found, damage);
        }
        let changed = event(&bench, AuditAction::PasswordChanged);
        let hash = bench.fixtures.password_hash();
        let replaced = store
            .replace(&bench.tenant, &record.subject, 1, hash, NOW, changed)
            .await;
        assert_corrupt(replaced, damage);
        assert_eq!(
            CredentialStore::find(&store, &bench.tenant, &sound.name)
                .await
                .unwrap()
                .as_ref(),
            Some(&sound)
        );
        let removed = event(&bench, AuditAction::CredentialRemoved);
        assert!(
            CredentialStore::remove(&store, &bench.tenant, &record.subject, removed)
                .await
                .unwrap()
        );
    }
}

/// A list without it would say that its subject has no second factor.
#[tokio::test]
async fn a_factor_that_cannot_be_read_fails_its_subjects_list_and_no_other() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let mut beside = bench.beside().await;
    let enrolled = || event(&bench, AuditAction::FactorEnrolled);
    let sound = bench.fixtures.factor(&bench.tenant);
    assert!(
        FactorStore::insert(&store, sound.clone(), enrolled())
            .await
            .unwrap()
    );
    for damage in [
        "kind = 'TOTP'",
        "kind = ''",
        "created_at = 9223372036854775807",
        "confirmed_at = -9223372036854775808",
        "confirm_by = 9223372036854775807",
        "disabled_at = 9223372036854775807",
    ] {
        let record = bench.fixtures.factor(&bench.tenant);
        let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
        assert!(
            FactorStore::insert(&store, record.clone(), enrolled())
                .await
                .unwrap()
        );
        run(
            &mut beside,
            &format!("UPDATE fountain_factors SET {damage} WHERE id = '{id}'"),
        )
        .await;

        assert_corrupt(FactorStore::find(&store, tenant, subject, id).await, damage);
        assert_corrupt(FactorStore::list(&store, tenant, subject).await, damage);
        let used = || event(&bench, AuditAction::FactorUsed);
        assert_corrupt(
            store.confirm(tenant, subject, id, 1, NOW, used()).await,
            damage,
        );
        assert_corrupt(
            FactorStore::take(&store, tenant, subject, id, 1, used()).await,
            damage,
        );
        assert_eq!(
            FactorStore::list(&store, tenant, &sound.subject)
                .await
                .unwrap(),
            std::slice::from_ref(&sound)
        );
        let disabled = event(&bench, AuditAction::FactorDisabled);
        let outcome = FactorStore::disable(&store, tenant, subject, id, NOW, disabled)
            .await
            .unwrap();
        let expected = match damage.starts_with("disabled_at") {
            true => FactorOutcome::Disabled,
            false => FactorOutcome::Done,
        };
        assert_eq!(outcome, expected, "{damage}");
        let removed = event(&bench, AuditAction::FactorRemoved);
        assert!(
            FactorStore::remove(&store, tenant, subject, id, removed)
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn a_damaged_recovery_code_is_no_code_and_the_others_stay_good() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let subject = bench.fixtures.subject();
    let codes = [(); 3].map(|()| bench.fixtures.digest());
    store
        .replace_recovery_codes(
            &bench.tenant,
            &subject,
            &codes,
            event(&bench, AuditAction::RecoveryCodesReplaced),
        )
        .await
        .unwrap();
    let first = hex(&codes[0]);
    run(
        &mut bench.beside().await,
        &format!("UPDATE fountain_recovery_codes SET digest = x'00' WHERE digest = x'{first}'"),
    )
    .await;

    let left = store.recovery_codes(&bench.tenant, &subject).await;
    assert_eq!(left.unwrap(), 2);
    for (code, left) in codes.iter().zip([None, Some(1), Some(0)]) {
        let used = event(&bench, AuditAction::RecoveryCodeUsed);
        let taken = store
            .take_recovery_code(&bench.tenant, &subject, code, used)
            .await;
        assert_eq!(taken.unwrap(), left);
    }
}

#[tokio::test]
async fn a_challenge_that_cannot_be_read_cannot_be_answered_and_others_can() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let mut beside = bench.beside().await;
    let tenant = &bench.tenant;
    let mut sound = bench.fixtures.challenge(tenant);
    sound.attempt_limit = 1_000;
    let issued = || event(&bench, AuditAction::ChallengeIssued);
    assert!(
        ChallengeStore::insert(&store, sound.clone(), issued())
            .await
            .unwrap()
    );
    for (at, damage) in [
        "purpose = 'LOGIN'",
        "subject = ''",
        "binding = x'00'",
        "created_at = 9223372036854775807",
        "expires_at = 9223372036854775807",
        "attempts = -1",
        "attempts = 4294967296",
        "attempt_limit = 4294967296",
        "code_factor = NULL",
        "code_factor = 'short'",
        "code_digest = NULL",
        "code_digest = x'00'",
        "code_issued_at = NULL",
        "code_expires_at = NULL",
        "consumed_at = -9223372036854775808",
    ]
    .into_iter()
    .enumerate()
    {
        let code = bench.fixtures.pending_code();
        let mut record = bench.fixtures.challenge(tenant);
        record.code = Some(code.clone());
        let id = &record.id;
        assert!(
            ChallengeStore::insert(&store, record.clone(), issued())
                .await
                .unwrap()
        );
        run(
            &mut beside,
            &format!("UPDATE fountain_challenges SET {damage} WHERE id = '{id}'"),
        )
        .await;

        assert_corrupt(ChallengeStore::find(&store, tenant, id).await, damage);
        let attempted = || event(&bench, AuditAction::ChallengeAttempted);
        assert_corrupt(store.count(tenant, id, NOW, attempted()).await, damage);
        let digest = code.digest;
        let put = store.put_code(tenant, id, code, NOW, attempted()).await;
        assert_corrupt(put, damage);
        for code in [Some(&digest), None] {
            assert_corrupt(
                store.consume(tenant, id, code, NOW, attempted()).await,
                damage,
            );
        }
        let counted = store.count(tenant, &sound.id, NOW, attempted()).await;
        match counted.unwrap() {
            ChallengeOutcome::Done(stands) => {
                assert_eq!(usize::try_from(stands.attempts).unwrap(), at + 1);
            }
            other => panic!("{damage}: {other:?}"),
        }
    }
}

async fn attempt(
    bench: &Workbench,
    store: &SqliteStore,
    key: LockoutKey,
) -> Result<AttemptOutcome, StoreError> {
    let rules = LockoutRules::default();
    store
        .attempt(bench.fixtures.attempt_on(&bench.tenant, key, rules))
        .await
}

#[tokio::test]
async fn a_count_that_cannot_be_read_locks_until_it_is_cleared() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let mut beside = bench.beside().await;
    let tenant = &bench.tenant;
    let first = AttemptOutcome::Counted {
        failures: 1,
        locked_until: None,
    };
    for damage in [
        "failures = -1",
        "failures = 4294967296",
        "locks = -1",
        "locked_until = 9223372036854775807",
        "forget_at = 9223372036854775807",
    ] {
        let (key, sound) = (bench.fixtures.lockout_key(), bench.fixtures.lockout_key());
        assert_eq!(attempt(&bench, &store, key).await.unwrap(), first);
        let place = hex(key.digest());
        run(
            &mut beside,
            &format!("UPDATE fountain_lockouts SET {damage} WHERE key = x'{place}'"),
        )
        .await;

        assert_corrupt(attempt(&bench, &store, key).await, damage);
        assert_corrupt(store.locked_until(tenant, &[sound, key], NOW).await, damage);
        assert_eq!(attempt(&bench, &store, sound).await.unwrap(), first);
        let free = store.locked_until(tenant, &[sound], NOW).await;
        assert_eq!(free.unwrap(), None);
        let kept = format!("SELECT count(*) FROM fountain_lockouts WHERE {damage}");
        assert_eq!(number(&mut beside, &kept).await, 1, "{damage}");

        let cleared = event(&bench, AuditAction::LockCleared);
        assert!(store.clear(tenant, &[key], cleared).await.unwrap());
        assert_eq!(attempt(&bench, &store, key).await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_budget_that_cannot_be_read_gives_nothing_and_takes_nothing_of_others() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let mut beside = bench.beside().await;
    let tenant = &bench.tenant;
    let budget = |key| IssueBudget::new(key, 5, Duration::from_secs(3_600)).unwrap();
    let issued = || event(&bench, AuditAction::CodeIssued);
    for damage in [
        "takes = '['",
        "takes = '[]'",
        "takes = '[[4102444800123457]]'",
        "takes = '[[4102444800123457,9223372036854775807]]'",
        "takes = '[[-9223372036854775808,4102448400123457]]'",
        "takes = '[[4102444800123457,4102448400123456]]'",
        "ends_at = ends_at + 1",
        "ends_at = -9223372036854775808",
    ] {
        let (key, sound) = (bench.fixtures.lockout_key(), bench.fixtures.lockout_key());
        let taken = LockoutStore::take(&store, tenant, &[budget(key)], NOW, issued()).await;
        assert_eq!(taken.unwrap(), BudgetOutcome::Taken);
        let place = hex(key.digest());
        run(
            &mut beside,
            &format!("UPDATE fountain_budgets SET {damage} WHERE key = x'{place}'"),
        )
        .await;

        let both = [budget(sound), budget(key)];
        let taken = LockoutStore::take(&store, tenant, &both, NOW, issued());
        assert_corrupt(taken.await, damage);
        let place = hex(sound.digest());
        let none = format!("SELECT count(*) FROM fountain_budgets WHERE key = x'{place}'");
        assert_eq!(number(&mut beside, &none).await, 0, "{damage}");
        let taken = LockoutStore::take(&store, tenant, &both[..1], NOW, issued());
        assert_eq!(taken.await.unwrap(), BudgetOutcome::Taken);
    }
}
