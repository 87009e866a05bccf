//! Signing in from everywhere at once: what may happen once happens once, also where nothing was there before.

use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::Digest;
use fountain_core::audit::AuditAction;
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutRules,
    LockoutStore,
};
use fountain_core::login::{CredentialStore, ReplaceOutcome};
use fountain_core::otp::{
    ChallengeOutcome, ChallengeRecord, ChallengeStore, FactorOutcome, FactorRecord, FactorStore,
};
use fountain_store_postgres::PostgresStore;
use sqlx::postgres::PgPoolOptions;

use crate::race::{patient, race};
use crate::server::number;
use crate::workbench::Workbench;

const EVENTS: &str = "SELECT count(*) FROM fountain.audit";

fn how_many<T>(outcomes: &[T], is: impl Fn(&T) -> bool) -> usize {
    outcomes.iter().filter(|outcome| is(outcome)).count()
}

/// Two nodes, on a server that never notices a deadlock: one would be a call that does not end in time.
async fn nodes_that_must_not_deadlock(bench: &Workbench) -> [PostgresStore; 2] {
    let options = bench
        .database
        .options()
        .options([("deadlock_timeout", "1h"), ("lock_timeout", "50s")]);
    let node = || async {
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(60))
            .connect_lazy_with(options.clone());
        let builder = PostgresStore::builder(pool).deadline(Duration::from_secs(60));
        builder.build().await.unwrap()
    };
    [node().await, node().await]
}

/// 64 guesses at once on two nodes, on a key that nobody has counted before, and then again behind the lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_attempts_as_many_are_counted_as_the_threshold_says() {
    let bench = Workbench::new().await;
    let nodes = [patient(&bench).await, patient(&bench).await];
    let rules = LockoutRules::new(5, Duration::from_secs(900), Duration::from_secs(3_600)).unwrap();
    let mut events = 0;
    for round in 0..40 {
        let key = LockoutKey::new(bench.fixtures.digest());
        for (now, lock) in [
            (NOW, Duration::from_secs(900)),
            (NOW + Duration::from_secs(900), Duration::from_secs(1_800)),
        ] {
            let outcomes = race((0..64).map(|n| {
                let attempt = LockoutAttempt {
                    now,
                    ..bench.fixtures.attempt_on(&bench.tenant, key, rules)
                };
                let store = nodes[n % 2].clone();
                async move { store.attempt(attempt).await }
            }))
            .await;
            let mut counted: Vec<_> = outcomes
                .iter()
                .filter_map(|outcome| match outcome {
                    AttemptOutcome::Counted {
                        failures,
                        locked_until,
                    } => Some((*failures, *locked_until)),
                    AttemptOutcome::Locked { .. } => None,
                })
                .collect();
            counted.sort_unstable();
            let until = Some(now + lock);
            let wanted = [(1, None), (2, None), (3, None), (4, None), (5, until)];
            assert_eq!(counted, wanted, "round {round}");
            let locked = AttemptOutcome::Locked { until: now + lock };
            assert_eq!(how_many(&outcomes, |outcome| *outcome == locked), 59);
            events += 6;
        }
    }
    assert_eq!(number(&mut bench.beside().await, EVENTS).await, events);
}

/// A count that is purged or cleared while it is counted on: the attempt is the first of a new count, or was before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_on_a_count_that_is_removed_at_that_moment_is_not_lost() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    let rules = LockoutRules::default();
    let later = NOW + rules.kept_for() + Duration::from_secs(1);
    for _ in 0..150 {
        let key = LockoutKey::new(bench.fixtures.digest());
        let attempt = |now| LockoutAttempt {
            now,
            ..bench.fixtures.attempt_on(&bench.tenant, key, rules)
        };
        let _first = store.attempt(attempt(NOW)).await.unwrap();
        let (counted, purged) = tokio::join!(
            tokio::spawn({
                let (store, attempt) = (store.clone(), attempt(later));
                async move { store.attempt(attempt).await }
            }),
            tokio::spawn({
                let store = store.clone();
                async move { LockoutStore::purge(&store, later, 1_000).await }
            })
        );
        purged.unwrap().unwrap();
        let one = |failures| AttemptOutcome::Counted {
            failures,
            locked_until: None,
        };
        assert_eq!(counted.unwrap().unwrap(), one(1));
        assert_eq!(store.attempt(attempt(later)).await.unwrap(), one(2));
    }
}

