//! Can the suite fail? Stores that are broken on purpose, one mistake each, and the cases that must notice.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test doubles: what they take apart and put together again is valid by the suite's making"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use fountain_conformance::{Harness, Rounds, names, run};
use fountain_core::Store;

mod challenges;
mod credentials;
mod factors;
mod fault;
mod keys;
mod lockouts;
mod log;
mod refresh;
mod revocations;
mod saboteur;
mod signing;
mod slips;
mod subjects;

use fault::{Fault, MISTAKES, Noticed};
use saboteur::Saboteur;
use slips::SLIPS;

#[derive(Debug)]
struct Broken(Fault);

#[async_trait]
impl Harness for Broken {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(Saboteur::new(self.0))
    }

    fn rounds(&self) -> Rounds {
        Rounds::default()
            .races(12)
            .service_races(4)
            .tasks(16)
            .polls(6)
            .sequences(60)
    }

    fn feed_capacity(&self) -> Option<usize> {
        Some(100_000)
    }
}

/// How often a case is tried on a store with a mistake. What a race shows is up to the scheduler: on an idle machine a call may
/// be through before anybody looks. Nearly every case notices at once.
const TRIES: usize = 20;

/// Cases that pass, each time, although the store has the mistake.
async fn unnoticed(mistakes: &[(Fault, Noticed)]) -> Vec<(Fault, &'static str)> {
    let mut unnoticed = Vec::new();
    for (fault, cases) in mistakes {
        for case in *cases {
            if !is_noticed(*fault, case).await {
                unnoticed.push((*fault, *case));
            }
        }
    }
    unnoticed
}

async fn is_noticed(fault: Fault, case: &str) -> bool {
    for _ in 0..TRIES {
        if run(Arc::new(Broken(fault)), case).await.failure.is_some() {
            return true;
        }
    }
    false
}

/// L-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_is_noticed_by_the_cases_that_are_named_for_it() {
    assert_eq!(unnoticed(MISTAKES).await, []);
}

/// L-15, R-92
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_slip_is_noticed_in_each_trait() {
    assert_eq!(unnoticed(SLIPS).await, []);
}

/// L-15
#[test]
fn every_case_is_made_to_fail_by_some_mistake() {
    let all = MISTAKES.iter().chain(SLIPS);
    let failed: BTreeSet<_> = all.flat_map(|(_, cases)| *cases).copied().collect();
    assert_eq!(failed, names().into_iter().collect());
}

/// The control: it is the mistakes that fail, not the wrapper that makes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_mistake_every_case_passes() {
    let report = fountain_conformance::run_all(Arc::new(Broken(Fault::None))).await;
    assert!(report.is_pass(), "{report}");
    assert_eq!(report.verdicts.len(), names().len());
}

/// A case whose call never completes is ended by its deadline, and that is a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_does_not_end_has_failed() {
    #[derive(Debug)]
    struct Stuck;

    #[async_trait]
    impl Harness for Stuck {
        async fn fresh(&self) -> Arc<dyn Store> {
            std::future::pending().await
        }

        fn rounds(&self) -> Rounds {
            Rounds::default().deadline(std::time::Duration::from_millis(1))
        }
    }

    let verdict = run(Arc::new(Stuck), names()[0]).await;
    assert!(
        verdict
            .failure
            .is_some_and(|why| why.contains("did not end within"))
    );
}
