use std::collections::{BTreeSet, HashMap, HashSet};

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::{Subject, Tenant};
use crate::otp::{FactorId, FactorOutcome, FactorRecord, FactorStore};
use crate::secret::Digest;

type Owner = (Tenant, Subject);

#[derive(Default)]
pub(super) struct Factors {
    records: HashMap<FactorId, FactorRecord>,
    by_owner: HashMap<Owner, BTreeSet<(Timestamp, FactorId)>>,
    pending: BTreeSet<(Timestamp, FactorId)>,
    recovery: HashMap<Owner, HashSet<Digest>>,
}

impl Factors {
    fn find(&self, tenant: &Tenant, subject: &Subject, id: &FactorId) -> Option<&FactorRecord> {
        self.records
            .get(id)
            .filter(|record| record.tenant == *tenant && record.subject == *subject)
    }

    fn add(&mut self, record: FactorRecord) {
        self.by_owner
            .entry((record.tenant.clone(), record.subject.clone()))
            .or_default()
            .insert((record.created_at, record.id.clone()));
        if record.confirmed_at.is_none() {
            self.pending.insert((record.confirm_by, record.id.clone()));
        }
        self.records.insert(record.id.clone(), record);
    }

    fn remove(&mut self, id: &FactorId) {
        let Some(record) = self.records.remove(id) else {
            return;
        };
        self.pending.remove(&(record.confirm_by, record.id.clone()));
        let owner = (record.tenant, record.subject);
        if let Some(all) = self.by_owner.get_mut(&owner) {
            all.remove(&(record.created_at, record.id));
            if all.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }
}

impl State {
    /// Changes a factor unless it is not there, or the record says why not.
    fn change_factor(
        &mut self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        event: AuditEvent,
        judge: impl FnOnce(&FactorRecord) -> FactorOutcome,
        change: impl FnOnce(&mut FactorRecord),
    ) -> FactorOutcome {
        let factors = &mut self.factors;
        let Some(record) = factors.find(tenant, subject, id) else {
            return FactorOutcome::NotFound;
        };
        let outcome = judge(record);
        if outcome != FactorOutcome::Done {
            return outcome;
        }
        if let Some(record) = factors.records.get_mut(id) {
            change(record);
            if record.confirmed_at.is_some() {
                factors
                    .pending
                    .remove(&(record.confirm_by, record.id.clone()));
            }
        }
        self.log.record(event);
        outcome
    }
}

#[async_trait]
impl FactorStore for MemoryStore {
    async fn insert(&self, record: FactorRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let mut state = self.write();
        self.room(state.factors.records.len(), 1)?;
        self.room_for_events(&state, 1)?;
        if state.factors.records.contains_key(&record.id) {
            return Ok(false);
        }
        state.factors.add(record);
        state.log.record(event);
        Ok(true)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
    ) -> Result<Option<FactorRecord>, StoreError> {
        Ok(self.read().factors.find(tenant, subject, id).cloned())
    }

    async fn list(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<FactorRecord>, StoreError> {
        let state = self.read();
        let owner = (tenant.clone(), subject.clone());
        let places = state.factors.by_owner.get(&owner).into_iter().flatten();
        Ok(places
            .filter_map(|(_, id)| state.factors.records.get(id))
            .cloned()
            .collect())
    }

    async fn confirm(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        mark: u64,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(state.change_factor(
            tenant,
            subject,
            id,
            event,
            |record| match record {
                r if r.disabled_at.is_some() => FactorOutcome::Disabled,
                r if r.confirmed_at.is_some() => FactorOutcome::AlreadyConfirmed,
                r if now >= r.confirm_by => FactorOutcome::Expired,
                _ => FactorOutcome::Done,
            },
            |record| {
                record.confirmed_at = Some(now);
                record.mark = mark;
            },
        ))
    }

    async fn take(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        mark: u64,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(state.change_factor(
            tenant,
            subject,
            id,
            event,
            |record| match record {
                r if r.disabled_at.is_some() => FactorOutcome::Disabled,
                r if r.confirmed_at.is_none() => FactorOutcome::Pending,
                r if mark <= r.mark => FactorOutcome::Spent,
                _ => FactorOutcome::Done,
            },
            |record| record.mark = mark,
        ))
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(state.change_factor(
            tenant,
            subject,
            id,
            event,
            |record| match record.disabled_at {
                Some(_) => FactorOutcome::Disabled,
                None => FactorOutcome::Done,
            },
            |record| record.disabled_at = Some(now),
        ))
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        if state.factors.find(tenant, subject, id).is_none() {
            return Ok(false);
        }
        state.factors.remove(id);
        state.log.record(event);
        Ok(true)
    }

    async fn replace_recovery_codes(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        codes: &[Digest],
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        if codes.len() > 20 {
            return Err(StoreErrorKind::Conflict.into());
        }
        let mut state = self.write();
        self.room(state.factors.recovery.len(), 1)?;
        self.room_for_events(&state, 1)?;
        let owner = (tenant.clone(), subject.clone());
        if codes.is_empty() {
            state.factors.recovery.remove(&owner);
        } else {
            let codes = codes.iter().copied().collect();
            state.factors.recovery.insert(owner, codes);
        }
        state.log.record(event);
        Ok(())
    }

    async fn take_recovery_code(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        code: &Digest,
        event: AuditEvent,
    ) -> Result<Option<u32>, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        let owner = (tenant.clone(), subject.clone());
        let Some(codes) = state.factors.recovery.get_mut(&owner) else {
            return Ok(None);
        };
        if !codes.remove(code) {
            return Ok(None);
        }
        let left = codes.len();
        if left == 0 {
            state.factors.recovery.remove(&owner);
        }
        state.log.record(event);
        Ok(Some(u32::try_from(left).unwrap_or(u32::MAX)))
    }

    async fn recovery_codes(&self, tenant: &Tenant, subject: &Subject) -> Result<u32, StoreError> {
        let owner = (tenant.clone(), subject.clone());
        let state = self.read();
        let left = state.factors.recovery.get(&owner).map_or(0, HashSet::len);
        Ok(u32::try_from(left).unwrap_or(u32::MAX))
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut state = self.write();
        let ended = state.factors.pending.iter();
        let ended: Vec<_> = ended
            .take_while(|(end, _)| *end < before)
            .take(limit)
            .map(|(_, id)| id.clone())
            .collect();
        ended.iter().for_each(|id| state.factors.remove(id));
        Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
    }
}
