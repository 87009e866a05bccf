//! What the stores are asked about a key, once for all who ask at the same time.

use std::convert::Infallible;
use std::sync::Arc;

use super::super::cache::Seen;
use super::ApiKeys;
use crate::access::SubjectRecord;
use crate::api_key::ApiKeyRecord;
use crate::change::{Slot, Stamp};
use crate::flight::{About, Answer, Seat};
use crate::identity::{Principal, Subject, Tenant};
use crate::secret::Digest;

/// A key's owner.
pub(super) struct Owner<'a> {
    /// None without a store of subjects.
    pub(super) found: Option<Seat<'a, (Tenant, Subject), Option<SubjectRecord>>>,
    /// Its state before the store was asked; none when nothing is remembered.
    pub(super) seen: Option<Seen>,
}

impl ApiKeys {
    pub(super) async fn find_record(
        &self,
        digest: Digest,
        slot: Option<Slot>,
        recall: impl FnOnce() -> Option<Principal> + Send,
    ) -> Answer<'_, Digest, Option<ApiKeyRecord>, Principal> {
        let about = About {
            key: digest,
            depends: slot.as_slice(),
            // A key that does not exist is never remembered: that one is issued is in no feed.
            memorable: Some(Option::is_some),
        };
        let question = || {
            let store = Arc::clone(&self.store);
            Box::pin(async move { store.find_by_digest(&digest).await }) as _
        };
        self.records.ask(about, recall, question).await
    }

    pub(super) async fn find_owner(&self, record: &ApiKeyRecord) -> Owner<'_> {
        let slot = self
            .cache
            .as_ref()
            .map(|cache| cache.slot(&(&record.tenant, &record.owner)));
        let Some(subjects) = &self.subjects else {
            let stamp = self
                .trust
                .as_ref()
                .map(|trust| trust.stamp_of(slot.as_slice()));
            return Owner {
                found: None,
                seen: seen(slot, stamp),
            };
        };
        let about = About {
            key: (record.tenant.clone(), record.owner.clone()),
            depends: slot.as_slice(),
            memorable: Some(|_| true),
        };
        let question = || {
            let subjects = Arc::clone(subjects);
            let (tenant, owner) = (record.tenant.clone(), record.owner.clone());
            Box::pin(async move { subjects.find(&tenant, &owner).await }) as _
        };
        // Owners are remembered with their keys only.
        let found = match self
            .owners
            .ask(about, || None::<Infallible>, question)
            .await
        {
            Answer::Landed(found) => found,
            Answer::Recalled(never) => match never {},
        };
        Owner {
            seen: seen(slot, found.stamp()),
            found: Some(found),
        }
    }
}

pub(super) fn seen(slot: Option<Slot>, stamp: Option<Stamp>) -> Option<Seen> {
    Some(Seen {
        slot: slot?,
        stamp: stamp?,
    })
}
