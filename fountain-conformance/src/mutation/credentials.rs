use std::pin::Pin;

use fountain_core::audit::AuditAction;
use fountain_core::login::{CredentialRecord, ReplaceOutcome};
use fountain_core::password::PasswordHash;

use super::Mutation;
use crate::context::{Context, Stores};
use crate::fixtures::{NOW, TICK};

/// Every mutating call of `CredentialStore`.
pub(crate) fn credential_mutations<'a>(
    cx: &'a Context,
    s: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    Box::pin(async move { vec![insert(cx), replace(cx, s).await, remove(cx, s).await] })
}

async fn stored(cx: &Context, s: &Stores) -> CredentialRecord {
    let record = cx.fixtures.credential(&cx.fixtures.tenant());
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::CredentialRegistered);
    assert!(s.credentials.insert(record.clone(), event).await.unwrap());
    record
}

async fn by_name(s: &Stores, record: &CredentialRecord) -> Option<CredentialRecord> {
    s.credentials
        .find(&record.tenant, &record.name)
        .await
        .unwrap()
}

async fn by_subject(s: &Stores, record: &CredentialRecord) -> Option<CredentialRecord> {
    s.credentials
        .find_subject(&record.tenant, &record.subject)
        .await
        .unwrap()
}

fn insert(cx: &Context) -> Mutation {
    let record = cx.fixtures.credential(&cx.fixtures.tenant());
    Mutation::new(
        "CredentialStore::insert",
        cx.fixtures
            .event(&record.tenant, AuditAction::CredentialRegistered),
        None,
        record,
        |s, record, event| async move { s.credentials.insert(record, event).await.unwrap() },
        |s, record| async move {
            // What one look has seen, each later one sees as well.
            let seen = [
                by_name(&s, &record).await.is_some(),
                by_subject(&s, &record).await.is_some(),
                by_name(&s, &record).await.is_some(),
            ];
            assert!(seen.is_sorted(), "found by one of name and subject");
            seen[0]
        },
    )
}

async fn replace(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "CredentialStore::replace",
        cx.fixtures
            .event(&record.tenant, AuditAction::PasswordChanged),
        None,
        (record, cx.fixtures.password_hash()),
        |s, (record, password): (CredentialRecord, PasswordHash), event| async move {
            let (tenant, subject, now) = (&record.tenant, &record.subject, NOW + TICK);
            let replace = s
                .credentials
                .replace(tenant, subject, 1, password, now, event);
            replace.await.unwrap() == ReplaceOutcome::Replaced
        },
        |s, (record, password)| async move {
            let now = by_name(&s, &record).await.expect("it is stored");
            let parts = [
                now.password == password,
                now.version == 2,
                now.changed_at == NOW + TICK,
            ];
            assert!(
                parts.iter().all(|part| *part == parts[0]),
                "half a replacement: {parts:?}"
            );
            parts[0]
        },
    )
}

async fn remove(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "CredentialStore::remove",
        cx.fixtures
            .event(&record.tenant, AuditAction::CredentialRemoved),
        None,
        record,
        |s, record, event| async move {
            let (tenant, subject) = (&record.tenant, &record.subject);
            s.credentials.remove(tenant, subject, event).await.unwrap()
        },
        |s, record| async move {
            let seen = [
                by_name(&s, &record).await.is_none(),
                by_subject(&s, &record).await.is_none(),
                by_name(&s, &record).await.is_none(),
            ];
            assert!(seen.is_sorted(), "gone by one of name and subject");
            seen[0]
        },
    )
}
