//! L-13: many calls at once that show one key, or keys of one owner.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::*;
use crate::access::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
use crate::identity::Subject;

const CROWD: usize = 1_000;

type Call<'a> = Pin<Box<dyn Future<Output = Result<KeyVerdict, Error>> + Send + 'a>>;

fn accepted(verdict: Result<KeyVerdict, Error>) -> bool {
    matches!(verdict, Ok(KeyVerdict::Accepted(_)))
}

impl Bench {
    fn shows<'a>(&'a self, key: &'a IssuedApiKey) -> Call<'a> {
        Box::pin(self.keys.verify(key.key.expose()))
    }

    /// Begins all of the calls, then lets the stores answer.
    async fn at_once(&self, mut calls: Vec<Call<'_>>) -> Vec<Result<KeyVerdict, Error>> {
        let closed = self.store.door.write().await;
        poll_fn(|context| {
            for call in &mut calls {
                assert!(call.as_mut().poll(context).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        drop(closed);
        let mut verdicts = Vec::new();
        for call in calls {
            verdicts.push(call.await);
        }
        verdicts
    }

    async fn crowd(&self, key: &IssuedApiKey) -> Vec<Result<KeyVerdict, Error>> {
        self.at_once((0..CROWD).map(|_| self.shows(key)).collect())
            .await
    }
}

#[tokio::test]
async fn a_crowd_with_one_key_is_one_question_while_the_feed_is_fresh() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.follow();
    let before = bench.store.calls();
    let verdicts = bench.crowd(&key).await;
    assert!(verdicts.into_iter().all(accepted));
    assert_eq!(bench.store.calls() - before, 1);
    assert!(bench.keys.recall(key.key.expose()).is_some());
}

/// The same on several threads, where callers come before, while and after the store is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_on_many_threads_is_one_question_while_the_feed_is_fresh() {
    for _ in 0..10 {
        let bench = Arc::new(bench());
        let key = bench.issue(new_key()).await;
        bench.follow();
        let before = bench.store.calls();
        let text: Arc<str> = key.key.expose().into();
        let crowd: Vec<_> = (0..CROWD)
            .map(|_| {
                let (bench, text) = (Arc::clone(&bench), Arc::clone(&text));
                tokio::spawn(async move { bench.keys.verify(&text).await })
            })
            .collect();
        for call in crowd {
            assert!(accepted(call.await.unwrap()));
        }
        assert_eq!(bench.store.calls() - before, 1);
    }
}

#[tokio::test]
async fn a_crowd_with_one_key_is_two_questions_while_the_feed_is_stale() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    let before = bench.store.calls();
    let verdicts = bench.crowd(&key).await;
    assert!(verdicts.into_iter().all(accepted));
    assert_eq!(bench.store.calls() - before, 2);
}

/// No negative entries: a refusal holds for those who waited, and the next caller asks again.
#[tokio::test]
async fn a_crowd_with_a_bad_key_is_two_questions_and_nothing_is_kept() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench
        .keys
        .revoke(Authority::System, &tenant(), &key.record.id)
        .await
        .unwrap();
    let elsewhere = bench_with(|builder| builder).issue(new_key()).await;
    bench.follow();
    for (key, refusal, questions) in [
        (&elsewhere, KeyVerdict::Unknown, 2),
        // The record is there, and may be believed as the record of a good key may.
        (&key, KeyVerdict::Revoked, 1),
    ] {
        let before = bench.store.calls();
        let verdicts = bench.crowd(key).await;
        assert!(
            verdicts
                .into_iter()
                .all(|verdict| verdict.unwrap() == refusal)
        );
        assert_eq!(bench.store.calls() - before, questions);
        assert_eq!(bench.verdict(key).await, refusal);
        assert_eq!(bench.store.calls() - before, questions + 1);
    }
}

/// a failure is that of all who waited, and of nobody who comes later.
#[tokio::test]
async fn a_crowd_before_a_failing_store_is_two_questions() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.follow();
    let before = bench.store.calls();
    bench.store.fail_behind_the_door.store(2, Ordering::SeqCst);
    for verdict in bench.crowd(&key).await {
        assert_eq!(kind(verdict), ErrorKind::Unavailable);
    }
    assert_eq!(bench.store.calls() - before, 2);
    assert!(bench.accepts(&key).await);
}

