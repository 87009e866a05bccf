use std::pin::Pin;

use fountain_core::api_key::{ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome, RotateKeyOutcome};
use fountain_core::audit::AuditAction;
use fountain_core::change::Change;

use super::Mutation;
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW};

/// Every mutating call of `KeyStore` that takes an event.
pub(crate) fn key_mutations<'a>(
    cx: &'a Context,
    s: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    Box::pin(async move {
        vec![
            insert(cx),
            rotate(cx, s).await,
            revoke(cx, s).await,
            disable(cx, s).await,
            enable(cx, s).await,
        ]
    })
}

fn changed_key(record: &ApiKeyRecord) -> Option<Change> {
    Some(Change::ApiKey {
        id: record.id.clone(),
    })
}

async fn stored(cx: &Context, s: &Stores) -> ApiKeyRecord {
    let tenant = cx.fixtures.tenant();
    let record = cx.fixtures.api_key(&tenant);
    let event = cx.fixtures.event(&tenant, AuditAction::ApiKeyIssued);
    s.keys.insert(record.clone(), event).await.unwrap();
    record
}

fn insert(cx: &Context) -> Mutation {
    let tenant = cx.fixtures.tenant();
    let record = cx.fixtures.api_key(&tenant);
    Mutation::new(
        "KeyStore::insert",
        cx.fixtures.event(&tenant, AuditAction::ApiKeyIssued),
        changed_key(&record),
        record,
        |s, record, event| async move {
            s.keys.insert(record, event).await.unwrap() == InsertKeyOutcome::Inserted
        },
        |s, record| async move {
            // By its digest on both sides of by its id: neither may be there without the other.
            let early = by_digest(&s, &record).await;
            let found = s.keys.find(&record.id).await.unwrap().is_some();
            let late = by_digest(&s, &record).await;
            assert!(found || !early, "found by its digest alone");
            assert!(late || !found, "found by its id alone");
            found
        },
    )
}

async fn by_digest(s: &Stores, record: &ApiKeyRecord) -> bool {
    let found = s.keys.find_by_digest(&record.digest).await.unwrap();
    found.is_some()
}

async fn rotate(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    let successor = cx.fixtures.successor_of(&record);
    Mutation::new(
        "KeyStore::rotate",
        cx.fixtures
            .event(&record.tenant, AuditAction::ApiKeyRotated),
        changed_key(&record),
        (record, successor),
        |s, (record, successor), event| async move {
            let outcome = s
                .keys
                .rotate(&record.tenant, &record.id, successor, NOW + DAY, NOW, event)
                .await
                .unwrap();
            matches!(outcome, RotateKeyOutcome::Rotated { .. })
        },
        |s, (record, successor)| async move {
            // The successor on both sides of the predecessor: neither may be there without the other.
            let early = s.keys.find(&successor.id).await.unwrap().is_some()
                || by_digest(&s, &successor).await;
            let predecessor = s.keys.find(&record.id).await.unwrap().unwrap();
            let late = s.keys.find(&successor.id).await.unwrap().is_some()
                && by_digest(&s, &successor).await;
            let dated = predecessor.successor.is_some();
            assert_eq!(
                dated,
                predecessor.superseded_at.is_some(),
                "half a rotation"
            );
            assert!(
                dated || !early,
                "a successor without its predecessor's date"
            );
            assert!(late || !dated, "a predecessor dated without its successor");
            dated
        },
    )
}

async fn revoke(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "KeyStore::revoke",
        cx.fixtures
            .event(&record.tenant, AuditAction::ApiKeyRevoked),
        changed_key(&record),
        record,
        |s, record, event| async move {
            s.keys
                .revoke(&record.tenant, &record.id, NOW, event)
                .await
                .unwrap()
                == KeyChangeOutcome::Changed
        },
        |s, record| async move {
            s.keys
                .find(&record.id)
                .await
                .unwrap()
                .unwrap()
                .revoked_at
                .is_some()
        },
    )
}

async fn disable(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "KeyStore::disable",
        cx.fixtures
            .event(&record.tenant, AuditAction::ApiKeyDisabled),
        changed_key(&record),
        record,
        |s, record, event| async move {
            s.keys
                .disable(&record.tenant, &record.id, NOW, event)
                .await
                .unwrap()
                == KeyChangeOutcome::Changed
        },
        |s, record| async move {
            s.keys
                .find(&record.id)
                .await
                .unwrap()
                .unwrap()
                .disabled_at
                .is_some()
        },
    )
}

async fn enable(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    let disabling = cx
        .fixtures
        .event(&record.tenant, AuditAction::ApiKeyDisabled);
    let disabled = s
        .keys
        .disable(&record.tenant, &record.id, NOW, disabling)
        .await;
    assert_eq!(disabled.unwrap(), KeyChangeOutcome::Changed);
    Mutation::new(
        "KeyStore::enable",
        cx.fixtures
            .event(&record.tenant, AuditAction::ApiKeyEnabled),
        changed_key(&record),
        record,
        |s, record, event| async move {
            s.keys
                .enable(&record.tenant, &record.id, event)
                .await
                .unwrap()
                == KeyChangeOutcome::Changed
        },
        |s, record| async move {
            s.keys
                .find(&record.id)
                .await
                .unwrap()
                .unwrap()
                .disabled_at
                .is_none()
        },
    )
}
