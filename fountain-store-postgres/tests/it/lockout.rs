//! Counts, locks and budgets, judged in SQL as the core judges them.

use std::time::Duration;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::audit::AuditAction;
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutRules,
    LockoutState, LockoutStore,
};
use fountain_core::memory::MemoryStore;
use fountain_core::{StoreErrorKind, Timestamp};
use fountain_store_postgres::{Carried, PostgresStore};

use crate::race::patient;
use crate::server::{number, run};
use crate::workbench::Workbench;

const EVENTS: &str = "SELECT count(*) FROM fountain.audit";

fn rules(threshold: u32, first: Duration, longest: Duration) -> LockoutRules {
    LockoutRules::new(threshold, first, longest).unwrap()
}

fn any<T: Copy>(fixtures: &Fixtures, of: &[T]) -> T {
    *of.get(fixtures.below(of.len())).unwrap()
}

fn some_rules(fixtures: &Fixtures) -> LockoutRules {
    let seconds = Duration::from_secs;
    let month = seconds(31 * 24 * 3_600);
    let threshold = any(fixtures, &[1, 2, 3]);
    let rules = any(
        fixtures,
        &[
            rules(threshold, seconds(1), seconds(5)),
            // The core doubles what is shorter than a microsecond as well.
            rules(threshold, Duration::new(1, 600), Duration::new(9, 999)),
            rules(threshold, month, month),
            LockoutRules::for_good(threshold).unwrap(),
        ],
    );
    any(
        fixtures,
        &[
            rules,
            rules.forget_after(Duration::new(3, 1_999)).unwrap(),
            rules.forget_after(month).unwrap(),
        ],
    )
}

/// Mostly onwards in small steps; now and then back, to a boundary or to an end of time (F-30).
fn some_time(fixtures: &Fixtures, before: Timestamp) -> Timestamp {
    let step = Duration::from_micros(any(fixtures, &[0, 1, 400_000, 1_000_000, 1_000_001]));
    match fixtures.below(40) {
        0 => Timestamp::MIN,
        1 => Timestamp::MAX,
        2 => Timestamp::MAX - Duration::from_secs(2),
        3 => before - step,
        4..=8 => NOW + Duration::from_secs(u64::try_from(fixtures.below(20)).unwrap()),
        _ => before + step,
    }
}

/// every answer is the memory store's, whatever was asked before, at whatever time.
#[tokio::test]
async fn every_answer_about_locks_and_budgets_is_that_of_the_rules() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    let fixtures = &bench.fixtures;
    let tenants = [fixtures.tenant(), fixtures.tenant()];
    for _ in 0..12 {
        let memory = MemoryStore::new();
        let keys: Vec<_> = (0..3).map(|_| LockoutKey::new(fixtures.digest())).collect();
        let some_keys = || -> Vec<_> {
            (0..=fixtures.below(3))
                .map(|_| any(fixtures, &keys))
                .collect()
        };
        let mut now = NOW;
        for step in 0..80 {
            now = some_time(fixtures, now);
            let tenant = &tenants[fixtures.below(2)];
            let event = |action| fixtures.event(tenant, action);
            match fixtures.below(10) {
                0..=4 => {
                    let attempt = LockoutAttempt {
                        tenant: tenant.clone(),
                        key: any(fixtures, &keys),
                        rules: some_rules(fixtures),
                        now,
                        on_counted: event(AuditAction::AttemptCounted),
                        on_locked: event(AuditAction::Locked),
                    };
                    let ours = store.attempt(attempt.clone()).await.unwrap();
                    let wanted = memory.attempt(attempt.clone()).await.unwrap();
                    assert_eq!(ours, wanted, "step {step}: {attempt:?}");
                }
                5..=7 => {
                    let budgets: Vec<_> = some_keys()
                        .into_iter()
                        .map(|key| {
                            let limit = any(fixtures, &[1, 2, 3, 1_000]);
                            let window =
                                any(fixtures, &[1_000_000_000, 1_500_000_999, 4_000_000_000]);
                            IssueBudget::new(key, limit, Duration::from_nanos(window)).unwrap()
                        })
                        .collect();
                    let event = event(AuditAction::CodeIssued);
                    let ours = store.take(tenant, &budgets, now, event.clone()).await;
                    let wanted = memory.take(tenant, &budgets, now, event).await;
                    assert_eq!(
                        ours.unwrap(),
                        wanted.unwrap(),
                        "step {step}: {budgets:?} at {now}"
                    );
                }
                8 => {
                    let asked = some_keys();
                    let ours = store.locked_until(tenant, &asked, now).await.unwrap();
                    let wanted = memory.locked_until(tenant, &asked, now).await.unwrap();
                    assert_eq!(ours, wanted, "step {step}");
                }
                _ => {
                    let asked = some_keys();
                    let event = event(AuditAction::LockCleared);
                    let ours = store.clear(tenant, &asked, event.clone()).await.unwrap();
                    let wanted = memory.clear(tenant, &asked, event).await.unwrap();
                    assert_eq!(ours, wanted, "step {step}");
                }
            }
            if fixtures.below(20) == 0 {
                let ours = LockoutStore::purge(&store, now, 1_000).await.unwrap();
                let wanted = LockoutStore::purge(&memory, now, 1_000).await.unwrap();
                assert_eq!(ours, wanted, "step {step}");
            }
        }
        // What is left of it would be met by the next round's purge.
        run(
            &mut bench.beside().await,
            "TRUNCATE fountain.lockouts, fountain.budgets",
        )
        .await;
    }
}