/// a key that is revoked while a crowd waits works for nobody who comes after.
#[tokio::test]
async fn a_revocation_is_seen_by_every_call_that_begins_after_it() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.follow();
    // The store has read the record, and its answer is on its way.
    bench.store.late.store(true, Ordering::SeqCst);
    let closed = bench.store.door.write().await;
    let mut early = bench.shows(&key);
    let begun = poll_fn(|context| Poll::Ready(early.as_mut().poll(context).is_pending()));
    assert!(begun.await);
    bench
        .keys
        .revoke(Authority::System, &tenant(), &key.record.id)
        .await
        .unwrap();
    let mut late: Vec<Call<'_>> = (0..CROWD).map(|_| bench.shows(&key)).collect();
    poll_fn(|context| {
        for call in &mut late {
            assert!(call.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    drop(closed);
    assert!(accepted(early.await));
    for call in late {
        assert_eq!(call.await.unwrap(), KeyVerdict::Revoked);
    }
    assert_eq!(bench.verdict(&key).await, KeyVerdict::Revoked);
}

/// who shares a record judges it for his own tenant.
#[tokio::test]
async fn tenants_share_a_question_and_no_verdict() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.follow();
    let (home, other) = (tenant(), Tenant::new("other").unwrap());
    let calls = (0..CROWD)
        .map(|number| {
            let asked = if number % 2 == 0 { &home } else { &other };
            Box::pin(bench.keys.verify_in(asked, key.key.expose())) as Call<'_>
        })
        .collect();
    for (number, verdict) in bench.at_once(calls).await.into_iter().enumerate() {
        let verdict = verdict.unwrap();
        assert_eq!(number % 2 == 0, verdict.reason().is_none());
        assert!(number % 2 == 0 || verdict == KeyVerdict::Unknown);
    }
}

/// Keys are asked about apart: while the answer about one does not come, the others' do.
#[tokio::test]
async fn a_key_whose_answer_does_not_come_holds_up_no_other() {
    let bench = bench();
    let (hung, good) = (bench.issue(new_key()).await, bench.issue(new_key()).await);
    bench.follow();
    let closed = bench.store.door.write().await;
    let mut waiting = bench.shows(&hung);
    let begun = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending()));
    assert!(begun.await);
    bench.store.open_for(&good);
    assert!(bench.accepts(&good).await);
    drop(closed);
    assert!(accepted(waiting.await));
}

/// Counts how often it is asked for a subject, and does not answer before a call of it has waited once.
#[derive(Debug)]
struct People {
    inner: Arc<MemoryStore>,
    asked: AtomicU64,
}

#[async_trait]
impl SubjectStore for People {
    async fn insert(&self, record: SubjectRecord, event: AuditEvent) -> Result<bool, StoreError> {
        SubjectStore::insert(&*self.inner, record, event).await
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<SubjectRecord>, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = SubjectStore::find(&*self.inner, tenant, subject).await;
        tokio::task::yield_now().await;
        found
    }

    async fn assign(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        roles: BTreeSet<String>,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        self.inner.assign(tenant, subject, roles, keep, event).await
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        SubjectStore::disable(&*self.inner, tenant, subject, now, keep, event).await
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        SubjectStore::enable(&*self.inner, tenant, subject, event).await
    }
}

/// The owner of many keys is asked about once for all who show one of them.
#[tokio::test]
async fn a_crowd_with_keys_of_one_owner_is_one_question_about_the_owner() {
    let people = Arc::new(People {
        inner: Arc::new(MemoryStore::new()),
        asked: AtomicU64::new(0),
    });
    let bench = bench_with(|builder| builder.subjects(people.clone()));
    let mut keys = Vec::new();
    for _ in 0..50 {
        keys.push(bench.issue(new_key()).await);
    }
    bench.follow();
    let asked = || people.asked.swap(0, Ordering::SeqCst);
    asked();
    let mut calls: Vec<_> = keys.iter().map(|key| bench.shows(key)).collect();
    poll_fn(|context| {
        for call in &mut calls {
            assert!(call.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    for call in calls {
        assert!(accepted(call.await));
    }
    assert_eq!(asked(), 1);
}
