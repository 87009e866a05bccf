use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::login::{CredentialRecord, CredentialStore, LoginName, ReplaceOutcome};
use fountain_core::password::PasswordHash;
use fountain_core::{StoreError, Subject, Tenant, Timestamp};

use crate::fault::{Area, Fault, to_millis};
use crate::saboteur::Saboteur;

impl Saboteur {
    fn credential_subject(&self, subject: &Subject) -> Subject {
        if self.is(Fault::CredentialSubjectsFoldCase) {
            Subject::new(subject.as_str().to_lowercase()).unwrap()
        } else {
            subject.clone()
        }
    }

    /// The tenant to look in: the given one, unless the mistake is to take any that has the subject.
    async fn credential_tenant(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Tenant, StoreError> {
        if self.is(Fault::CredentialsAreFoundInAnyTenant) {
            for other in self.tenants() {
                let found = self.inner.find_subject(&other, subject).await?;
                if found.is_some() {
                    return Ok(other);
                }
            }
        }
        Ok(tenant.clone())
    }
}

#[async_trait]
impl CredentialStore for Saboteur {
    async fn insert(
        &self,
        record: CredentialRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut record = record;
        self.notes().tenants.insert(record.tenant.clone());
        record.subject = self.credential_subject(&record.subject);
        if self.is(Fault::CredentialTimesAreRounded) {
            record.created_at = to_millis(record.created_at);
        }
        if self.is(Fault::RemovedNamesStayTaken)
            && self.notes().removed_names.contains(&record.name)
        {
            return Ok(false);
        }
        let (tenant, subject) = (&record.tenant, &record.subject);
        let is_new = self.inner.find_subject(tenant, subject).await?.is_none()
            && CredentialStore::find(&self.inner, tenant, &record.name)
                .await?
                .is_none();
        let believed = self
            .checked(Fault::InsertChecksThenActs(Area::Credentials), is_new)
            .await;
        let call = CredentialStore::insert(&self.inner, record, event.clone());
        let inserted = self
            .step(Area::Credentials, &event, None, call, |inserted| *inserted)
            .await?;
        Ok(inserted || believed || self.is(Fault::CredentialInsertNeverRefuses))
    }

    async fn find(
        &self,
        tenant: &Tenant,
        name: &LoginName,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        CredentialStore::find(&self.inner, tenant, name).await
    }

    async fn find_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let tenant = self.credential_tenant(tenant, subject).await?;
        let subject = self.credential_subject(subject);
        self.inner.find_subject(&tenant, &subject).await
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
        let tenant = &self.credential_tenant(tenant, subject).await?;
        let subject = &self.credential_subject(subject);
        let standing = self.inner.find_subject(tenant, subject).await?;
        let (mut version, mut now) = (version, now);
        let is_current = standing.as_ref().is_some_and(|r| r.version == version);
        let believed = self.checked(Fault::ReplaceChecksThenActs, is_current).await;
        if believed || self.is(Fault::ReplaceIgnoresTheVersion) {
            let standing = self.inner.find_subject(tenant, subject).await?;
            version = standing.map_or(version, |record| record.version);
        }
        if self.is(Fault::ReplacedHashesKeepTheirTime) {
            now = standing.map_or(now, |record| record.changed_at);
        }
        let call = self
            .inner
            .replace(tenant, subject, version, password, now, event.clone());
        let replaced = |outcome: &_| *outcome == ReplaceOutcome::Replaced;
        self.step(Area::Credentials, &event, None, call, replaced)
            .await
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let tenant = &self.credential_tenant(tenant, subject).await?;
        let subject = &self.credential_subject(subject);
        let standing = self.inner.find_subject(tenant, subject).await?;
        let believed = self
            .checked(
                Fault::RemoveChecksThenActs(Area::Credentials),
                standing.is_some(),
            )
            .await;
        let call = CredentialStore::remove(&self.inner, tenant, subject, event.clone());
        let removed = self
            .step(Area::Credentials, &event, None, call, |removed| *removed)
            .await?;
        let names = standing.into_iter().map(|record| record.name);
        self.notes().removed_names.extend(names);
        Ok(removed || believed)
    }
}
