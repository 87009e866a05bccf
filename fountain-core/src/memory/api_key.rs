use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::api_key::{
    ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome, KeyCursor, KeyPage, KeyStore,
    RotateKeyOutcome,
};
use crate::audit::AuditEvent;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::{KeyId, Tenant};
use crate::secret::Digest;

#[derive(Default)]
pub(super) struct Keys {
    records: HashMap<KeyId, ApiKeyRecord>,
    by_digest: HashMap<Digest, KeyId>,
    by_tenant: HashMap<Tenant, BTreeSet<KeyCursor>>,
    by_end: BTreeSet<(Timestamp, KeyId)>,
}

impl Keys {
    fn add(&mut self, record: ApiKeyRecord) {
        self.by_tenant
            .entry(record.tenant.clone())
            .or_default()
            .insert(cursor_of(&record));
        self.by_end.insert((end_of(&record), record.id.clone()));
        self.by_digest.insert(record.digest, record.id.clone());
        self.records.insert(record.id.clone(), record);
    }

    /// Whether a record like this can be added: its id and its digest are in no tenant.
    fn is_new(&self, record: &ApiKeyRecord) -> bool {
        !self.records.contains_key(&record.id) && !self.by_digest.contains_key(&record.digest)
    }

    fn find_in(&self, tenant: &Tenant, id: &KeyId) -> Option<&ApiKeyRecord> {
        self.records
            .get(id)
            .filter(|record| record.tenant == *tenant)
    }

    /// Changes a record and keeps the index of ends true.
    fn change(&mut self, id: &KeyId, change: impl FnOnce(&mut ApiKeyRecord)) {
        if let Some(record) = self.records.get_mut(id) {
            self.by_end.remove(&(end_of(record), id.clone()));
            change(record);
            self.by_end.insert((end_of(record), id.clone()));
        }
    }

    fn remove(&mut self, id: &KeyId) {
        if let Some(record) = self.records.remove(id) {
            self.by_end.remove(&(end_of(&record), id.clone()));
            self.by_digest.remove(&record.digest);
            if let Some(cursors) = self.by_tenant.get_mut(&record.tenant) {
                cursors.remove(&cursor_of(&record));
                if cursors.is_empty() {
                    self.by_tenant.remove(&record.tenant);
                }
            }
        }
    }
}

fn cursor_of(record: &ApiKeyRecord) -> KeyCursor {
    KeyCursor {
        created_at: record.created_at,
        id: record.id.clone(),
    }
}

/// From when on a key is of no use any more.
fn end_of(record: &ApiKeyRecord) -> Timestamp {
    [record.superseded_at, record.revoked_at]
        .into_iter()
        .flatten()
        .fold(record.expires_at, Timestamp::min)
}

impl State {
    fn change_key(
        &mut self,
        tenant: &Tenant,
        id: &KeyId,
        event: AuditEvent,
        applies: impl FnOnce(&ApiKeyRecord) -> bool,
        change: impl FnOnce(&mut ApiKeyRecord),
    ) -> KeyChangeOutcome {
        match self.keys.find_in(tenant, id) {
            None => KeyChangeOutcome::NotFound,
            Some(record) if !applies(record) => KeyChangeOutcome::Unchanged,
            Some(_) => {
                self.keys.change(id, change);
                self.commit(event, Change::ApiKey { id: id.clone() });
                KeyChangeOutcome::Changed
            }
        }
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn insert(
        &self,
        record: ApiKeyRecord,
        event: AuditEvent,
    ) -> Result<InsertKeyOutcome, StoreError> {
        let mut state = self.write();
        if !state.keys.is_new(&record) {
            return Ok(InsertKeyOutcome::AlreadyPresent);
        }
        self.room(state.keys.records.len(), 1)?;
        self.room_for_events(&state, 1)?;
        let id = record.id.clone();
        state.keys.add(record);
        state.commit(event, Change::ApiKey { id });
        Ok(InsertKeyOutcome::Inserted)
    }

    async fn find(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        Ok(self.read().keys.records.get(id).cloned())
    }

    async fn find_by_digest(&self, digest: &Digest) -> Result<Option<ApiKeyRecord>, StoreError> {
        let state = self.read();
        let id = state.keys.by_digest.get(digest);
        Ok(id.and_then(|id| state.keys.records.get(id)).cloned())
    }

    async fn find_in(
        &self,
        tenant: &Tenant,
        id: &KeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        Ok(self.read().keys.find_in(tenant, id).cloned())
    }

    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<KeyPage, StoreError> {
        let state = self.read();
        let Some(cursors) = state.keys.by_tenant.get(tenant) else {
            return Ok(KeyPage {
                items: Vec::new(),
                next: None,
            });
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = cursors.range((from, Bound::Unbounded));
        let items: Vec<_> = rest
            .by_ref()
            .take(limit)
            .filter_map(|cursor| state.keys.records.get(&cursor.id).cloned())
            .collect();
        let next = if rest.next().is_some() {
            items.last().map(cursor_of)
        } else {
            None
        };
        Ok(KeyPage { items, next })
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
        if successor.tenant != *tenant {
            return Err(StoreErrorKind::Conflict.into());
        }
        let mut state = self.write();
        let Some(record) = state.keys.find_in(tenant, id) else {
            return Ok(RotateKeyOutcome::NotFound);
        };
        if let Some(successor) = &record.successor {
            return Ok(RotateKeyOutcome::AlreadyRotated {
                successor: successor.clone(),
            });
        }
        if record.revoked_at.is_some() || record.disabled_at.is_some() || now >= record.expires_at {
            return Ok(RotateKeyOutcome::NotActive);
        }
        let superseded_at = superseded_at.min(record.expires_at);
        if !state.keys.is_new(&successor) {
            return Ok(RotateKeyOutcome::AlreadyPresent);
        }
        self.room(state.keys.records.len(), 1)?;
        self.room_for_events(&state, 1)?;
        state.keys.change(id, |record| {
            record.successor = Some(successor.id.clone());
            record.superseded_at = Some(superseded_at);
        });
        state.keys.add(successor);
        state.commit(event, Change::ApiKey { id: id.clone() });
        Ok(RotateKeyOutcome::Rotated { superseded_at })
    }

    async fn revoke(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(state.change_key(
            tenant,
            id,
            event,
            |record| record.revoked_at.is_none(),
            |record| record.revoked_at = Some(now),
        ))
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(state.change_key(
            tenant,
            id,
            event,
            |record| record.revoked_at.is_none() && record.disabled_at.is_none(),
            |record| record.disabled_at = Some(now),
        ))
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(state.change_key(
            tenant,
            id,
            event,
            |record| record.revoked_at.is_none() && record.disabled_at.is_some(),
            |record| record.disabled_at = None,
        ))
    }

    async fn record_use(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let mut state = self.write();
        for (id, at) in uses {
            if let Some(record) = state.keys.records.get_mut(id) {
                record.last_used_at = record.last_used_at.max(Some(*at));
            }
        }
        Ok(())
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut state = self.write();
        let ended: Vec<_> = state
            .keys
            .by_end
            .iter()
            .take_while(|(end, _)| *end < before)
            .take(limit)
            .map(|(_, id)| id.clone())
            .collect();
        ended.iter().for_each(|id| state.keys.remove(id));
        Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
    }
}
