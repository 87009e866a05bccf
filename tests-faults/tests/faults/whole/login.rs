//! The changes of what people sign in by.

use std::time::Duration;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::audit::AuditAction;
use fountain_core::lockout::{IssueBudget, LockoutKey, LockoutRules, LockoutStore};
use fountain_core::login::CredentialStore;
use fountain_core::otp::{ChallengeStore, FactorStore};
use fountain_store_postgres::PostgresStore;

use super::Step;

/// Every change of lockouts, credentials, factors and challenges, on records that are stored by now, ready to be made.
pub(super) async fn changes(
    store: &PostgresStore,
    fixtures: &Fixtures,
) -> Vec<(&'static str, Step)> {
    let mut steps = lockouts(store, fixtures).await;
    steps.extend(credentials(store, fixtures).await);
    steps.extend(factors(store, fixtures).await);
    steps.extend(challenges(store, fixtures).await);
    steps
}

async fn lockouts(store: &PostgresStore, fixtures: &Fixtures) -> Vec<(&'static str, Step)> {
    let tenant = fixtures.tenant();
    let rules = LockoutRules::new(1, Duration::from_secs(60), Duration::from_secs(60)).unwrap();
    let attempt = |key: LockoutKey| fixtures.attempt_on(&tenant, key, rules);
    let counted = fixtures.lockout_key();
    let _counted = store.attempt(attempt(counted)).await.unwrap();
    let (first, of) = (attempt(fixtures.lockout_key()), store.clone());
    let budget = IssueBudget::new(fixtures.lockout_key(), 3, Duration::from_secs(600)).unwrap();
    let event = |action| fixtures.event(&tenant, action);
    let (clears, cleared) = (store.clone(), event(AuditAction::LockCleared));
    let (takes, taken) = (store.clone(), event(AuditAction::CodeIssued));
    let of_tenant = tenant.clone();
    let in_tenant = tenant.clone();
    vec![
        (
            "count an attempt that locks",
            Box::pin(async move { of.attempt(first).await.map(drop) }),
        ),
        (
            "clear a lock",
            Box::pin(async move {
                let keys = [counted];
                let clear = LockoutStore::clear(&clears, &of_tenant, &keys, cleared);
                clear.await.map(drop)
            }),
        ),
        (
            "take from a budget",
            Box::pin(async move {
                let budgets = [budget];
                let take = LockoutStore::take(&takes, &in_tenant, &budgets, NOW, taken);
                take.await.map(drop)
            }),
        ),
    ]
}

async fn credentials(store: &PostgresStore, fixtures: &Fixtures) -> Vec<(&'static str, Step)> {
    let tenant = fixtures.tenant();
    let event = |action| fixtures.event(&tenant, action);
    let mut stored = Vec::new();
    for _ in 0..2 {
        let record = fixtures.credential(&tenant);
        let registered = event(AuditAction::CredentialRegistered);
        let inserted = CredentialStore::insert(store, record.clone(), registered).await;
        assert!(inserted.unwrap());
        stored.push(record.subject);
    }
    let (new, registered) = (
        fixtures.credential(&tenant),
        event(AuditAction::CredentialRegistered),
    );
    let (hash, changed) = (
        fixtures.password_hash(),
        event(AuditAction::PasswordChanged),
    );
    let removed = event(AuditAction::CredentialRemoved);
    let [inserts, replaces, removes] = [(); 3].map(|()| store.clone());
    let [of_tenant, in_tenant] = [(); 2].map(|()| tenant.clone());
    let [changes, goes] = <[_; 2]>::try_from(stored).unwrap();
    vec![
        (
            "register a credential",
            Box::pin(async move {
                CredentialStore::insert(&inserts, new, registered)
                    .await
                    .map(drop)
            }),
        ),
        (
            "replace a password",
            Box::pin(async move {
                let replaced = replaces.replace(&of_tenant, &changes, 1, hash, NOW, changed);
                replaced.await.map(drop)
            }),
        ),
        (
            "remove a credential",
            Box::pin(async move {
                let removed = CredentialStore::remove(&removes, &in_tenant, &goes, removed);
                removed.await.map(drop)
            }),
        ),
    ]
}

