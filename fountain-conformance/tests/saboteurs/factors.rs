use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::otp::{FactorId, FactorOutcome, FactorRecord, FactorStore};
use fountain_core::{Digest, StoreError, Subject, Tenant, Timestamp};

use crate::fault::{Area, Fault, TICK};
use crate::saboteur::Saboteur;

fn is_done(outcome: &FactorOutcome) -> bool {
    *outcome == FactorOutcome::Done
}

impl Saboteur {
    /// Whose factors and codes are meant: the given subject's, unless the mistake is not to look closely.
    fn factor_subject(&self, subject: &Subject) -> Subject {
        if self.is(Fault::FactorSubjectsFoldCase) {
            Subject::new(subject.as_str().to_lowercase()).unwrap()
        } else {
            subject.clone()
        }
    }

    /// Where a factor is looked for.
    fn factor_owner(&self, tenant: &Tenant, subject: &Subject, id: &FactorId) -> (Tenant, Subject) {
        let owner = self.notes().factor_owners.get(id).cloned();
        match owner {
            Some(owner) if self.is(Fault::FactorsBelongToEverybody) => owner,
            _ => (tenant.clone(), self.factor_subject(subject)),
        }
    }

    async fn factor(
        &self,
        (tenant, subject): &(Tenant, Subject),
        id: &FactorId,
    ) -> Result<Option<FactorRecord>, StoreError> {
        FactorStore::find(&self.inner, tenant, subject, id).await
    }

    fn factor_seen(&self, mut record: FactorRecord) -> FactorRecord {
        if let Some(at) = self.notes().factors_disabled_at.get(&record.id) {
            record.disabled_at = Some(*at);
        }
        record
    }

    /// Whether a code is known to be good.
    fn is_good(&self, owner: &(Tenant, Subject), code: &Digest) -> bool {
        let notes = self.notes();
        let codes = notes.recovery_codes.get(owner);
        codes.is_some_and(|codes| codes.contains(code))
    }
}

#[async_trait]
impl FactorStore for Saboteur {
    async fn insert(&self, record: FactorRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let mut record = record;
        record.subject = self.factor_subject(&record.subject);
        if self.is(Fault::SealedFactorsAreCut) {
            record.sealed.truncate(1_024);
        }
        let owner = (record.tenant.clone(), record.subject.clone());
        let id = record.id.clone();
        let is_new = !self.notes().factor_owners.contains_key(&id);
        let believed = self
            .checked(Fault::InsertChecksThenActs(Area::Factors), is_new)
            .await;
        let call = FactorStore::insert(&self.inner, record, event.clone());
        let inserted = self
            .step(Area::Factors, &event, None, call, |inserted| *inserted)
            .await?;
        if inserted {
            self.notes().factor_owners.insert(id, owner);
        }
        Ok(inserted || believed || self.is(Fault::FactorInsertNeverRefuses))
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
    ) -> Result<Option<FactorRecord>, StoreError> {
        let owner = self.factor_owner(tenant, subject, id);
        let found = self.factor(&owner, id).await?;
        Ok(found.map(|record| self.factor_seen(record)))
    }

