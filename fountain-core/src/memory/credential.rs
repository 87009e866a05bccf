use std::collections::HashMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{Subject, Tenant};
use crate::login::{CredentialRecord, CredentialStore, LoginName, ReplaceOutcome};
use crate::password::PasswordHash;

#[derive(Default)]
pub(super) struct Credentials {
    records: HashMap<(Tenant, Subject), CredentialRecord>,
    by_name: HashMap<(Tenant, LoginName), Subject>,
}

#[async_trait]
impl CredentialStore for MemoryStore {
    async fn insert(
        &self,
        record: CredentialRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut state = self.write();
        self.room(state.credentials.records.len(), 1)?;
        self.room_for_events(&state, 1)?;
        let owner = (record.tenant.clone(), record.subject.clone());
        let name = (record.tenant.clone(), record.name.clone());
        let all = &mut state.credentials;
        if all.records.contains_key(&owner) || all.by_name.contains_key(&name) {
            return Ok(false);
        }
        all.by_name.insert(name, record.subject.clone());
        all.records.insert(owner, record);
        state.log.record(event);
        Ok(true)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        name: &LoginName,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let state = self.read();
        let all = &state.credentials;
        let subject = all.by_name.get(&(tenant.clone(), name.clone()));
        let owner = subject.map(|subject| (tenant.clone(), subject.clone()));
        Ok(owner.and_then(|owner| all.records.get(&owner)).cloned())
    }

    async fn find_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let owner = (tenant.clone(), subject.clone());
        Ok(self.read().credentials.records.get(&owner).cloned())
    }

    async fn replace(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        version: u64,
        password: PasswordHash,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ReplaceOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        let owner = (tenant.clone(), subject.clone());
        let Some(record) = state.credentials.records.get_mut(&owner) else {
            return Ok(ReplaceOutcome::NotFound);
        };
        if record.version != version {
            return Ok(ReplaceOutcome::Stale);
        }
        record.password = password;
        record.changed_at = now;
        record.version = version.saturating_add(1);
        state.log.record(event);
        Ok(ReplaceOutcome::Replaced)
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        let owner = (tenant.clone(), subject.clone());
        let Some(record) = state.credentials.records.remove(&owner) else {
            return Ok(false);
        };
        let name = (record.tenant, record.name);
        state.credentials.by_name.remove(&name);
        state.log.record(event);
        Ok(true)
    }
}
