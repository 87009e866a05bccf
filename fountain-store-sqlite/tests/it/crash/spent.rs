//! F-12, F-13: what was counted stays counted and what was spent stays spent, whenever the process is killed.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::audit::AuditAction;
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutKey, LockoutRules, LockoutStore,
};
use fountain_core::otp::{
    ChallengeId, ChallengeOutcome, ChallengeStore, FactorId, FactorOutcome, FactorStore,
};
use fountain_core::{Subject, Tenant};
use fountain_store_sqlite::SqliteStore;

use super::{orders, run_child_and_kill_it, say, unhex};
use crate::workbench::{Workbench, connect, hex, number};

const ATTEMPT: &str = "acknowledged attempt ";
const MARK: &str = "acknowledged mark ";
const ANSWER: &str = "acknowledged answer ";
const RECOVERY: &str = "acknowledged recovery ";
const BUDGET: &str = "acknowledged budget ";

/// The subject of all factors and recovery codes here.
fn alice() -> Subject {
    Subject::new("alice").unwrap()
}

fn rules() -> LockoutRules {
    LockoutRules::for_good(1_000).unwrap()
}

fn one_a_day(key: LockoutKey) -> IssueBudget {
    IssueBudget::new(key, 1, Duration::from_secs(86_400)).unwrap()
}

/// Not a test: the child of the one below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "only as the child of a_killed_process_forgets_no_attempt_and_no_code"]
async fn a_child_signs_in_until_it_is_killed() {
    let (path, seed) = orders();
    let store = SqliteStore::open(path).await.unwrap();
    let fixtures = |worker| Fixtures::seeded(seed * 100 + worker);
    tokio::join!(
        guess(&store, fixtures(0)),
        take_marks(&store, fixtures(1)),
        answer(&store, fixtures(2)),
        take_recovery_codes(&store, fixtures(3)),
        take_budgets(&store, fixtures(4)),
    );
}

async fn guess(store: &SqliteStore, fixtures: Fixtures) {
    let tenant = Tenant::default();
    loop {
        let key = fixtures.lockout_key();
        loop {
            let attempt = fixtures.attempt_on(&tenant, key, rules());
            let AttemptOutcome::Counted {
                failures,
                locked_until,
            } = store.attempt(attempt).await.unwrap()
            else {
                panic!("locked by somebody else");
            };
            say(&format!("{ATTEMPT}{} {failures}", hex(key.digest())));
            if locked_until.is_some() {
                break;
            }
        }
    }
}

async fn take_marks(store: &SqliteStore, fixtures: Fixtures) {
    let tenant = Tenant::default();
    let mut factor = fixtures.factor(&tenant);
    factor.subject = alice();
    factor.confirmed_at = Some(NOW);
    let event = fixtures.event(&tenant, AuditAction::FactorEnrolled);
    FactorStore::insert(store, factor.clone(), event)
        .await
        .unwrap();
    for mark in 1_u64.. {
        let event = fixtures.event(&tenant, AuditAction::FactorUsed);
        let outcome = FactorStore::take(store, &tenant, &alice(), &factor.id, mark, event)
            .await
            .unwrap();
        assert_eq!(outcome, FactorOutcome::Done);
        say(&format!("{MARK}{} {mark}", factor.id));
    }
}

async fn answer(store: &SqliteStore, fixtures: Fixtures) {
    let tenant = Tenant::default();
    loop {
        let challenge = fixtures.challenge(&tenant);
        let (id, code) = (challenge.id.clone(), fixtures.pending_code());
        let event = |action| fixtures.event(&tenant, action);
        let issued = event(AuditAction::ChallengeIssued);
        ChallengeStore::insert(store, challenge, issued)
            .await
            .unwrap();
        let sent = event(AuditAction::CodeIssued);
        let sent = store.put_code(&tenant, &id, code.clone(), NOW, sent).await;
        assert!(matches!(sent.unwrap(), ChallengeOutcome::Done(_)));
        let counted = event(AuditAction::ChallengeAttempted);
        let counted = store.count(&tenant, &id, NOW, counted).await;
        assert!(matches!(counted.unwrap(), ChallengeOutcome::Done(_)));
        let answered = event(AuditAction::ChallengeAnswered);
        let answered = store
            .consume(&tenant, &id, Some(&code.digest), NOW, answered)
            .await;
        assert!(matches!(answered.unwrap(), ChallengeOutcome::Done(_)));
        say(&format!("{ANSWER}{id} {}", hex(&code.digest)));
    }
}

async fn take_recovery_codes(store: &SqliteStore, fixtures: Fixtures) {
    let tenant = Tenant::default();
    // A subject of its own, so that nothing but a use takes a code away.
    let subject = fixtures.subject();
    loop {
        let codes = [(); 10].map(|()| fixtures.digest());
        let event = fixtures.event(&tenant, AuditAction::RecoveryCodesReplaced);
        store
            .replace_recovery_codes(&tenant, &subject, &codes, event)
            .await
            .unwrap();
        for code in &codes {
            let event = fixtures.event(&tenant, AuditAction::RecoveryCodeUsed);
            let left = store
                .take_recovery_code(&tenant, &subject, code, event)
                .await;
            assert!(left.unwrap().is_some());
            say(&format!("{RECOVERY}{} {}", subject, hex(code)));
        }
    }
}

