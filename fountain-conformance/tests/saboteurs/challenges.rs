use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::otp::{
    ChallengeId, ChallengeOutcome, ChallengeRecord, ChallengeStore, PendingCode,
};
use fountain_core::{Digest, StoreError, Tenant, Timestamp};

use crate::fault::{Area, Fault, TICK};
use crate::saboteur::Saboteur;

fn is_done(outcome: &ChallengeOutcome) -> bool {
    matches!(outcome, ChallengeOutcome::Done(_))
}

impl Saboteur {
    fn challenge_tenant(&self, tenant: &Tenant, id: &ChallengeId) -> Tenant {
        let owner = self.notes().challenges.get(id).cloned();
        match owner {
            Some(owner) if self.is(Fault::ChallengesAreFoundInAnyTenant) => owner,
            _ => tenant.clone(),
        }
    }

    async fn challenge(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        ChallengeStore::find(&self.inner, tenant, id).await
    }

    /// The instant that a call is judged at.
    fn challenged_at(&self, now: Timestamp) -> Timestamp {
        if self.is(Fault::ChallengesLiveLongerByOne) {
            now - TICK
        } else {
            now
        }
    }

    /// Answers a call before the store is asked, where that is the mistake.
    fn challenge_judged_early(
        &self,
        standing: Option<&ChallengeRecord>,
        now: Timestamp,
    ) -> Option<ChallengeOutcome> {
        let is_over = standing.is_some_and(|record| now >= record.expires_at);
        (self.is(Fault::ExpiryIsJudgedBeforeConsumption) && is_over)
            .then_some(ChallengeOutcome::Expired)
    }

    /// The code that the store is asked for, and what it answered before that.
    async fn code_to_ask_for<'a>(
        &self,
        id: &ChallengeId,
        standing: Option<&ChallengeRecord>,
        code: Option<&'a Digest>,
        now: Timestamp,
    ) -> Option<&'a Digest> {
        let code = code?;
        let sent = standing.and_then(|record| record.code.as_ref());
        let is_sent = sent.is_some_and(|sent| sent.digest == *code);
        let was_sent = self.notes().codes_sent.contains(&(id.clone(), *code));
        let ends_now = sent.is_some_and(|sent| sent.expires_at == now);
        let passes = self.is(Fault::AnyCodeIsTaken)
            || self.is(Fault::OlderCodesStayGood) && was_sent
            || self.is(Fault::CodesLiveLongerByOne) && is_sent && ends_now
            || self.checked(Fault::CodesCheckThenAct, is_sent).await;
        (!passes).then_some(code)
    }
}

#[async_trait]
impl ChallengeStore for Saboteur {
    async fn insert(&self, record: ChallengeRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let mut record = record;
        if self.is(Fault::ChallengeContextsAreCut) {
            record.context.truncate(1_024);
        }
        let (id, tenant) = (record.id.clone(), record.tenant.clone());
        let is_new = !self.notes().challenges.contains_key(&id);
        let believed = self
            .checked(Fault::InsertChecksThenActs(Area::Challenges), is_new)
            .await;
        let call = ChallengeStore::insert(&self.inner, record, event.clone());
        let inserted = self
            .step(Area::Challenges, &event, None, call, |inserted| *inserted)
            .await?;
        if inserted {
            self.notes().challenges.insert(id, tenant);
        }
        Ok(inserted || believed || self.is(Fault::ChallengeInsertNeverRefuses))
    }

    async fn find(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        let found = self
            .challenge(&self.challenge_tenant(tenant, id), id)
            .await?;
        Ok(found.filter(|record| {
            !self.is(Fault::ConsumedChallengesAreNotFound) || record.consumed_at.is_none()
        }))
    }

    async fn count(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let tenant = &self.challenge_tenant(tenant, id);
        let now = self.challenged_at(now);
        let standing = self.challenge(tenant, id).await?;
        if let Some(outcome) = self.challenge_judged_early(standing.as_ref(), now) {
            return Ok(outcome);
        }
        let has_room = standing
            .as_ref()
            .is_some_and(|record| record.attempts < record.attempt_limit);
        let believed = self.checked(Fault::CountsCheckThenAct, has_room).await;
        let call = self.inner.count(tenant, id, now, event.clone());
        let outcome = self
            .step(Area::Challenges, &event, None, call, is_done)
            .await?;
        let is_renewed = self.is(Fault::NewCodesGiveMoreAttempts)
            && outcome == ChallengeOutcome::Exhausted
            && self.notes().codes_put.remove(id);
        Ok(match (outcome, standing) {
            (ChallengeOutcome::Exhausted, Some(record))
                if believed || is_renewed || self.is(Fault::CountsKnowNoLimit) =>
            {
                ChallengeOutcome::Done(Box::new(record))
            }
            (outcome, _) => outcome,
        })
    }

    async fn put_code(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: PendingCode,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let tenant = &self.challenge_tenant(tenant, id);
        let now = self.challenged_at(now);
        let standing = self.challenge(tenant, id).await?;
        if let Some(outcome) = self.challenge_judged_early(standing.as_ref(), now) {
            return Ok(outcome);
        }
        let digest = code.digest;
        let call = self.inner.put_code(tenant, id, code, now, event.clone());
        let outcome = self
            .step(Area::Challenges, &event, None, call, is_done)
            .await?;
        if is_done(&outcome) {
            let mut notes = self.notes();
            notes.codes_sent.insert((id.clone(), digest));
            notes.codes_put.insert(id.clone());
        }
        Ok(outcome)
    }

    async fn consume(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: Option<&Digest>,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let tenant = &self.challenge_tenant(tenant, id);
        let now = self.challenged_at(now);
        let standing = self.challenge(tenant, id).await?;
        if let Some(outcome) = self.challenge_judged_early(standing.as_ref(), now) {
            return Ok(outcome);
        }
        let is_open = standing
            .as_ref()
            .is_some_and(|record| record.consumed_at.is_none());
        let believed = self.checked(Fault::AnswersCheckThenAct, is_open).await;
        if self.is(Fault::UsedUpChallengesAreNotConsumed)
            && let Some(record) = &standing
            && is_open
            && record.attempts >= record.attempt_limit
        {
            return Ok(ChallengeOutcome::Exhausted);
        }
        let code = self.code_to_ask_for(id, standing.as_ref(), code, now).await;
        let call = self.inner.consume(tenant, id, code, now, event.clone());
        let outcome = self
            .step(Area::Challenges, &event, None, call, is_done)
            .await?;
        Ok(match (outcome, standing) {
            (ChallengeOutcome::Consumed, Some(record)) if believed => {
                ChallengeOutcome::Done(Box::new(record))
            }
            (outcome, _) => outcome,
        })
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let (before, limit) = self.purge_bounds(Area::Challenges, before, limit);
        ChallengeStore::purge(&self.inner, before, limit).await
    }
}
