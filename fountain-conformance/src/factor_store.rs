//! `FactorStore`, sentence by sentence.

use fountain_core::audit::AuditAction;
use fountain_core::otp::{FactorOutcome, FactorRecord};
use fountain_core::{Digest, Subject, Tenant, Timestamp};

use crate::context::{Context, Stores};
use crate::fixtures::NOW;
use crate::mutation;

mod codes;
mod records;
mod states;
mod takes;

pub(crate) use codes::*;
pub(crate) use records::*;
pub(crate) use states::*;
pub(crate) use takes::*;

///
pub(crate) async fn factor_store_h_every_change_is_recorded_once(cx: Context) {
    mutation::assert_recorded_once(&cx, mutation::factor_mutations).await;
}

///
pub(crate) async fn factor_store_h_a_change_is_never_seen_without_its_event(cx: Context) {
    mutation::assert_never_seen_in_part(&cx, mutation::factor_mutations).await;
}

///
pub(crate) async fn factor_store_h_a_dropped_call_leaves_the_change_whole_or_absent(cx: Context) {
    mutation::assert_whole_when_dropped(&cx, mutation::factor_mutations).await;
}

async fn insert(cx: &Context, s: &Stores, record: &FactorRecord) -> bool {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::FactorEnrolled);
    s.factors.insert(record.clone(), event).await.unwrap()
}

/// A pending factor.
async fn stored(cx: &Context, s: &Stores) -> FactorRecord {
    let record = cx.fixtures.factor(&cx.fixtures.tenant());
    assert!(insert(cx, s, &record).await, "a new factor is refused");
    record
}

/// A factor that was confirmed with this mark.
async fn confirmed(cx: &Context, s: &Stores, mark: u64) -> FactorRecord {
    let record = stored(cx, s).await;
    let outcome = confirm(cx, s, &record, mark, NOW).await;
    assert_eq!(outcome, FactorOutcome::Done);
    FactorRecord {
        mark,
        confirmed_at: Some(NOW),
        ..record
    }
}

async fn find(s: &Stores, like: &FactorRecord) -> Option<FactorRecord> {
    let find = s.factors.find(&like.tenant, &like.subject, &like.id);
    find.await.unwrap()
}

/// Exactly this stands.
async fn assert_stands(s: &Stores, record: &FactorRecord) {
    assert_eq!(find(s, record).await.as_ref(), Some(record));
}

async fn confirm(
    cx: &Context,
    s: &Stores,
    record: &FactorRecord,
    mark: u64,
    now: Timestamp,
) -> FactorOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::FactorConfirmed);
    let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
    let confirm = s.factors.confirm(tenant, subject, id, mark, now, event);
    confirm.await.unwrap()
}

async fn take(cx: &Context, s: &Stores, record: &FactorRecord, mark: u64) -> FactorOutcome {
    let event = cx.fixtures.event(&record.tenant, AuditAction::FactorUsed);
    let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
    let take = s.factors.take(tenant, subject, id, mark, event);
    take.await.unwrap()
}

async fn disable(cx: &Context, s: &Stores, record: &FactorRecord, now: Timestamp) -> FactorOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::FactorDisabled);
    let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
    let disable = s.factors.disable(tenant, subject, id, now, event);
    disable.await.unwrap()
}

async fn remove(cx: &Context, s: &Stores, record: &FactorRecord) -> bool {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::FactorRemoved);
    let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
    s.factors.remove(tenant, subject, id, event).await.unwrap()
}

/// Whose recovery codes are meant.
type Owner = (Tenant, Subject);

async fn replace_codes(cx: &Context, s: &Stores, (tenant, subject): &Owner, codes: &[Digest]) {
    let event = cx
        .fixtures
        .event(tenant, AuditAction::RecoveryCodesReplaced);
    s.factors
        .replace_recovery_codes(tenant, subject, codes, event)
        .await
        .unwrap();
}

async fn take_code(
    cx: &Context,
    s: &Stores,
    (tenant, subject): &Owner,
    code: &Digest,
) -> Option<u32> {
    let event = cx.fixtures.event(tenant, AuditAction::RecoveryCodeUsed);
    s.factors
        .take_recovery_code(tenant, subject, code, event)
        .await
        .unwrap()
}

async fn codes_left(s: &Stores, (tenant, subject): &Owner) -> u32 {
    s.factors.recovery_codes(tenant, subject).await.unwrap()
}
