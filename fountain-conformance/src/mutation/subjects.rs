use std::pin::Pin;

use fountain_core::access::{SubjectChangeOutcome, SubjectRecord};
use fountain_core::audit::AuditAction;
use fountain_core::change::Change;

use super::Mutation;
use crate::context::{Context, Stores};
use crate::fixtures::{NOW, names};

/// Every mutating call of `SubjectStore`.
pub(crate) fn subject_mutations<'a>(
    cx: &'a Context,
    s: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    Box::pin(async move {
        vec![
            insert(cx),
            assign(cx, s).await,
            disable(cx, s).await,
            enable(cx, s).await,
        ]
    })
}

fn changed_subject(record: &SubjectRecord) -> Option<Change> {
    Some(Change::Subject {
        tenant: record.tenant.clone(),
        subject: record.subject.clone(),
    })
}

async fn stored(cx: &Context, s: &Stores) -> SubjectRecord {
    let record = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["clerk"]);
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::SubjectRegistered);
    assert!(s.subjects.insert(record.clone(), event).await.unwrap());
    record
}

/// The record that stands; its version says how often it changed.
async fn standing(s: &Stores, record: &SubjectRecord) -> SubjectRecord {
    let found = s
        .subjects
        .find(&record.tenant, &record.subject)
        .await
        .unwrap();
    found.expect("a stored subject is found")
}

fn is_changed(outcome: &SubjectChangeOutcome) -> bool {
    matches!(outcome, SubjectChangeOutcome::Changed(_))
}

fn insert(cx: &Context) -> Mutation {
    let record = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["clerk"]);
    Mutation::new(
        "SubjectStore::insert",
        cx.fixtures
            .event(&record.tenant, AuditAction::SubjectRegistered),
        changed_subject(&record),
        record,
        |s, record, event| async move { s.subjects.insert(record, event).await.unwrap() },
        |s, record| async move {
            let found = s
                .subjects
                .find(&record.tenant, &record.subject)
                .await
                .unwrap();
            found.is_some()
        },
    )
}

async fn assign(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "SubjectStore::assign",
        cx.fixtures
            .event(&record.tenant, AuditAction::SubjectRolesAssigned),
        changed_subject(&record),
        record,
        |s, record, event| async move {
            let (tenant, subject, roles) = (&record.tenant, &record.subject, names(&["admin"]));
            let outcome = s.subjects.assign(tenant, subject, roles, None, event).await;
            is_changed(&outcome.unwrap())
        },
        |s, record| async move {
            let now = standing(&s, &record).await;
            let assigned = now.roles == names(&["admin"]);
            assert_eq!(assigned, now.version == 2, "half an assignment");
            assigned
        },
    )
}

async fn disable(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "SubjectStore::disable",
        cx.fixtures
            .event(&record.tenant, AuditAction::SubjectDisabled),
        changed_subject(&record),
        record,
        |s, record, event| async move {
            let (tenant, subject) = (&record.tenant, &record.subject);
            let outcome = s.subjects.disable(tenant, subject, NOW, None, event).await;
            is_changed(&outcome.unwrap())
        },
        |s, record| async move {
            let now = standing(&s, &record).await;
            let disabled = now.disabled_at.is_some();
            assert_eq!(disabled, now.version == 2, "half a disabling");
            disabled
        },
    )
}

async fn enable(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::SubjectDisabled);
    let disabled = s
        .subjects
        .disable(&record.tenant, &record.subject, NOW, None, event)
        .await;
    assert!(is_changed(&disabled.unwrap()));
    Mutation::new(
        "SubjectStore::enable",
        cx.fixtures
            .event(&record.tenant, AuditAction::SubjectEnabled),
        changed_subject(&record),
        record,
        |s, record, event| async move {
            let outcome = s
                .subjects
                .enable(&record.tenant, &record.subject, event)
                .await;
            is_changed(&outcome.unwrap())
        },
        |s, record| async move {
            let now = standing(&s, &record).await;
            let enabled = now.disabled_at.is_none();
            assert_eq!(enabled, now.version == 3, "half an enabling");
            enabled
        },
    )
}
