use async_trait::async_trait;
use fountain_conformance::NOW;
use fountain_core::api_key::{
    ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome, KeyCursor, KeyId, KeyPage, KeyStore,
    RotateKeyOutcome,
};
use fountain_core::audit::AuditEvent;
use fountain_core::change::Change;
use fountain_core::{Digest, StoreError, Subject, Tenant, Timestamp};

use crate::fault::{Area, DAY, Fault, TICK, to_millis};
use crate::saboteur::Saboteur;

fn change(id: &KeyId) -> Option<Change> {
    Some(Change::ApiKey { id: id.clone() })
}

fn folded(id: &KeyId) -> KeyId {
    KeyId::new(id.as_str().to_ascii_lowercase()).unwrap()
}

fn cursor(record: &ApiKeyRecord) -> KeyCursor {
    KeyCursor {
        created_at: record.created_at,
        id: record.id.clone(),
    }
}

impl Saboteur {
    fn key_seen(&self, record: Option<ApiKeyRecord>) -> Option<ApiKeyRecord> {
        let mut record = record?;
        let notes = self.notes();
        if notes.half_purged_keys.contains(&record.id) {
            return None;
        }
        if self.is(Fault::RotationForgetsTheDate) && record.successor.is_some() {
            record.superseded_at = None;
        }
        if let Some(at) = notes.used.get(&record.id) {
            record.last_used_at = Some(*at);
        }
        if let Some(at) = notes.revoked.get(&record.id) {
            record.revoked_at = Some(*at);
        }
        if notes.revived.contains(&record.id) {
            record.revoked_at = None;
        }
        Some(record)
    }

    /// The tenant to name for a key: the given one, unless the mistake is not to care.
    async fn tenant_of(&self, tenant: &Tenant, id: &KeyId) -> Result<Tenant, StoreError> {
        if self.is(Fault::KeyCallsIgnoreTheTenant)
            && let Some(record) = self.inner.find(id).await?
        {
            return Ok(record.tenant);
        }
        Ok(tenant.clone())
    }

    /// The record, as it is stored by who does not see that its digest is taken: with another digest.
    async fn past_a_taken_digest(
        &self,
        mut record: ApiKeyRecord,
    ) -> Result<ApiKeyRecord, StoreError> {
        let is_missed = match self.inner.find_by_digest(&record.digest).await? {
            Some(other) => {
                self.is(Fault::KeyDigestsAreUniqueInATenantOnly) && other.tenant != record.tenant
            }
            None => self.checked(Fault::KeyDigestsCheckThenAct, true).await,
        };
        if is_missed && self.inner.find_by_digest(&record.digest).await?.is_some() {
            record.digest = Digest::of(record.id.as_str().as_bytes());
        }
        if self.is(Fault::KeyDigestsAreIndexedLater) {
            self.notes().hidden_digests.insert(record.digest);
        }
        Ok(record)
    }

    /// What follows when a record was stored.
    async fn index_digest(&self, record: &ApiKeyRecord) {
        if self.is(Fault::KeyDigestsAreIndexedLater) {
            self.pause().await;
            self.notes().hidden_digests.remove(&record.digest);
        }
        if self.is(Fault::KeysAreFoundByDigestAsInserted) {
            self.notes()
                .kept_by_digest
                .insert(record.digest, record.clone());
        }
    }

    async fn every_key(&self, tenant: &Tenant) -> Result<Vec<ApiKeyRecord>, StoreError> {
        Ok(KeyStore::page(&self.inner, tenant, None, usize::MAX)
            .await?
            .items)
    }

    async fn page_by_offset(
        &self,
        tenant: &Tenant,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<KeyPage, StoreError> {
        let all = self.every_key(tenant).await?;
        let from = after
            .and_then(|after| self.notes().offsets.get(after).copied())
            .unwrap_or(0);
        let items: Vec<_> = all.iter().skip(from).take(limit).cloned().collect();
        let reached = from + items.len();
        let next = items.last().map(cursor).filter(|_| reached < all.len());
        if let Some(next) = &next {
            self.notes().offsets.insert(next.clone(), reached);
        }
        Ok(KeyPage { items, next })
    }
}

#[async_trait]
impl KeyStore for Saboteur {
    async fn insert(
        &self,
        record: ApiKeyRecord,
        event: AuditEvent,
    ) -> Result<InsertKeyOutcome, StoreError> {
        let mut record = record;
        self.notes().tenants.insert(record.tenant.clone());
        if self.is(Fault::KeyIdsFoldCase) {
            record.id = folded(&record.id);
        }
        if self.is(Fault::KeyTimesAreRounded) {
            record.created_at = to_millis(record.created_at);
            record.expires_at = to_millis(record.expires_at);
        }
        if self.is(Fault::KeyOwnersAreUnescaped) {
            record.owner = Subject::new(record.owner.as_str().replace("\\\\", "\\")).unwrap();
        }
        let record = self.past_a_taken_digest(record).await?;
        let is_free = self.inner.find(&record.id).await?.is_none();
        let believed = self
            .checked(Fault::InsertChecksThenActs(Area::Keys), is_free)
            .await;
        let call = KeyStore::insert(&self.inner, record.clone(), event.clone());
        let inserted = |outcome: &_| *outcome == InsertKeyOutcome::Inserted;
        let outcome = self
            .step(Area::Keys, &event, change(&record.id), call, inserted)
            .await?;
        self.index_digest(&record).await;
        if believed || self.is(Fault::KeyInsertNeverRefuses) {
            return Ok(InsertKeyOutcome::Inserted);
        }
        Ok(outcome)
    }

