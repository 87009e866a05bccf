//! `KeyStore`, sentence by sentence.

use fountain_core::api_key::InsertKeyOutcome;
use fountain_core::audit::AuditAction;

use crate::context::Context;

pub(crate) async fn key_store_a_insert_stores_the_record_as_given(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let record = cx.fixtures.api_key(&tenant);
    let event = cx.fixtures.event(&tenant, AuditAction::ApiKeyIssued);
    assert_eq!(
        s.keys.insert(record.clone(), event).await.unwrap(),
        InsertKeyOutcome::Inserted
    );
    assert_eq!(s.keys.find(&record.id).await.unwrap(), Some(record));
}
