//! `SubjectStore`, sentence by sentence.

use std::collections::BTreeSet;

use fountain_core::access::{SubjectChangeOutcome, SubjectRecord};
use fountain_core::audit::AuditAction;

use crate::context::{Context, Stores};
use crate::fixtures::{NOW, names};
use crate::mutation;

mod last_holder;
mod records;

pub(crate) use last_holder::*;
pub(crate) use records::*;

///
pub(crate) async fn subject_store_f_every_change_is_recorded_once_and_appended_to_the_feed(
    cx: Context,
) {
    mutation::assert_recorded_once(&cx, mutation::subject_mutations).await;
}

///
pub(crate) async fn subject_store_f_a_change_is_never_seen_without_its_event_and_feed_entry(
    cx: Context,
) {
    mutation::assert_never_seen_in_part(&cx, mutation::subject_mutations).await;
}

///
pub(crate) async fn subject_store_f_a_dropped_call_leaves_the_change_whole_or_absent(cx: Context) {
    mutation::assert_whole_when_dropped(&cx, mutation::subject_mutations).await;
}

async fn store(cx: &Context, s: &Stores, record: &SubjectRecord) {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::SubjectRegistered);
    assert!(
        s.subjects.insert(record.clone(), event).await.unwrap(),
        "{record:?}"
    );
}

async fn find(s: &Stores, record: &SubjectRecord) -> Option<SubjectRecord> {
    s.subjects
        .find(&record.tenant, &record.subject)
        .await
        .unwrap()
}

async fn assign(
    cx: &Context,
    s: &Stores,
    record: &SubjectRecord,
    roles: &[&str],
    keep: Option<&str>,
) -> SubjectChangeOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::SubjectRolesAssigned);
    let (tenant, subject, roles): (_, _, BTreeSet<_>) =
        (&record.tenant, &record.subject, names(roles));
    s.subjects
        .assign(tenant, subject, roles, keep, event)
        .await
        .unwrap()
}

async fn disable(
    cx: &Context,
    s: &Stores,
    record: &SubjectRecord,
    keep: Option<&str>,
) -> SubjectChangeOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::SubjectDisabled);
    s.subjects
        .disable(&record.tenant, &record.subject, NOW, keep, event)
        .await
        .unwrap()
}

async fn enable(cx: &Context, s: &Stores, record: &SubjectRecord) -> SubjectChangeOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::SubjectEnabled);
    s.subjects
        .enable(&record.tenant, &record.subject, event)
        .await
        .unwrap()
}
