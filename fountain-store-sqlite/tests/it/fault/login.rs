//! Second factors and locks when their events cannot be recorded.

use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::audit::{AuditAction, AuditEvent};
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutKey, LockoutRules, LockoutStore,
};
use fountain_core::login::{CredentialRecord, CredentialStore, ReplaceOutcome};
use fountain_core::otp::{
    ChallengeOutcome, ChallengeRecord, ChallengeStore, FactorOutcome, FactorRecord, FactorStore,
};
use fountain_core::{Digest, StoreError, StoreErrorKind};
use fountain_store_sqlite::SqliteStore;

use crate::workbench::{Workbench, run};

/// One of everything, and the calls that change it.
struct Login<'b> {
    bench: &'b Workbench,
    store: SqliteStore,
    credential: CredentialRecord,
    factor: FactorRecord,
    challenge: ChallengeRecord,
    code: Digest,
    key: LockoutKey,
}

impl<'b> Login<'b> {
    async fn new(bench: &'b Workbench) -> Self {
        let (fixtures, tenant) = (&bench.fixtures, &bench.tenant);
        let mut factor = fixtures.factor(tenant);
        factor.confirmed_at = Some(NOW);
        let login = Self {
            bench,
            store: bench.open().await,
            credential: fixtures.credential(tenant),
            factor,
            challenge: fixtures.challenge(tenant),
            code: fixtures.digest(),
            key: fixtures.lockout_key(),
        };
        let (store, event) = (&login.store, login.event());
        let registered = CredentialStore::insert(store, login.credential.clone(), event).await;
        assert!(registered.unwrap());
        let enrolled = FactorStore::insert(store, login.factor.clone(), login.event()).await;
        assert!(enrolled.unwrap());
        let asked = ChallengeStore::insert(store, login.challenge.clone(), login.event()).await;
        assert!(asked.unwrap());
        let subject = &login.factor.subject;
        store
            .replace_recovery_codes(tenant, subject, &[login.code], login.event())
            .await
            .unwrap();
        login
    }

    fn event(&self) -> AuditEvent {
        let action = AuditAction::Authenticated;
        self.bench.fixtures.event(&self.bench.tenant, action)
    }

    async fn attempt(&self) -> Result<AttemptOutcome, StoreError> {
        let (fixtures, rules) = (&self.bench.fixtures, LockoutRules::default());
        let attempt = fixtures.attempt_on(&self.bench.tenant, self.key, rules);
        self.store.attempt(attempt).await
    }

    async fn take_budget(&self) -> Result<BudgetOutcome, StoreError> {
        let once = [IssueBudget::new(self.key, 1, Duration::from_secs(60)).unwrap()];
        LockoutStore::take(&self.store, &self.bench.tenant, &once, NOW, self.event()).await
    }

    async fn take_mark(&self) -> Result<FactorOutcome, StoreError> {
        let FactorRecord {
            tenant,
            subject,
            id,
            ..
        } = &self.factor;
        FactorStore::take(&self.store, tenant, subject, id, 1, self.event()).await
    }

    async fn take_recovery_code(&self) -> Result<Option<u32>, StoreError> {
        let (tenant, subject) = (&self.factor.tenant, &self.factor.subject);
        self.store
            .take_recovery_code(tenant, subject, &self.code, self.event())
            .await
    }

    async fn count(&self) -> Result<ChallengeOutcome, StoreError> {
        let ChallengeRecord { tenant, id, .. } = &self.challenge;
        self.store.count(tenant, id, NOW, self.event()).await
    }

    async fn consume(&self) -> Result<ChallengeOutcome, StoreError> {
        let ChallengeRecord { tenant, id, .. } = &self.challenge;
        self.store
            .consume(tenant, id, None, NOW, self.event())
            .await
    }

    async fn replace_password(&self) -> Result<ReplaceOutcome, StoreError> {
        let CredentialRecord {
            tenant, subject, ..
        } = &self.credential;
        let hash = self.bench.fixtures.password_hash();
        self.store
            .replace(tenant, subject, 1, hash, NOW, self.event())
            .await
    }
}

/// F-14, R-92: nothing is judged, and nothing is spent, whose event cannot be recorded.
#[tokio::test]
async fn nothing_is_counted_or_spent_whose_event_cannot_be_recorded() {
    let bench = Workbench::new();
    let login = Login::new(&bench).await;
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "CREATE TRIGGER full BEFORE INSERT ON fountain_audit BEGIN SELECT raise(ABORT, 'no'); END",
    )
    .await;
    let refusals = [
        login.attempt().await.err(),
        login.take_budget().await.err(),
        login.take_mark().await.err(),
        login.take_recovery_code().await.err(),
        login.count().await.err(),
        login.consume().await.err(),
        login.replace_password().await.err(),
    ];
    for refusal in refusals {
        assert_eq!(
            refusal.map(|error| error.kind()),
            Some(StoreErrorKind::Unavailable)
        );
    }

    run(&mut beside, "DROP TRIGGER full").await;
    let first = AttemptOutcome::Counted {
        failures: 1,
        locked_until: None,
    };
    assert_eq!(login.attempt().await.unwrap(), first);
    assert_eq!(login.take_budget().await.unwrap(), BudgetOutcome::Taken);
    assert_eq!(login.take_mark().await.unwrap(), FactorOutcome::Done);
    assert_eq!(login.take_recovery_code().await.unwrap(), Some(0));
    assert!(
        matches!(login.count().await.unwrap(), ChallengeOutcome::Done(stands) if stands.attempts == 1)
    );
    assert!(matches!(
        login.consume().await.unwrap(),
        ChallengeOutcome::Done(_)
    ));
    assert_eq!(
        login.replace_password().await.unwrap(),
        ReplaceOutcome::Replaced
    );
}

/// The event of the lock fails alone: the attempt that would begin it is not counted either.
#[tokio::test]
async fn an_attempt_whose_lock_cannot_be_recorded_is_not_counted() {
    let bench = Workbench::new();
    let login = Login::new(&bench).await;
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "CREATE TRIGGER unlucky BEFORE INSERT ON fountain_audit
         WHEN NEW.event ->> 'action' = 'lockout.locked' BEGIN SELECT raise(ABORT, 'no'); END",
    )
    .await;
    for _ in 0..4 {
        assert!(matches!(
            login.attempt().await.unwrap(),
            AttemptOutcome::Counted { .. }
        ));
    }
    for _ in 0..3 {
        let error = login.attempt().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
    run(&mut beside, "DROP TRIGGER unlucky").await;
    let fifth = login.attempt().await.unwrap();
    assert!(
        matches!(
            fifth,
            AttemptOutcome::Counted {
                failures: 5,
                locked_until: Some(_)
            }
        ),
        "{fifth:?}"
    );
}