/// calls that name the same budgets in different orders: none waits for another for ever, and no more succeed than
/// each allows; what was refused took nothing of the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_takes_no_more_succeed_than_each_budget_allows() {
    let bench = Workbench::new().await;
    let nodes = nodes_that_must_not_deadlock(&bench).await;
    let mut beside = bench.beside().await;
    for round in 0..30_usize {
        let keys: Vec<_> = (0..4)
            .map(|_| LockoutKey::new(bench.fixtures.digest()))
            .collect();
        // One in four names a key that has room for two, the others do not.
        let outcomes = race((0..64_usize).map(|n| {
            let mut budgets: Vec<_> = keys
                .iter()
                .zip([10, 1_000, 1_000, 2])
                .take(if n % 4 == 0 { 4 } else { 3 })
                .map(|(key, limit)| IssueBudget::new(*key, limit, Duration::from_secs(60)).unwrap())
                .collect();
            let by = (n + round) % budgets.len();
            budgets.rotate_left(by);
            if n % 3 == 0 {
                budgets.reverse();
            }
            let (store, tenant) = (nodes[n % 2].clone(), bench.tenant.clone());
            let event = bench.fixtures.event(&tenant, AuditAction::CodeIssued);
            async move { LockoutStore::take(&store, &tenant, &budgets, NOW, event).await }
        }))
        .await;
        let taken = how_many(&outcomes, |outcome| *outcome == BudgetOutcome::Taken);
        assert_eq!(taken, 10);
        let until = NOW + Duration::from_secs(60);
        let rest = how_many(&outcomes, |outcome| {
            *outcome == BudgetOutcome::Exhausted { until }
        });
        assert_eq!(rest, 54);
        let most =
            "SELECT count(*) FROM fountain.budgets WHERE cardinality(taken) NOT IN (1, 2, 10)";
        assert_eq!(number(&mut beside, most).await, 0);
    }
    assert_eq!(number(&mut beside, EVENTS).await, 300);
}

/// Locks of many keys are cleared in different orders, while attempts on them go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clears_of_the_same_keys_do_not_wait_for_each_other_for_ever() {
    let bench = Workbench::new().await;
    let nodes = nodes_that_must_not_deadlock(&bench).await;
    let keys: Vec<_> = (0..8)
        .map(|_| LockoutKey::new(bench.fixtures.digest()))
        .collect();
    for _ in 0..10 {
        let calls = (0..64_usize).map(|n| {
            let (store, tenant) = (nodes[n % 2].clone(), bench.tenant.clone());
            let mut keys = keys.clone();
            keys.rotate_left(n % 8);
            let rules = LockoutRules::default();
            let attempt = bench.fixtures.attempt_on(&tenant, keys[0], rules);
            let event = bench.fixtures.event(&tenant, AuditAction::LockCleared);
            async move {
                if n % 2 == 0 {
                    store.clear(&tenant, &keys, event).await.map(|_| ())
                } else {
                    store.attempt(attempt).await.map(|_| ())
                }
            }
        });
        race(calls).await;
    }
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::LockCleared);
    nodes[0].clear(&bench.tenant, &keys, event).await.unwrap();
    let left = "SELECT count(*) FROM fountain.lockouts";
    assert_eq!(number(&mut bench.beside().await, left).await, 0);
}

/// 64 people register one name, or one person 64 names, at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_registrations_of_one_name_or_one_subject_one_succeeds() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    let fixtures = &bench.fixtures;
    for _ in 0..20 {
        for same_name in [true, false] {
            let (name, subject) = (fixtures.login_name(), fixtures.subject());
            let inserted = race((0..64).map(|_| {
                let mut record = fixtures.credential(&bench.tenant);
                if same_name {
                    record.name = name.clone();
                } else {
                    record.subject = subject.clone();
                }
                let event = fixtures.event(&bench.tenant, AuditAction::CredentialRegistered);
                let store = store.clone();
                async move { CredentialStore::insert(&store, record, event).await }
            }))
            .await;
            assert_eq!(how_many(&inserted, |inserted| *inserted), 1);
        }
        // Of a replacement of each one, with one version, one is made.
        let record = fixtures.credential(&bench.tenant);
        let event = fixtures.event(&bench.tenant, AuditAction::CredentialRegistered);
        CredentialStore::insert(&store, record.clone(), event)
            .await
            .unwrap();
        let replaced = race((0..64).map(|_| {
            let (store, record) = (store.clone(), record.clone());
            let (hash, tenant) = (fixtures.password_hash(), bench.tenant.clone());
            let event = fixtures.event(&tenant, AuditAction::PasswordChanged);
            async move {
                store
                    .replace(&tenant, &record.subject, 1, hash, NOW, event)
                    .await
            }
        }))
        .await;
        let won = |outcome: &ReplaceOutcome| *outcome == ReplaceOutcome::Replaced;
        let stale = |outcome: &ReplaceOutcome| *outcome == ReplaceOutcome::Stale;
        assert_eq!(
            (how_many(&replaced, won), how_many(&replaced, stale)),
            (1, 63)
        );
    }
    assert_eq!(number(&mut bench.beside().await, EVENTS).await, 80);
}

async fn confirmed(bench: &Workbench, store: &PostgresStore) -> FactorRecord {
    let record = FactorRecord {
        confirmed_at: Some(NOW),
        ..bench.fixtures.factor(&bench.tenant)
    };
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::FactorEnrolled);
    assert!(
        FactorStore::insert(store, record.clone(), event)
            .await
            .unwrap()
    );
    record
}