async fn take_budgets(store: &SqliteStore, fixtures: Fixtures) {
    let tenant = Tenant::default();
    loop {
        let key = fixtures.lockout_key();
        let event = fixtures.event(&tenant, AuditAction::CodeIssued);
        let taken = LockoutStore::take(store, &tenant, &[one_a_day(key)], NOW, event).await;
        assert_eq!(taken.unwrap(), BudgetOutcome::Taken);
        say(&format!("{BUDGET}key {}", hex(key.digest())));
    }
}

/// The two words behind `what`, unless the kill has cut the line in two.
fn words<'l>(line: &'l str, what: &str) -> Option<(&'l str, &'l str)> {
    line.strip_prefix(what)?.split_once(' ')
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_forgets_no_attempt_and_no_code() {
    let bench = Workbench::new();
    let function = "crash::spent::a_child_signs_in_until_it_is_killed";
    let mut tried = HashMap::new();
    // One file for all rounds, so that each opens what the one before left.
    for round in 0..8_u64 {
        let lines = usize::try_from(5 + round * 11).unwrap();
        let heard = run_child_and_kill_it(function, &bench.path(), round, lines);
        assert!(heard.len() >= lines, "the child died by itself: {heard:?}");
        assert_whole(&bench.path()).await;

        let store = SqliteStore::open(bench.path()).await.unwrap();
        // Later rounds' events must not have the ids of the child's.
        let fixtures = Fixtures::seeded(10_000 + round);
        for line in &heard {
            if is_spent(&store, &fixtures, line).await {
                let what = line.split(' ').nth(1).unwrap().to_owned();
                *tried.entry(what).or_insert(0) += 1;
            }
        }
        store.close().await;
        assert_whole(&bench.path()).await;
    }
    assert_eq!(tried.len(), 5, "{tried:?}");
}

/// Tries again what a line says was done. `false` when the kill has cut that line.
async fn is_spent(store: &SqliteStore, fixtures: &Fixtures, line: &str) -> bool {
    let tenant = &Tenant::default();
    let event = || fixtures.event(tenant, AuditAction::Authenticated);
    if let Some((key, failures)) = words(line, ATTEMPT)
        && let Ok(failures) = failures.parse::<u32>()
    {
        let key = LockoutKey::new(unhex(key));
        let again = fixtures.attempt_on(tenant, key, rules());
        match store.attempt(again).await.unwrap() {
            AttemptOutcome::Counted { failures: now, .. } => assert!(now > failures, "{line}"),
            AttemptOutcome::Locked { .. } => {}
        }
        return true;
    }
    if let Some((id, mark)) = words(line, MARK)
        && let Ok(mark) = mark.parse()
    {
        let id = FactorId::new(id).unwrap();
        let taken = FactorStore::take(store, tenant, &alice(), &id, mark, event()).await;
        assert_eq!(taken.unwrap(), FactorOutcome::Spent, "{line}");
        return true;
    }
    if let Some((id, code)) = words(line, ANSWER)
        && code.len() == 64
    {
        let id = ChallengeId::new(id).unwrap();
        let answered = store
            .consume(tenant, &id, Some(&unhex(code)), NOW, event())
            .await;
        assert_eq!(answered.unwrap(), ChallengeOutcome::Consumed, "{line}");
        return true;
    }
    if let Some((subject, code)) = words(line, RECOVERY)
        && code.len() == 64
    {
        let subject = Subject::new(subject).unwrap();
        let taken = store
            .take_recovery_code(tenant, &subject, &unhex(code), event())
            .await;
        assert_eq!(taken.unwrap(), None, "{line}");
        return true;
    }
    if let Some((_, key)) = words(line, BUDGET)
        && key.len() == 64
    {
        let key = LockoutKey::new(unhex(key));
        let taken = LockoutStore::take(store, tenant, &[one_a_day(key)], NOW, event()).await;
        assert!(
            matches!(taken.unwrap(), BudgetOutcome::Exhausted { .. }),
            "{line}"
        );
        return true;
    }
    false
}

/// As many events as changes, of each kind.
async fn assert_whole(path: &Path) {
    let mut file = connect(path).await;
    for (action, changes) in [
        (
            "lockout.attempt_counted",
            "SELECT coalesce(sum(failures), 0) FROM fountain_lockouts",
        ),
        (
            "lockout.locked",
            "SELECT coalesce(sum(locks), 0) FROM fountain_lockouts",
        ),
        ("factor.enrolled", "SELECT count(*) FROM fountain_factors"),
        (
            "factor.used",
            "SELECT coalesce(sum(mark), 0) FROM fountain_factors",
        ),
        (
            "challenge.issued",
            "SELECT count(*) FROM fountain_challenges",
        ),
        (
            "challenge.attempted",
            "SELECT coalesce(sum(attempts), 0) FROM fountain_challenges",
        ),
        (
            "challenge.answered",
            "SELECT count(consumed_at) FROM fountain_challenges",
        ),
        (
            "code.issued",
            "SELECT (SELECT count(code_digest) FROM fountain_challenges) + (SELECT count(*) FROM fountain_budgets)",
        ),
        (
            "recovery_codes.used",
            "SELECT 10 * (SELECT count(*) FROM fountain_audit WHERE event ->> 'action' = 'recovery_codes.replaced')
                  - (SELECT count(*) FROM fountain_recovery_codes)",
        ),
    ] {
        let events =
            format!("SELECT count(*) FROM fountain_audit WHERE event ->> 'action' = '{action}'");
        let events = number(&mut file, &events).await;
        assert_eq!(events, number(&mut file, changes).await, "{action}");
    }
    let feed = "SELECT count(*) FROM fountain_changes";
    assert_eq!(
        number(&mut file, feed).await,
        0,
        "nothing of it is for the feed"
    );
}