    async fn find(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        let id = if self.is(Fault::KeyIdsFoldCase) {
            folded(id)
        } else {
            id.clone()
        };
        let found = self.key_seen(KeyStore::find(&self.inner, &id).await?);
        let first = self.notes().tenants.first().cloned();
        Ok(found.filter(|found| {
            !self.is(Fault::KeyFindKnowsOneTenant) || Some(&found.tenant) == first.as_ref()
        }))
    }

    async fn find_by_digest(&self, digest: &Digest) -> Result<Option<ApiKeyRecord>, StoreError> {
        let kept = self.notes().kept_by_digest.get(digest).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        let mut found = self.inner.find_by_digest(digest).await?;
        if self.is(Fault::KeysAreFoundByAPartOfTheirDigest) {
            for tenant in self.tenants() {
                let mut keys = self.every_key(&tenant).await?.into_iter();
                let part = &digest.as_bytes()[..31];
                found = found.or_else(|| keys.find(|key| key.digest.as_bytes()[..31] == *part));
            }
        }
        let found = self.key_seen(found);
        let notes = self.notes();
        Ok(found.filter(|found| {
            let is_good = found.revoked_at.is_none() && found.disabled_at.is_none();
            !notes.hidden_digests.contains(digest)
                && (is_good || !self.is(Fault::OnlyGoodKeysAreFoundByDigest))
                && (Some(&found.tenant) == notes.tenants.first()
                    || !self.is(Fault::KeyDigestsKnowOneTenant))
        }))
    }

    async fn find_in(
        &self,
        tenant: &Tenant,
        id: &KeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        if self.is(Fault::KeyFindInIgnoresTheTenant) {
            return KeyStore::find(self, id).await;
        }
        Ok(self.key_seen(self.inner.find_in(tenant, id).await?))
    }

    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<KeyPage, StoreError> {
        if self.is(Fault::KeyPagesCountAnOffset) {
            return self.page_by_offset(tenant, after, limit).await;
        }
        let mut limit = limit;
        let mut after = after.cloned();
        if self.is(Fault::KeyPagesSkipEqualTimes)
            && let Some(after) = &mut after
        {
            after.id = KeyId::new("zzzzzzzzzzzzzzzz").unwrap();
        }
        if self.is(Fault::KeyPagesOverflow) {
            limit += 1;
        }
        let mut page = KeyStore::page(&self.inner, tenant, after.as_ref(), limit).await?;
        if self.is(Fault::KeyPagesAlwaysHaveANext) {
            page.next = page.items.last().map(cursor);
        }
        if self.is(Fault::KeyPagesAreNewestFirst) {
            page.items.reverse();
        }
        if self.is(Fault::KeyPagesFoldTenants) && after.is_none() {
            for other in self.tenants() {
                if other != *tenant && other.as_str().eq_ignore_ascii_case(tenant.as_str()) {
                    page.items.extend(self.every_key(&other).await?);
                }
            }
        }
        Ok(page)
    }