/// one step of a TOTP is taken once, whoever else shows it. The last counter that a HOTP can have is one as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_takes_of_one_step_exactly_one_is_done() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    for round in 0..40_u64 {
        let factor = confirmed(&bench, &store).await;
        for mark in [round + 1, u64::MAX - round] {
            let outcomes = race((0..64).map(|_| {
                let (store, factor) = (store.clone(), factor.clone());
                let event = bench.fixtures.event(&bench.tenant, AuditAction::FactorUsed);
                async move {
                    let (tenant, subject, id) = (&factor.tenant, &factor.subject, &factor.id);
                    FactorStore::take(&store, tenant, subject, id, mark, event).await
                }
            }))
            .await;
            let done = how_many(&outcomes, |outcome| *outcome == FactorOutcome::Done);
            let spent = how_many(&outcomes, |outcome| *outcome == FactorOutcome::Spent);
            assert_eq!((done, spent), (1, 63));
            let found =
                FactorStore::find(&store, &factor.tenant, &factor.subject, &factor.id).await;
            assert_eq!(found.unwrap().map(|factor| factor.mark), Some(mark));
        }
    }
    assert_eq!(number(&mut bench.beside().await, EVENTS).await, 120);
}

/// R-55, B-65: a recovery code is taken once; and of sets that replace each other at once, on a subject that had none, one
/// stands whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_codes_are_taken_once_and_replaced_whole() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    let fixtures = &bench.fixtures;
    let event = |action| fixtures.event(&bench.tenant, action);
    for _ in 0..10 {
        let subject = fixtures.subject();
        let sets: Vec<Vec<Digest>> = (0..16)
            .map(|_| (0..10).map(|_| fixtures.digest()).collect())
            .collect();
        race(sets.iter().map(|set| {
            let (store, tenant, subject) = (store.clone(), bench.tenant.clone(), subject.clone());
            let (set, event) = (set.clone(), event(AuditAction::RecoveryCodesReplaced));
            async move {
                store
                    .replace_recovery_codes(&tenant, &subject, &set, event)
                    .await
            }
        }))
        .await;
        assert_eq!(
            store.recovery_codes(&bench.tenant, &subject).await.unwrap(),
            10
        );
        // All codes of all sets, four times each.
        let taken = race(sets.iter().flatten().cycle().take(640).map(|code| {
            let (store, tenant, subject) = (store.clone(), bench.tenant.clone(), subject.clone());
            let (code, event) = (*code, event(AuditAction::RecoveryCodeUsed));
            async move {
                let left = store
                    .take_recovery_code(&tenant, &subject, &code, event)
                    .await?;
                Ok((code, left))
            }
        }))
        .await;
        let good: Vec<_> = taken
            .iter()
            .filter_map(|(code, left)| Some((code, (*left)?)))
            .collect();
        let mut left: Vec<_> = good.iter().map(|(_, left)| *left).collect();
        left.sort_unstable();
        assert_eq!(left, (0..10).collect::<Vec<_>>());
        let whole = |set: &&Vec<Digest>| good.iter().all(|(code, _)| set.contains(code));
        assert_eq!(sets.iter().filter(whole).count(), 1);
    }
    assert_eq!(
        number(&mut bench.beside().await, EVENTS).await,
        10 * (16 + 10)
    );
}

async fn asked(bench: &Workbench, store: &PostgresStore) -> ChallengeRecord {
    let record = ChallengeRecord {
        code: Some(bench.fixtures.pending_code()),
        ..bench.fixtures.challenge(&bench.tenant)
    };
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ChallengeIssued);
    assert!(
        ChallengeStore::insert(store, record.clone(), event)
            .await
            .unwrap()
    );
    record
}

/// R-51, B-58: as many answers are judged as the challenge allows, and one of them takes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_answers_as_many_count_as_are_allowed_and_one_is_taken() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    for _ in 0..40 {
        let record = asked(&bench, &store).await;
        let code = record.code.clone().unwrap().digest;
        let call = |consumes: bool| {
            let (store, record) = (store.clone(), record.clone());
            let event = bench
                .fixtures
                .event(&bench.tenant, AuditAction::ChallengeAttempted);
            async move {
                let (tenant, id) = (&record.tenant, &record.id);
                if consumes {
                    store.consume(tenant, id, Some(&code), NOW, event).await
                } else {
                    store.count(tenant, id, NOW, event).await
                }
            }
        };
        let counted = race((0..64).map(|_| call(false))).await;
        let mut attempts: Vec<_> = counted
            .iter()
            .filter_map(|outcome| match outcome {
                ChallengeOutcome::Done(record) => Some(record.attempts),
                _ => None,
            })
            .collect();
        attempts.sort_unstable();
        assert_eq!(attempts, [1, 2, 3, 4, 5]);
        let exhausted = |outcome: &ChallengeOutcome| *outcome == ChallengeOutcome::Exhausted;
        assert_eq!(how_many(&counted, exhausted), 59);

        let consumed = race((0..64).map(|_| call(true))).await;
        let done = |outcome: &ChallengeOutcome| matches!(outcome, ChallengeOutcome::Done(_));
        let late = |outcome: &ChallengeOutcome| *outcome == ChallengeOutcome::Consumed;
        assert_eq!(
            (how_many(&consumed, done), how_many(&consumed, late)),
            (1, 63)
        );
    }
    assert_eq!(number(&mut bench.beside().await, EVENTS).await, 40 * 7);
}
