use async_trait::async_trait;
use fountain_conformance::NOW;
use fountain_core::audit::AuditEvent;
use fountain_core::change::{Change, RevocationKey};
use fountain_core::token::{Revocation, RevocationQuery, RevocationStore, RevokeOutcome};
use fountain_core::{StoreError, Subject, Timestamp};

use crate::fault::{Area, Fault, TICK};
use crate::saboteur::Saboteur;

fn folded(subject: &Subject) -> Subject {
    Subject::new(subject.as_str().to_ascii_lowercase()).unwrap()
}

fn text(key: &RevocationKey) -> String {
    match key {
        RevocationKey::Token { id, .. } => id.to_string(),
        RevocationKey::Family { id, .. } => id.to_string(),
        RevocationKey::Subject { subject, .. } => subject.to_string(),
    }
}

impl Saboteur {
    /// Keeps the later of two instants, where the one that stands is read before a pause.
    async fn read_then_write(&self, revocation: &Revocation) {
        let RevocationKey::Subject { .. } = revocation.key else {
            return;
        };
        let standing = self.notes().not_before.get(&revocation.key).copied();
        self.pause().await;
        // The later one is the quicker one, so that an earlier one overwrites it.
        if revocation.not_before <= NOW + TICK {
            self.pause().await;
        }
        let later = standing
            .max(Some(revocation.not_before))
            .unwrap_or(revocation.not_before);
        self.notes()
            .not_before
            .insert(revocation.key.clone(), later);
    }
}

#[async_trait]
impl RevocationStore for Saboteur {
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let mut revocation = revocation;
        if self.is(Fault::RevokedSubjectsFoldCase)
            && let RevocationKey::Subject { subject, .. } = &mut revocation.key
        {
            *subject = folded(subject);
        }
        let key = revocation.key.clone();
        self.notes().texts.insert(text(&key));
        let is_new = !self.notes().revocations.contains(&key);
        if self.is(Fault::TheFirstRevocationStands) && !is_new {
            return Ok(RevokeOutcome::AlreadyRevoked);
        }
        let believed = self
            .checked(Fault::RevokeChecksThenActs(Area::Revocations), is_new)
            .await;
        self.notes().revocations.insert(key.clone());
        if self.is(Fault::RevocationsReadThenWrite) {
            self.read_then_write(&revocation).await;
        }
        let change = Change::Revocation { key };
        let call = RevocationStore::revoke(&self.inner, revocation, event.clone());
        let revoked = |outcome: &_| *outcome == RevokeOutcome::Revoked;
        let outcome = self
            .step(Area::Revocations, &event, Some(change), call, revoked)
            .await?;
        if believed || self.is(Fault::EveryRevocationIsTheFirst) {
            return Ok(RevokeOutcome::Revoked);
        }
        Ok(outcome)
    }

    async fn is_revoked(&self, query: RevocationQuery<'_>) -> Result<bool, StoreError> {
        let mut query = query;
        let subject = folded(query.subject);
        if self.is(Fault::RevokedSubjectsFoldCase) {
            query.subject = &subject;
        }
        if self.is(Fault::NotBeforeIsInclusive) {
            query.issued_at = query.issued_at - TICK;
        }
        if self.is(Fault::FamiliesAreNotAsked) {
            query.family = None;
        }
        if query
            .family
            .is_some_and(|id| self.notes().unrevoked.contains(id))
        {
            query.family = None;
        }
        if self.is(Fault::EveryRevocationHasANotBefore) && query.issued_at >= NOW {
            return Ok(false);
        }
        if self.is(Fault::KindsOfRevocationMix) {
            let notes = self.notes();
            let family = query
                .family
                .is_some_and(|id| notes.texts.contains(id.as_str()));
            if family || notes.texts.contains(query.id.as_str()) {
                return Ok(true);
            }
        }
        if self.is(Fault::RevocationsReadThenWrite) {
            let key = RevocationKey::Subject {
                tenant: query.tenant.clone(),
                subject: query.subject.clone(),
            };
            let not_before = self.notes().not_before.get(&key).copied();
            return Ok(Some(query.issued_at) < not_before
                || self.inner.is_revoked(query).await? && not_before.is_none());
        }
        self.inner.is_revoked(query).await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let (before, limit) = self.purge_bounds(Area::Revocations, before, limit);
        RevocationStore::purge(&self.inner, before, limit).await
    }
}