    async fn rotate(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        successor: ApiKeyRecord,
        superseded_at: Timestamp,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<RotateKeyOutcome, StoreError> {
        let (named, mut successor) = (tenant, successor);
        let tenant = &self.tenant_of(tenant, id).await?;
        if self.is(Fault::SuccessorsMoveToTheNamedTenant) || successor.tenant == *named {
            successor.tenant = tenant.clone();
        }
        if self.is(Fault::SuccessorsTenantsAreJudgedLast)
            && self.inner.find_in(tenant, id).await?.is_none()
        {
            return Ok(RotateKeyOutcome::NotFound);
        }
        let rotated = RotateKeyOutcome::Rotated { superseded_at };
        let before = self.inner.find_in(tenant, id).await?;
        let now = if self.is(Fault::RotationIsLateByOne) {
            now - TICK
        } else {
            now
        };
        if self.is(Fault::RotationChecksTheStateFirst)
            && before
                .as_ref()
                .is_some_and(|key| key.revoked_at.is_some() || now >= key.expires_at)
        {
            return Ok(RotateKeyOutcome::NotActive);
        }
        if self.is(Fault::RotationChecksThenActs) {
            self.pause().await;
        }
        let successor = self.past_a_taken_digest(successor).await?;
        let call = KeyStore::rotate(
            &self.inner,
            tenant,
            id,
            successor.clone(),
            superseded_at,
            now,
            event.clone(),
        );
        let won = |outcome: &_| matches!(outcome, RotateKeyOutcome::Rotated { .. });
        let outcome = self.step(Area::Keys, &event, change(id), call, won).await?;
        self.index_digest(&successor).await;
        if self.is(Fault::SuccessorsAreNotFoundByDigest) && won(&outcome) {
            self.notes().hidden_digests.insert(successor.digest);
        }
        let was_free = before.is_some_and(|key| key.successor.is_none());
        Ok(match outcome {
            RotateKeyOutcome::Rotated { .. } if self.is(Fault::RotationOutlivesTheExpiry) => {
                rotated
            }
            RotateKeyOutcome::AlreadyRotated { .. } if self.is(Fault::RotationAlwaysWins) => {
                rotated
            }
            RotateKeyOutcome::AlreadyRotated { .. }
                if self.is(Fault::RotationChecksThenActs) && was_free =>
            {
                KeyStore::insert(&self.inner, successor, event).await?;
                rotated
            }
            RotateKeyOutcome::AlreadyPresent if self.is(Fault::RotationOverwrites) => rotated,
            RotateKeyOutcome::NotActive if self.is(Fault::RotationIgnoresTheState) => rotated,
            other => other,
        })
    }

    async fn revoke(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        let tenant = &self.tenant_of(tenant, id).await?;
        let standing = self.inner.find_in(tenant, id).await?;
        let is_good = standing.is_some_and(|key| key.revoked_at.is_none());
        let believed = self
            .checked(Fault::RevokeChecksThenActs(Area::Keys), is_good)
            .await;
        let call = KeyStore::revoke(&self.inner, tenant, id, now, event.clone());
        let changed = |outcome: &_| *outcome == KeyChangeOutcome::Changed;
        let outcome = self
            .step(Area::Keys, &event, change(id), call, changed)
            .await?;
        if self.is(Fault::KeyRevocationMovesItsTime) && outcome == KeyChangeOutcome::Unchanged {
            self.notes().revoked.insert(id.clone(), now);
        }
        if (believed || self.is(Fault::KeyRevocationAlwaysChanges))
            && outcome == KeyChangeOutcome::Unchanged
        {
            return Ok(KeyChangeOutcome::Changed);
        }
        Ok(outcome)
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        let tenant = &self.tenant_of(tenant, id).await?;
        if self.is(Fault::KeyDisablingMovesItsTime) {
            KeyStore::enable(&self.inner, tenant, id, event.clone()).await?;
        }
        let call = KeyStore::disable(&self.inner, tenant, id, now, event.clone());
        let changed = |outcome: &_| *outcome == KeyChangeOutcome::Changed;
        self.step(Area::Keys, &event, change(id), call, changed)
            .await
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        let tenant = &self.tenant_of(tenant, id).await?;
        if self.is(Fault::EnableRevives) {
            self.notes().revived.insert(id.clone());
        }
        let call = KeyStore::enable(&self.inner, tenant, id, event.clone());
        let changed = |outcome: &_| *outcome == KeyChangeOutcome::Changed;
        self.step(Area::Keys, &event, change(id), call, changed)
            .await
    }

    async fn record_use(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let mut known = uses;
        for (at, (id, when)) in uses.iter().enumerate() {
            if self.is(Fault::UsesStopAtAnUnknownKey) && self.inner.find(id).await?.is_none() {
                known = &uses[..at];
                break;
            }
            if self.is(Fault::UsesMoveBack) {
                self.notes().used.insert(id.clone(), *when);
            }
            if self.is(Fault::UsesCheckThenAct) {
                let last = self.notes().used.get(id).copied();
                self.pause().await;
                if last < Some(*when) {
                    // The later use is the quicker one, so that the earlier one overwrites it.
                    if *when <= NOW + std::time::Duration::from_secs(1) {
                        self.pause().await;
                    }
                    self.notes().used.insert(id.clone(), *when);
                }
            }
        }
        self.inner.record_use(known).await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let (before, limit) = self.purge_bounds(Area::Keys, before, limit);
        if self.is(Fault::PurgesLeaveTheDigests) {
            for tenant in self.tenants() {
                let keys = self.every_key(&tenant).await?;
                let ended = keys.into_iter().filter(|key| key.expires_at < before);
                let ended = ended.map(|key| (key.digest, key));
                self.notes().kept_by_digest.extend(ended);
            }
        }
        if self.is(Fault::PurgeInHalves(Area::Keys)) {
            let mut ended = Vec::new();
            for tenant in self.tenants() {
                ended.extend(self.every_key(&tenant).await?);
            }
            ended.retain(|key| key.expires_at < before);
            self.notes()
                .half_purged_keys
                .extend(ended.into_iter().map(|key| key.id));
            self.pause().await;
        }
        KeyStore::purge(&self.inner, before, limit).await
    }
}

impl Saboteur {
    /// What a purge is told, where its bounds are the mistake.
    pub(crate) fn purge_bounds(
        &self,
        area: Area,
        before: Timestamp,
        limit: usize,
    ) -> (Timestamp, usize) {
        if self.is(Fault::PurgeIsEarlyByOne(area)) {
            (before + TICK, limit)
        } else if self.is(Fault::PurgeLags(area)) {
            (before - DAY, limit)
        } else if self.is(Fault::PurgeKnowsNoLimit(area)) {
            (before, usize::MAX)
        } else {
            (before, limit)
        }
    }
}
