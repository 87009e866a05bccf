use std::pin::Pin;

use fountain_core::audit::AuditAction;
use fountain_core::otp::{ChallengeOutcome, ChallengeRecord, PendingCode};

use super::Mutation;
use crate::context::{Context, Stores};
use crate::fixtures::NOW;

/// Every mutating call of `ChallengeStore`.
pub(crate) fn challenge_mutations<'a>(
    cx: &'a Context,
    s: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    Box::pin(async move {
        vec![
            insert(cx),
            count(cx, s).await,
            put_code(cx, s).await,
            consume(cx, s).await,
        ]
    })
}

/// A challenge that one answer is judged for.
async fn stored(cx: &Context, s: &Stores) -> ChallengeRecord {
    let record = ChallengeRecord {
        attempt_limit: 1,
        code: Some(cx.fixtures.pending_code()),
        ..cx.fixtures.challenge(&cx.fixtures.tenant())
    };
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ChallengeIssued);
    assert!(s.challenges.insert(record.clone(), event).await.unwrap());
    record
}

async fn find(s: &Stores, like: &ChallengeRecord) -> Option<ChallengeRecord> {
    s.challenges.find(&like.tenant, &like.id).await.unwrap()
}

async fn standing(s: &Stores, like: &ChallengeRecord) -> ChallengeRecord {
    find(s, like).await.expect("a stored challenge is found")
}

fn is_done(outcome: &ChallengeOutcome) -> bool {
    matches!(outcome, ChallengeOutcome::Done(_))
}

fn insert(cx: &Context) -> Mutation {
    let record = cx.fixtures.challenge(&cx.fixtures.tenant());
    Mutation::new(
        "ChallengeStore::insert",
        cx.fixtures
            .event(&record.tenant, AuditAction::ChallengeIssued),
        None,
        record,
        |s, record, event| async move { s.challenges.insert(record, event).await.unwrap() },
        |s, record| async move { find(&s, &record).await.is_some() },
    )
}

async fn count(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "ChallengeStore::count",
        cx.fixtures
            .event(&record.tenant, AuditAction::ChallengeAttempted),
        None,
        record,
        |s, record, event| async move {
            let count = s.challenges.count(&record.tenant, &record.id, NOW, event);
            is_done(&count.await.unwrap())
        },
        |s, record| async move { standing(&s, &record).await.attempts == 1 },
    )
}

async fn put_code(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "ChallengeStore::put_code",
        cx.fixtures.event(&record.tenant, AuditAction::CodeIssued),
        None,
        (record, cx.fixtures.pending_code()),
        |s, (record, code): (ChallengeRecord, PendingCode), event| async move {
            let (tenant, id) = (&record.tenant, &record.id);
            let put = s.challenges.put_code(tenant, id, code, NOW, event);
            is_done(&put.await.unwrap())
        },
        |s, (record, code)| async move {
            let now = standing(&s, &record).await.code;
            assert!(
                now == record.code || now.as_ref() == Some(&code),
                "parts of two codes: {now:?}"
            );
            now == Some(code)
        },
    )
    .always_a_change()
}

async fn consume(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "ChallengeStore::consume",
        cx.fixtures
            .event(&record.tenant, AuditAction::ChallengeAnswered),
        None,
        record,
        |s, record, event| async move {
            let code = record.code.as_ref().map(|code| code.digest);
            let (tenant, id) = (&record.tenant, &record.id);
            let consume = s.challenges.consume(tenant, id, code.as_ref(), NOW, event);
            is_done(&consume.await.unwrap())
        },
        |s, record| async move { standing(&s, &record).await.consumed_at.is_some() },
    )
}
