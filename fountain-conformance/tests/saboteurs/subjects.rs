use std::collections::BTreeSet;

use async_trait::async_trait;
use fountain_core::access::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
use fountain_core::audit::AuditEvent;
use fountain_core::change::Change;
use fountain_core::{StoreError, Subject, Tenant, Timestamp};

use crate::fault::{Area, Fault};
use crate::saboteur::Saboteur;

fn change(tenant: &Tenant, subject: &Subject) -> Option<Change> {
    Some(Change::Subject {
        tenant: tenant.clone(),
        subject: subject.clone(),
    })
}

fn is_changed(outcome: &SubjectChangeOutcome) -> bool {
    matches!(outcome, SubjectChangeOutcome::Changed(_))
}

impl Saboteur {
    fn subject(&self, subject: &Subject) -> Subject {
        if self.is(Fault::SubjectsFoldCase) {
            Subject::new(subject.as_str().to_lowercase()).unwrap()
        } else {
            subject.clone()
        }
    }

    /// The tenant to look in: the given one, unless the mistake is to take any that has the subject.
    async fn tenant_with(&self, tenant: &Tenant, subject: &Subject) -> Result<Tenant, StoreError> {
        if self.is(Fault::SubjectsAreFoundInAnyTenant) {
            for other in self.tenants() {
                if SubjectStore::find(&self.inner, &other, subject)
                    .await?
                    .is_some()
                {
                    return Ok(other);
                }
            }
        }
        Ok(tenant.clone())
    }

    /// Answers a change before the store is asked, where that is the mistake, or gives the role to keep.
    async fn kept<'a>(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        keep: Option<&'a str>,
    ) -> Result<Result<Option<&'a str>, SubjectChangeOutcome>, StoreError> {
        let holds = SubjectStore::find(&self.inner, tenant, subject).await?;
        let holds =
            holds.is_some_and(|record| keep.is_some_and(|role| record.roles.contains(role)));
        if self.is(Fault::NoRoleIsKept) {
            return Ok(Ok(None));
        }
        if self.is(Fault::KeptRolesAreNeverLost) && holds {
            return Ok(Err(SubjectChangeOutcome::LastHolder));
        }
        Ok(Ok(keep))
    }
}

#[async_trait]
impl SubjectStore for Saboteur {
    async fn insert(&self, record: SubjectRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let mut record = record;
        self.notes().tenants.insert(record.tenant.clone());
        record.subject = self.subject(&record.subject);
        let person = (record.tenant.clone(), record.subject.clone());
        self.notes().subjects.insert(person);
        if self.is(Fault::SubjectVersionsBeginAtOne) {
            record.version = 1;
        }
        let change = change(&record.tenant, &record.subject);
        let known = SubjectStore::find(&self.inner, &record.tenant, &record.subject).await?;
        let believed = self
            .checked(Fault::InsertChecksThenActs(Area::Subjects), known.is_none())
            .await;
        let call = SubjectStore::insert(&self.inner, record, event.clone());
        let inserted = self
            .step(Area::Subjects, &event, change, call, |inserted| *inserted)
            .await?;
        Ok(inserted || believed || self.is(Fault::SubjectInsertNeverRefuses))
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<SubjectRecord>, StoreError> {
        let tenant = self.tenant_with(tenant, subject).await?;
        SubjectStore::find(&self.inner, &tenant, &self.subject(subject)).await
    }

    async fn assign(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        roles: BTreeSet<String>,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let tenant = &self.tenant_with(tenant, subject).await?;
        let subject = &self.subject(subject);
        let keep = match self.kept(tenant, subject, keep).await? {
            Ok(keep) => keep,
            Err(outcome) => return Ok(outcome),
        };
        let before = SubjectStore::find(&self.inner, tenant, subject).await?;
        let mut roles = roles;
        if self.is(Fault::AssignmentsAdd) {
            roles.extend(before.iter().flat_map(|record| record.roles.clone()));
        }
        if self.is(Fault::VersionsAreReadBefore) {
            self.pause().await;
        }
        let keep = self.checked_before(tenant, subject, keep).await?;
        let call = self
            .inner
            .assign(tenant, subject, roles, keep, event.clone());
        let outcome = self
            .step(
                Area::Subjects,
                &event,
                change(tenant, subject),
                call,
                is_changed,
            )
            .await?;
        Ok(match (outcome, before) {
            (SubjectChangeOutcome::Changed(mut record), Some(before))
                if self.is(Fault::VersionsAreReadBefore) =>
            {
                record.version = before.version + 1;
                SubjectChangeOutcome::Changed(record)
            }
            (outcome, _) => outcome,
        })
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let tenant = &self.tenant_with(tenant, subject).await?;
        let subject = &self.subject(subject);
        let keep = match self.kept(tenant, subject, keep).await? {
            Ok(keep) => keep,
            Err(outcome) => return Ok(outcome),
        };
        if self.is(Fault::SubjectDisablingMovesItsTime) {
            self.inner.enable(tenant, subject, event.clone()).await?;
        }
        let keep = self.checked_before(tenant, subject, keep).await?;
        let call = SubjectStore::disable(&self.inner, tenant, subject, now, keep, event.clone());
        self.step(
            Area::Subjects,
            &event,
            change(tenant, subject),
            call,
            is_changed,
        )
        .await
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let tenant = &self.tenant_with(tenant, subject).await?;
        let subject = &self.subject(subject);
        let call = SubjectStore::enable(&self.inner, tenant, subject, event.clone());
        self.step(
            Area::Subjects,
            &event,
            change(tenant, subject),
            call,
            is_changed,
        )
        .await
    }
}

impl Saboteur {
    /// Counts the holders of the kept role now, and acts on that later.
    async fn checked_before<'a>(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        keep: Option<&'a str>,
    ) -> Result<Option<&'a str>, StoreError> {
        if !self.is(Fault::HoldersAreCountedBefore) {
            return Ok(keep);
        }
        let Some(role) = keep else { return Ok(None) };
        let mut others = 0;
        let people: Vec<_> = self
            .notes()
            .subjects
            .iter()
            .filter(|(of, other)| of == tenant && other != subject)
            .cloned()
            .collect();
        for (_, other) in people {
            let record = SubjectStore::find(&self.inner, tenant, &other).await?;
            others += usize::from(
                record.is_some_and(|r| r.disabled_at.is_none() && r.roles.contains(role)),
            );
        }
        self.pause().await;
        Ok(keep.filter(|_| others == 0))
    }
}
