use std::pin::Pin;
use std::time::Duration;

use fountain_core::audit::AuditAction;
use fountain_core::lockout::{AttemptOutcome, LockoutAttempt, LockoutRules};

use super::Mutation;
use crate::context::{Context, Stores};
use crate::fixtures::NOW;

/// The calls of `LockoutStore` whose change can be seen without another change: what `take` took, and an attempt without a
/// lock, have cases of their own.
pub(crate) fn lockout_mutations<'a>(
    cx: &'a Context,
    s: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    Box::pin(async move { vec![attempt(cx), clear(cx, s).await] })
}

/// An attempt with which a lock begins.
fn locking(cx: &Context) -> LockoutAttempt {
    let rules = LockoutRules::new(1, Duration::from_secs(60), Duration::from_secs(60));
    let rules = rules.expect("one attempt and a minute are rules");
    let (tenant, key) = (cx.fixtures.tenant(), cx.fixtures.lockout_key());
    cx.fixtures.attempt_on(&tenant, key, rules)
}

async fn is_locked(s: &Stores, attempt: &LockoutAttempt) -> bool {
    s.lockouts
        .locked_until(&attempt.tenant, &[attempt.key], NOW)
        .await
        .unwrap()
        .is_some()
}

fn attempt(cx: &Context) -> Mutation {
    let attempt = locking(cx);
    let second = attempt.on_locked.clone();
    Mutation::new(
        "LockoutStore::attempt",
        attempt.on_counted.clone(),
        None,
        attempt,
        |s, attempt, on_counted| async move {
            let attempt = LockoutAttempt {
                on_counted,
                ..attempt
            };
            let outcome = s.lockouts.attempt(attempt).await.unwrap();
            matches!(outcome, AttemptOutcome::Counted { .. })
        },
        |s, attempt| async move { is_locked(&s, &attempt).await },
    )
    .and_records(second)
}

async fn clear(cx: &Context, s: &Stores) -> Mutation {
    // Two keys, both locked.
    let first = locking(cx);
    let key = cx.fixtures.lockout_key();
    let second = cx.fixtures.attempt_on(&first.tenant, key, first.rules);
    for attempt in [&first, &second] {
        let outcome = s.lockouts.attempt(attempt.clone()).await.unwrap();
        assert!(matches!(outcome, AttemptOutcome::Counted { .. }));
    }
    Mutation::new(
        "LockoutStore::clear",
        cx.fixtures.event(&first.tenant, AuditAction::LockCleared),
        None,
        [first, second],
        |s, [first, second], event| async move {
            let keys = [first.key, second.key];
            s.lockouts.clear(&first.tenant, &keys, event).await.unwrap()
        },
        |s, [first, second]| async move {
            let seen = [
                !is_locked(&s, &first).await,
                !is_locked(&s, &second).await,
                !is_locked(&s, &first).await,
            ];
            assert!(seen.is_sorted(), "of two keys one is cleared: {seen:?}");
            seen[0]
        },
    )
}