    async fn list(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<FactorRecord>, StoreError> {
        let subject = self.factor_subject(subject);
        let mut all = self.inner.list(tenant, &subject).await?;
        if self.is(Fault::FactorsAreListedNewestFirst) {
            all.reverse();
        }
        if self.is(Fault::FactorsOfOneTimeAreListedInAnyOrder) {
            all.sort_by(|a, b| (a.created_at, &b.id).cmp(&(b.created_at, &a.id)));
        }
        Ok(all.into_iter().map(|r| self.factor_seen(r)).collect())
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
        let owner = self.factor_owner(tenant, subject, id);
        let standing = self.factor(&owner, id).await?;
        let is_pending = standing.as_ref().is_some_and(|r| r.confirmed_at.is_none());
        let (mut mark, mut now) = (mark, now);
        if self.is(Fault::ConfirmationsKeepTheMark) {
            mark = standing.as_ref().map_or(mark, |record| record.mark);
        }
        if self.is(Fault::ConfirmationsAreLateByOne) {
            now = now - TICK;
        }
        if self.is(Fault::ExpiryIsJudgedBeforeConfirmation)
            && standing.is_some_and(|record| now >= record.confirm_by)
        {
            return Ok(FactorOutcome::Expired);
        }
        let believed = self
            .checked(Fault::ConfirmationsCheckThenAct, is_pending)
            .await;
        let call = self
            .inner
            .confirm(&owner.0, &owner.1, id, mark, now, event.clone());
        let outcome = self
            .step(Area::Factors, &event, None, call, is_done)
            .await?;
        Ok(match outcome {
            FactorOutcome::AlreadyConfirmed if believed => FactorOutcome::Done,
            outcome => outcome,
        })
    }

    async fn take(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        mark: u64,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let owner = self.factor_owner(tenant, subject, id);
        let standing = self.factor(&owner, id).await?.map(|record| record.mark);
        let is_later = standing.is_some_and(|standing| mark > standing);
        let believed = self
            .checked(Fault::TakesOfMarksCheckThenAct, is_later)
            .await;
        if self.is(Fault::SpentIsJudgedFirst) && standing.is_some() && !is_later {
            return Ok(FactorOutcome::Spent);
        }
        if self.is(Fault::MarksAreTexts)
            && standing.is_some_and(|standing| mark.to_string() <= standing.to_string())
        {
            return Ok(FactorOutcome::Spent);
        }
        let call = FactorStore::take(&self.inner, &owner.0, &owner.1, id, mark, event.clone());
        let outcome = self
            .step(Area::Factors, &event, None, call, is_done)
            .await?;
        Ok(match outcome {
            FactorOutcome::Spent if believed => FactorOutcome::Done,
            FactorOutcome::Spent if self.is(Fault::TheLastMarkIsGood) && standing == Some(mark) => {
                FactorOutcome::Done
            }
            outcome => outcome,
        })
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let owner = self.factor_owner(tenant, subject, id);
        let standing = self.factor(&owner, id).await?;
        let is_enabled = standing.is_some_and(|record| record.disabled_at.is_none());
        let believed = self
            .checked(Fault::RevokeChecksThenActs(Area::Factors), is_enabled)
            .await;
        let call = FactorStore::disable(&self.inner, &owner.0, &owner.1, id, now, event.clone());
        let outcome = self
            .step(Area::Factors, &event, None, call, is_done)
            .await?;
        if self.is(Fault::FactorDisablingMovesItsTime) {
            self.notes().factors_disabled_at.insert(id.clone(), now);
        }
        Ok(match outcome {
            FactorOutcome::Disabled if believed => FactorOutcome::Done,
            outcome => outcome,
        })
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let owner = self.factor_owner(tenant, subject, id);
        let is_there = self.factor(&owner, id).await?.is_some();
        if self.is(Fault::RemovedFactorsAreDisabled) {
            let disabled =
                FactorStore::disable(&self.inner, &owner.0, &owner.1, id, event.at, event.clone());
            return Ok(disabled.await? == FactorOutcome::Done);
        }
        let believed = self
            .checked(Fault::RemoveChecksThenActs(Area::Factors), is_there)
            .await;
        let call = FactorStore::remove(&self.inner, &owner.0, &owner.1, id, event.clone());
        let removed = self
            .step(Area::Factors, &event, None, call, |removed| *removed)
            .await?;
        Ok(removed || believed)
    }

    async fn replace_recovery_codes(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        codes: &[Digest],
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        let owner = (tenant.clone(), self.factor_subject(subject));
        let mut codes = codes.to_vec();
        if self.is(Fault::TooManyRecoveryCodesAreCut) {
            codes.truncate(20);
        }
        if self.is(Fault::OlderRecoveryCodesStayGood) {
            let older = self.notes().recovery_codes.get(&owner).cloned();
            codes.extend(older.unwrap_or_default());
            codes.truncate(20);
        }
        let call = self
            .inner
            .replace_recovery_codes(&owner.0, &owner.1, &codes, event.clone());
        self.step(Area::Factors, &event, None, call, |()| true)
            .await?;
        self.notes().recovery_codes.insert(owner, codes);
        Ok(())
    }

    async fn take_recovery_code(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        code: &Digest,
        event: AuditEvent,
    ) -> Result<Option<u32>, StoreError> {
        let owner = (tenant.clone(), self.factor_subject(subject));
        let is_good = self.is_good(&owner, code);
        let before = self.inner.recovery_codes(&owner.0, &owner.1).await?;
        if self.is(Fault::RecoveryCodesAreNotUsedUp) && is_good {
            return Ok(Some(before));
        }
        let believed = self
            .checked(Fault::TakesOfRecoveryCodesCheckThenAct, is_good)
            .await;
        if self.is(Fault::RecoveryCodesAreCountedBefore) {
            self.pause().await;
        }
        let call = self
            .inner
            .take_recovery_code(&owner.0, &owner.1, code, event.clone());
        let left = self
            .step(Area::Factors, &event, None, call, Option::is_some)
            .await?;
        if left.is_some()
            && let Some(codes) = self.notes().recovery_codes.get_mut(&owner)
        {
            codes.retain(|other| other != code);
        }
        if left.is_some() && self.is(Fault::RecoveryCodesAreCountedBefore) {
            return Ok(Some(before.saturating_sub(1)));
        }
        if left.is_none() && believed {
            let left = self.inner.recovery_codes(&owner.0, &owner.1).await?;
            return Ok(Some(left));
        }
        Ok(left)
    }

    async fn recovery_codes(&self, tenant: &Tenant, subject: &Subject) -> Result<u32, StoreError> {
        let subject = self.factor_subject(subject);
        self.inner.recovery_codes(tenant, &subject).await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let (before, limit) = self.purge_bounds(Area::Factors, before, limit);
        FactorStore::purge(&self.inner, before, limit).await
    }
}
