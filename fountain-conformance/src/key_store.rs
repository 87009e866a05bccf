//! `KeyStore`, sentence by sentence.

use fountain_core::api_key::{ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome};
use fountain_core::audit::AuditAction;

use crate::context::{Context, Stores};
use crate::fixtures::NOW;
use crate::mutation;

mod digests;
mod ends;
mod lookup;
mod pages;
mod rotation;

pub(crate) use digests::*;
pub(crate) use ends::*;
pub(crate) use lookup::*;
pub(crate) use pages::*;
pub(crate) use rotation::*;

///
pub(crate) async fn key_store_g_every_change_is_recorded_once_and_appended_to_the_feed(
    cx: Context,
) {
    mutation::assert_recorded_once(&cx, mutation::key_mutations).await;
}

///
pub(crate) async fn key_store_g_a_change_is_never_seen_without_its_event_and_feed_entry(
    cx: Context,
) {
    mutation::assert_never_seen_in_part(&cx, mutation::key_mutations).await;
}

///
pub(crate) async fn key_store_g_a_dropped_call_leaves_the_change_whole_or_absent(cx: Context) {
    mutation::assert_whole_when_dropped(&cx, mutation::key_mutations).await;
}

/// Stores a key, which must succeed.
async fn store(cx: &Context, s: &Stores, record: &ApiKeyRecord) {
    let event = cx.fixtures.event(&record.tenant, AuditAction::ApiKeyIssued);
    let outcome = s.keys.insert(record.clone(), event).await.unwrap();
    assert_eq!(outcome, InsertKeyOutcome::Inserted);
}

/// A key of a tenant of its own, stored.
async fn stored(cx: &Context, s: &Stores) -> ApiKeyRecord {
    let record = cx.fixtures.api_key(&cx.fixtures.tenant());
    store(cx, s, &record).await;
    record
}

/// The record that stands, which is the same by its id and by its digest.
async fn standing(s: &Stores, record: &ApiKeyRecord) -> ApiKeyRecord {
    let found = s.keys.find(&record.id).await.unwrap();
    assert_eq!(by_digest(s, record).await, found, "by digest, and by id");
    found.expect("a stored key is found")
}

/// What is found by the record's digest.
async fn by_digest(s: &Stores, record: &ApiKeyRecord) -> Option<ApiKeyRecord> {
    s.keys.find_by_digest(&record.digest).await.unwrap()
}

async fn revoke(cx: &Context, s: &Stores, record: &ApiKeyRecord) -> KeyChangeOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ApiKeyRevoked);
    s.keys
        .revoke(&record.tenant, &record.id, NOW, event)
        .await
        .unwrap()
}

async fn disable(cx: &Context, s: &Stores, record: &ApiKeyRecord) -> KeyChangeOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ApiKeyDisabled);
    s.keys
        .disable(&record.tenant, &record.id, NOW, event)
        .await
        .unwrap()
}

async fn enable(cx: &Context, s: &Stores, record: &ApiKeyRecord) -> KeyChangeOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ApiKeyEnabled);
    s.keys
        .enable(&record.tenant, &record.id, event)
        .await
        .unwrap()
}