async fn factors(store: &PostgresStore, fixtures: &Fixtures) -> Vec<(&'static str, Step)> {
    let tenant = fixtures.tenant();
    let mut steps: Vec<(&'static str, Step)> = Vec::new();
    for name in [
        "enrol a factor",
        "confirm a factor",
        "take a step",
        "disable a factor",
        "remove a factor",
    ] {
        let mut record = fixtures.factor(&tenant);
        if name == "take a step" {
            record.confirmed_at = Some(NOW);
        }
        if name != "enrol a factor" {
            let enrolled = fixtures.event(&tenant, AuditAction::FactorEnrolled);
            let inserted = FactorStore::insert(store, record.clone(), enrolled).await;
            assert!(inserted.unwrap());
        }
        let event = fixtures.event(&tenant, AuditAction::FactorUsed);
        let of = store.clone();
        steps.push((
            name,
            Box::pin(async move {
                let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
                match name {
                    "enrol a factor" => FactorStore::insert(&of, record, event).await.map(drop),
                    "confirm a factor" => of
                        .confirm(tenant, subject, id, 1, NOW, event)
                        .await
                        .map(drop),
                    "take a step" => FactorStore::take(&of, tenant, subject, id, 1, event)
                        .await
                        .map(drop),
                    "disable a factor" => {
                        FactorStore::disable(&of, tenant, subject, id, NOW, event)
                            .await
                            .map(drop)
                    }
                    _ => FactorStore::remove(&of, tenant, subject, id, event)
                        .await
                        .map(drop),
                }
            }),
        ));
    }
    for name in ["replace recovery codes", "take a recovery code"] {
        let (subject, code) = (fixtures.subject(), fixtures.digest());
        let replaced = fixtures.event(&tenant, AuditAction::RecoveryCodesReplaced);
        store
            .replace_recovery_codes(&tenant, &subject, &[code], replaced)
            .await
            .unwrap();
        let event = fixtures.event(&tenant, AuditAction::RecoveryCodeUsed);
        let (of, tenant, new) = (
            store.clone(),
            tenant.clone(),
            [fixtures.digest(), fixtures.digest()],
        );
        steps.push((
            name,
            Box::pin(async move {
                if name == "take a recovery code" {
                    let taken = of.take_recovery_code(&tenant, &subject, &code, event);
                    taken.await.map(drop)
                } else {
                    of.replace_recovery_codes(&tenant, &subject, &new, event)
                        .await
                }
            }),
        ));
    }
    steps
}

async fn challenges(store: &PostgresStore, fixtures: &Fixtures) -> Vec<(&'static str, Step)> {
    let tenant = fixtures.tenant();
    let mut steps: Vec<(&'static str, Step)> = Vec::new();
    for name in [
        "ask a challenge",
        "count an answer",
        "note a code",
        "answer a challenge",
    ] {
        let record = fixtures.challenge(&tenant);
        if name != "ask a challenge" {
            let issued = fixtures.event(&tenant, AuditAction::ChallengeIssued);
            let inserted = ChallengeStore::insert(store, record.clone(), issued).await;
            assert!(inserted.unwrap());
        }
        let event = fixtures.event(&tenant, AuditAction::ChallengeAttempted);
        let (of, code) = (store.clone(), fixtures.pending_code());
        steps.push((
            name,
            Box::pin(async move {
                let (tenant, id) = (&record.tenant, &record.id);
                match name {
                    "ask a challenge" => ChallengeStore::insert(&of, record, event).await.map(drop),
                    "count an answer" => of.count(tenant, id, NOW, event).await.map(drop),
                    "note a code" => of.put_code(tenant, id, code, NOW, event).await.map(drop),
                    _ => of.consume(tenant, id, None, NOW, event).await.map(drop),
                }
            }),
        ));
    }
    steps
}
