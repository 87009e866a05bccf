use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::Tenant;
use crate::otp::{ChallengeId, ChallengeOutcome, ChallengeRecord, ChallengeStore, PendingCode};
use crate::secret::Digest;

#[derive(Default)]
pub(super) struct Challenges {
    records: HashMap<ChallengeId, ChallengeRecord>,
    by_end: BTreeSet<(Timestamp, ChallengeId)>,
}

impl Challenges {
    fn find(&self, tenant: &Tenant, id: &ChallengeId) -> Option<&ChallengeRecord> {
        self.records
            .get(id)
            .filter(|record| record.tenant == *tenant)
    }
}

impl State {
    /// Changes a challenge that can still be answered, unless `refuse` says why not.
    fn change_challenge(
        &mut self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        event: AuditEvent,
        refuse: impl FnOnce(&ChallengeRecord) -> Option<ChallengeOutcome>,
        change: impl FnOnce(&mut ChallengeRecord),
    ) -> ChallengeOutcome {
        let record = self.challenges.records.get_mut(id);
        let Some(record) = record.filter(|record| record.tenant == *tenant) else {
            return ChallengeOutcome::NotFound;
        };
        if record.consumed_at.is_some() {
            return ChallengeOutcome::Consumed;
        }
        if now >= record.expires_at {
            return ChallengeOutcome::Expired;
        }
        if let Some(refused) = refuse(record) {
            return refused;
        }
        change(record);
        let record = Box::new(record.clone());
        self.log.record(event);
        ChallengeOutcome::Done(record)
    }
}

fn exhausted(record: &ChallengeRecord) -> Option<ChallengeOutcome> {
    (record.attempts >= record.attempt_limit).then_some(ChallengeOutcome::Exhausted)
}

#[async_trait]
impl ChallengeStore for MemoryStore {
    async fn insert(&self, record: ChallengeRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let mut state = self.write();
        self.room(state.challenges.records.len(), 1)?;
        self.room_for_events(&state, 1)?;
        let all = &mut state.challenges;
        if all.records.contains_key(&record.id) {
            return Ok(false);
        }
        all.by_end.insert((record.expires_at, record.id.clone()));
        all.records.insert(record.id.clone(), record);
        state.log.record(event);
        Ok(true)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        Ok(self.read().challenges.find(tenant, id).cloned())
    }

    async fn count(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(
            state.change_challenge(tenant, id, now, event, exhausted, |record| {
                record.attempts = record.attempts.saturating_add(1);
            }),
        )
    }

    async fn put_code(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: PendingCode,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        Ok(
            state.change_challenge(tenant, id, now, event, exhausted, |record| {
                record.code = Some(code);
            }),
        )
    }

    async fn consume(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: Option<&Digest>,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        let superseded = |record: &ChallengeRecord| {
            let code = code?;
            let stands = record.code.as_ref();
            let is_good =
                stands.is_some_and(|stands| stands.digest == *code && now < stands.expires_at);
            (!is_good).then_some(ChallengeOutcome::Superseded)
        };
        Ok(
            state.change_challenge(tenant, id, now, event, superseded, |record| {
                record.consumed_at = Some(now);
            }),
        )
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut state = self.write();
        let ended = state.challenges.by_end.iter();
        let ended: Vec<_> = ended
            .take_while(|(end, _)| *end < before)
            .take(limit)
            .cloned()
            .collect();
        for place in &ended {
            state.challenges.by_end.remove(place);
            state.challenges.records.remove(&place.1);
        }
        Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
    }
}
