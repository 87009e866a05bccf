//! `ChallengeStore`, sentence by sentence.

use fountain_core::audit::AuditAction;
use fountain_core::otp::{ChallengeOutcome, ChallengeRecord, PendingCode};
use fountain_core::{Digest, Timestamp};

use crate::context::{Context, Stores};
use crate::mutation;

mod answers;
mod codes;
mod records;

pub(crate) use answers::*;
pub(crate) use codes::*;
pub(crate) use records::*;

///
pub(crate) async fn challenge_store_g_every_change_is_recorded_once(cx: Context) {
    mutation::assert_recorded_once(&cx, mutation::challenge_mutations).await;
}

///
pub(crate) async fn challenge_store_g_a_change_is_never_seen_without_its_event(cx: Context) {
    mutation::assert_never_seen_in_part(&cx, mutation::challenge_mutations).await;
}

///
pub(crate) async fn challenge_store_g_a_dropped_call_leaves_the_change_whole_or_absent(
    cx: Context,
) {
    mutation::assert_whole_when_dropped(&cx, mutation::challenge_mutations).await;
}

async fn insert(cx: &Context, s: &Stores, record: &ChallengeRecord) -> bool {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ChallengeIssued);
    s.challenges.insert(record.clone(), event).await.unwrap()
}

/// A challenge for which no code was sent.
async fn stored(cx: &Context, s: &Stores) -> ChallengeRecord {
    let record = cx.fixtures.challenge(&cx.fixtures.tenant());
    assert!(insert(cx, s, &record).await, "a new challenge is refused");
    record
}

/// A challenge for which a code was sent.
async fn stored_with_code(cx: &Context, s: &Stores) -> (ChallengeRecord, PendingCode) {
    let code = cx.fixtures.pending_code();
    let record = ChallengeRecord {
        code: Some(code.clone()),
        ..cx.fixtures.challenge(&cx.fixtures.tenant())
    };
    assert!(insert(cx, s, &record).await, "a new challenge is refused");
    (record, code)
}

async fn find(s: &Stores, like: &ChallengeRecord) -> Option<ChallengeRecord> {
    s.challenges.find(&like.tenant, &like.id).await.unwrap()
}

/// Exactly this stands.
async fn assert_stands(s: &Stores, record: &ChallengeRecord) {
    assert_eq!(find(s, record).await.as_ref(), Some(record));
}

async fn count(
    cx: &Context,
    s: &Stores,
    record: &ChallengeRecord,
    now: Timestamp,
) -> ChallengeOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ChallengeAttempted);
    s.challenges
        .count(&record.tenant, &record.id, now, event)
        .await
        .unwrap()
}

async fn put_code(
    cx: &Context,
    s: &Stores,
    record: &ChallengeRecord,
    code: &PendingCode,
    now: Timestamp,
) -> ChallengeOutcome {
    let event = cx.fixtures.event(&record.tenant, AuditAction::CodeIssued);
    s.challenges
        .put_code(&record.tenant, &record.id, code.clone(), now, event)
        .await
        .unwrap()
}

async fn consume(
    cx: &Context,
    s: &Stores,
    record: &ChallengeRecord,
    code: Option<&Digest>,
    now: Timestamp,
) -> ChallengeOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ChallengeAnswered);
    s.challenges
        .consume(&record.tenant, &record.id, code, now, event)
        .await
        .unwrap()
}

/// The answer that something was done, with the record that stands.
fn done(record: &ChallengeRecord) -> ChallengeOutcome {
    ChallengeOutcome::Done(Box::new(record.clone()))
}

fn is_done(outcome: &ChallengeOutcome) -> bool {
    matches!(outcome, ChallengeOutcome::Done(_))
}