/// What stands is what the pure function says, to the field.
#[tokio::test]
async fn what_stands_is_the_cores_state() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let rules = rules(2, Duration::from_secs(10), Duration::from_secs(15));
    let key = LockoutKey::new(bench.fixtures.digest());
    let mut beside = bench.beside().await;
    let mut state: Option<LockoutState> = None;
    for seconds in [0, 1, 2, 11, 12, 13, 100_000] {
        let now = NOW + Duration::from_secs(seconds);
        let (next, outcome) = LockoutState::count(state, rules, now);
        state = next.or(state);
        let attempt = LockoutAttempt {
            now,
            ..bench.fixtures.attempt_on(&bench.tenant, key, rules)
        };
        assert_eq!(store.attempt(attempt).await.unwrap(), outcome);
        let wanted = state.unwrap();
        let locked = wanted.locked_until.map_or("NULL".to_owned(), |until| {
            until.as_unix_micros().to_string()
        });
        let same = format!(
            "SELECT count(*) FROM fountain.lockouts WHERE failures = {} AND locks = {} AND forget_at = {}
             AND locked_until IS NOT DISTINCT FROM {locked}",
            wanted.failures,
            wanted.locks,
            wanted.forget_at.as_unix_micros(),
        );
        assert_eq!(number(&mut beside, &same).await, 1, "{wanted:?}");
    }
}

/// Whether what was called in this transaction wrote anything.
async fn wrote(carried: Carried) -> bool {
    let mut transaction = carried.release().await.unwrap();
    let id = "SELECT count(pg_current_xact_id_if_assigned()::text)";
    let wrote = number(&mut transaction, id).await > 0;
    transaction.rollback().await.unwrap();
    wrote
}

