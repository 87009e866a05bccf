//! Second factors: codes that are to work once.

use std::sync::Arc;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::otp::{
    ChallengeOutcome, ChallengeRecord, ChallengeStore, FactorOutcome, FactorRecord, FactorStore,
};
use shuttle::future::block_on;

use crate::check::{count, holds, race};
use crate::memory::MemoryStore;

const USES: usize = 64;

/// of 64 requests with one code of an app, one gets in, while others try the code before and after it.
#[test]
fn of_64_parallel_takes_of_three_steps_each_step_is_taken_once_and_none_behind_a_later_one() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(48);
        let factor = FactorRecord {
            mark: 10,
            confirmed_at: Some(NOW),
            ..fixtures.factor(&fixtures.tenant())
        };
        let event = fixtures.event(&factor.tenant, AuditAction::FactorEnrolled);
        let inserted = FactorStore::insert(&*store, factor.clone(), event);
        assert!(block_on(inserted).unwrap());
        let outcomes = race(USES, |number| {
            let mark = 11 + u64::try_from(number % 3).unwrap();
            let event = fixtures.event(&factor.tenant, AuditAction::FactorUsed);
            let (store, factor) = (store.clone(), factor.clone());
            async move {
                let (tenant, subject, id) = (&factor.tenant, &factor.subject, &factor.id);
                let take = store.take(tenant, subject, id, mark, event);
                (mark, take.await.unwrap())
            }
        });
        for mark in 11..=13 {
            let done = (mark, FactorOutcome::Done);
            let won = count(&outcomes, |outcome| *outcome == done);
            // A step is lost when a later one was quicker; the last one never is.
            assert!(won <= 1 && (mark < 13 || won == 1), "{outcomes:?}");
        }
        let done = count(&outcomes, |(_, o)| *o == FactorOutcome::Done);
        let find = FactorStore::find(&*store, &factor.tenant, &factor.subject, &factor.id);
        assert_eq!(block_on(find).unwrap().unwrap().mark, 13);
        let page = block_on(store.page(&factor.tenant, None, 100)).unwrap();
        assert_eq!(page.items.len(), 1 + done);
    });
}

/// B-58, R-62: one answer takes a challenge, although a new code comes in between.
#[test]
fn of_16_answers_and_a_new_code_one_answer_wins_or_the_code_does() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(58);
        let (old, new) = (fixtures.pending_code(), fixtures.pending_code());
        let challenge = ChallengeRecord {
            code: Some(old.clone()),
            ..fixtures.challenge(&fixtures.tenant())
        };
        let event = || fixtures.event(&challenge.tenant, AuditAction::ChallengeIssued);
        let inserted = ChallengeStore::insert(&*store, challenge.clone(), event());
        assert!(block_on(inserted).unwrap());
        let outcomes = race(17, |number| {
            let (store, challenge, event) = (store.clone(), challenge.clone(), event());
            let (old, new) = (old.digest, new.clone());
            async move {
                let (tenant, id) = (&challenge.tenant, &challenge.id);
                let outcome = if number == 16 {
                    store.put_code(tenant, id, new, NOW, event).await
                } else {
                    store.consume(tenant, id, Some(&old), NOW, event).await
                };
                outcome.unwrap()
            }
        });
        let (put, answers) = outcomes.split_last().unwrap();
        let won = count(answers, |o| matches!(o, ChallengeOutcome::Done(_)));
        if matches!(put, ChallengeOutcome::Done(_)) {
            let superseded = count(answers, |o| *o == ChallengeOutcome::Superseded);
            assert_eq!((won, superseded), (0, 16), "{outcomes:?}");
        } else {
            assert_eq!((won, put), (1, &ChallengeOutcome::Consumed), "{outcomes:?}");
        }
    });
}
