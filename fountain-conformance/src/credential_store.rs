//! `CredentialStore`, sentence by sentence.

use fountain_core::Timestamp;
use fountain_core::audit::AuditAction;
use fountain_core::login::{CredentialRecord, ReplaceOutcome};
use fountain_core::password::PasswordHash;

use crate::context::{Context, Stores};
use crate::mutation;

mod changes;
mod records;

pub(crate) use changes::*;
pub(crate) use records::*;

///
pub(crate) async fn credential_store_e_every_change_is_recorded_once(cx: Context) {
    mutation::assert_recorded_once(&cx, mutation::credential_mutations).await;
}

///
pub(crate) async fn credential_store_e_a_change_is_never_seen_without_its_event(cx: Context) {
    mutation::assert_never_seen_in_part(&cx, mutation::credential_mutations).await;
}

///
pub(crate) async fn credential_store_e_a_dropped_call_leaves_the_change_whole_or_absent(
    cx: Context,
) {
    mutation::assert_whole_when_dropped(&cx, mutation::credential_mutations).await;
}

async fn insert(cx: &Context, s: &Stores, record: &CredentialRecord) -> bool {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::CredentialRegistered);
    s.credentials.insert(record.clone(), event).await.unwrap()
}

async fn stored(cx: &Context, s: &Stores) -> CredentialRecord {
    let record = cx.fixtures.credential(&cx.fixtures.tenant());
    assert!(insert(cx, s, &record).await, "a new record is refused");
    record
}

/// The record of this name, and of this subject.
async fn find(s: &Stores, like: &CredentialRecord) -> [Option<CredentialRecord>; 2] {
    let by_name = s.credentials.find(&like.tenant, &like.name).await;
    let by_subject = s
        .credentials
        .find_subject(&like.tenant, &like.subject)
        .await;
    [by_name.unwrap(), by_subject.unwrap()]
}

/// Exactly this is found, by its name and by its subject.
async fn assert_stands(s: &Stores, record: &CredentialRecord) {
    let [by_name, by_subject] = find(s, record).await;
    assert_eq!(by_name.as_ref(), Some(record), "by its name");
    assert_eq!(by_subject.as_ref(), Some(record), "by its subject");
}

async fn replace(
    cx: &Context,
    s: &Stores,
    record: &CredentialRecord,
    version: u64,
    password: &PasswordHash,
    now: Timestamp,
) -> ReplaceOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::PasswordChanged);
    let (tenant, subject, password) = (&record.tenant, &record.subject, password.clone());
    s.credentials
        .replace(tenant, subject, version, password, now, event)
        .await
        .unwrap()
}

async fn remove(cx: &Context, s: &Stores, record: &CredentialRecord) -> bool {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::CredentialRemoved);
    let (tenant, subject) = (&record.tenant, &record.subject);
    s.credentials.remove(tenant, subject, event).await.unwrap()
}