/// whoever goes on guessing makes the server neither write nor wait.
#[tokio::test]
async fn an_attempt_on_a_lock_and_a_take_of_nothing_write_nothing_and_wait_for_nobody() {
    let bench = Workbench::new().await;
    let pool = bench.database.pool(4);
    let store = PostgresStore::builder(pool.clone()).build().await.unwrap();
    let fixtures = &bench.fixtures;
    let key = LockoutKey::new(fixtures.digest());
    let attempt = || fixtures.attempt_on(&bench.tenant, key, LockoutRules::for_good(1).unwrap());
    let _first = store.attempt(attempt()).await.unwrap();
    let budget = IssueBudget::new(key, 1, Duration::from_secs(60)).unwrap();
    let event = fixtures.event(&bench.tenant, AuditAction::CodeIssued);
    let taken = store.take(&bench.tenant, &[budget], NOW, event).await;
    assert_eq!(taken.unwrap(), BudgetOutcome::Taken);

    // Somebody holds both rows.
    let mut beside = bench.beside().await;
    run(
        &mut beside,
        "BEGIN; SELECT FROM fountain.lockouts FOR UPDATE; SELECT FROM fountain.budgets FOR UPDATE",
    )
    .await;
    let carried = store.carried_by(pool.begin().await.unwrap());
    let outcome = carried.store().attempt(attempt()).await.unwrap();
    assert!(matches!(outcome, AttemptOutcome::Locked { .. }));
    assert!(!wrote(carried).await);

    let carried = store.carried_by(pool.begin().await.unwrap());
    let event = fixtures.event(&bench.tenant, AuditAction::CodeIssued);
    let outcome = carried
        .store()
        .take(&bench.tenant, &[budget], NOW, event)
        .await;
    assert!(matches!(outcome, Ok(BudgetOutcome::Exhausted { .. })));
    assert!(!wrote(carried).await);

    // The control: what is counted is written.
    let carried = store.carried_by(pool.begin().await.unwrap());
    let other = fixtures.attempt_on(
        &bench.tenant,
        fixtures.lockout_key(),
        LockoutRules::default(),
    );
    let _counted = carried.store().attempt(other).await.unwrap();
    assert!(wrote(carried).await);
}

/// a lock whose event cannot be written is not there, and neither is its count.
#[tokio::test]
async fn a_count_whose_trace_cannot_be_written_is_none() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let fixtures = &bench.fixtures;
    let key = LockoutKey::new(fixtures.digest());
    let rules = LockoutRules::for_good(1).unwrap();
    let attempt = fixtures.attempt_on(&bench.tenant, key, rules);
    let mut beside = bench.beside().await;
    // The second of two events.
    run(
        &mut beside,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF NEW.event ->> 'action' = 'lockout.locked' THEN RAISE 'no'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER no BEFORE INSERT ON fountain.audit FOR EACH ROW EXECUTE FUNCTION no()",
    )
    .await;
    let failed = store.attempt(attempt.clone()).await.unwrap_err();
    assert_eq!(failed.kind(), StoreErrorKind::Unavailable);
    assert_eq!(
        number(&mut beside, "SELECT count(*) FROM fountain.lockouts").await,
        0
    );
    assert_eq!(number(&mut beside, EVENTS).await, 0);
    run(&mut beside, "DROP TRIGGER no ON fountain.audit").await;
    let counted = store.attempt(attempt).await.unwrap();
    assert!(matches!(
        counted,
        AttemptOutcome::Counted { failures: 1, .. }
    ));
    assert_eq!(number(&mut beside, EVENTS).await, 2);
}

/// A host's own transaction decides over what it carries: given up, nothing was counted or taken.
#[tokio::test]
async fn what_a_hosts_transaction_counts_is_there_when_it_commits() {
    let bench = Workbench::new().await;
    let pool = bench.database.pool(4);
    let store = PostgresStore::builder(pool.clone()).build().await.unwrap();
    let fixtures = &bench.fixtures;
    let key = LockoutKey::new(fixtures.digest());
    let budget = IssueBudget::new(key, 1, Duration::from_secs(60)).unwrap();
    for (commits, counted) in [(false, 1), (true, 1), (true, 2)] {
        let carried = store.carried_by(pool.begin().await.unwrap());
        let attempt = fixtures.attempt_on(&bench.tenant, key, LockoutRules::default());
        let outcome = carried.store().attempt(attempt).await.unwrap();
        let AttemptOutcome::Counted { failures, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(failures, counted);
        let event = fixtures.event(&bench.tenant, AuditAction::CodeIssued);
        let _taken = carried
            .store()
            .take(&bench.tenant, &[budget], NOW, event)
            .await
            .unwrap();
        let transaction = carried.release().await.unwrap();
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
    }
    // Two attempts, and one of two takes.
    assert_eq!(number(&mut bench.beside().await, EVENTS).await, 3);
}
