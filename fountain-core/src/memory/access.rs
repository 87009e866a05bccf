use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::access::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
use crate::audit::AuditEvent;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{Subject, Tenant};

pub(super) type Subjects = HashMap<Tenant, HashMap<Subject, SubjectRecord>>;

impl State {
    /// Whether `changed`, put in the place of the subject's record, leaves `keep` with nobody who holds it now.
    fn takes_last(
        &self,
        current: &SubjectRecord,
        changed: &SubjectRecord,
        keep: Option<&str>,
    ) -> bool {
        let Some(keep) = keep else { return false };
        let holds =
            |record: &SubjectRecord| record.disabled_at.is_none() && record.roles.contains(keep);
        holds(current)
            && !holds(changed)
            && !self
                .subjects
                .get(&current.tenant)
                .into_iter()
                .flat_map(HashMap::values)
                .any(|other| other.subject != current.subject && holds(other))
    }

    fn change_subject(
        &mut self,
        tenant: &Tenant,
        subject: &Subject,
        keep: Option<&str>,
        event: AuditEvent,
        change: impl FnOnce(&mut SubjectRecord),
    ) -> SubjectChangeOutcome {
        let Some(current) = self.subjects.get(tenant).and_then(|all| all.get(subject)) else {
            return SubjectChangeOutcome::NotFound;
        };
        let mut changed = current.clone();
        change(&mut changed);
        if changed == *current {
            return SubjectChangeOutcome::Unchanged(changed);
        }
        if self.takes_last(current, &changed, keep) {
            return SubjectChangeOutcome::LastHolder;
        }
        changed.version = changed.version.saturating_add(1);
        self.subjects
            .entry(tenant.clone())
            .or_default()
            .insert(subject.clone(), changed.clone());
        self.commit(event, change_of(tenant, subject));
        SubjectChangeOutcome::Changed(changed)
    }
}

fn change_of(tenant: &Tenant, subject: &Subject) -> Change {
    Change::Subject {
        tenant: tenant.clone(),
        subject: subject.clone(),
    }
}

#[async_trait]
impl SubjectStore for MemoryStore {
    async fn insert(&self, record: SubjectRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let mut state = self.write();
        let count = state.subjects.values().map(HashMap::len).sum();
        self.room(count, 1)?;
        self.room_for_events(&state, 1)?;
        let subjects = state.subjects.entry(record.tenant.clone()).or_default();
        if subjects.contains_key(&record.subject) {
            return Ok(false);
        }
        let change = change_of(&record.tenant, &record.subject);
        subjects.insert(record.subject.clone(), record);
        state.commit(event, change);
        Ok(true)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<SubjectRecord>, StoreError> {
        let state = self.read();
        Ok(state
            .subjects
            .get(tenant)
            .and_then(|all| all.get(subject))
            .cloned())
    }

    async fn assign(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        roles: BTreeSet<String>,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(state.change_subject(tenant, subject, keep, event, |record| record.roles = roles))
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(
            state.change_subject(tenant, subject, keep, event, |record| {
                record.disabled_at.get_or_insert(now);
            }),
        )
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(
            state.change_subject(tenant, subject, None, event, |record| {
                record.disabled_at = None
            }),
        )
    }
}
