use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::login::{CredentialRecord, CredentialStore, LoginName, ReplaceOutcome};
use fountain_core::password::PasswordHash;
use fountain_core::{StoreError, Subject, Tenant, Timestamp};

use crate::error::{corrupt, unexpected};
use crate::fields::{Line, bytes, bytes_option, count, list, next, text};
use crate::script::{self, Table};
use crate::store::RedisStore;
use crate::words::{time, unword, word};

const TABLE: &str = "credentials";

/// The field of a name.
fn name_field(tenant: &Tenant, name: &LoginName) -> String {
    format!("name {tenant} {}", word(name.as_str()))
}

/// What the fields of a tenant's subjects begin with.
fn subject_prefix(tenant: &Tenant) -> String {
    format!("subject {tenant} ")
}

/// The field of a subject.
fn subject_field(tenant: &Tenant, subject: &Subject) -> String {
    subject_prefix(tenant) + &word(subject.as_str())
}

fn encode(record: &CredentialRecord) -> String {
    format!(
        "{} {} {} {} {}",
        record.version,
        time(record.created_at),
        time(record.changed_at),
        word(record.name.as_str()),
        word(record.password.expose())
    )
}

fn decode(tenant: &Tenant, subject: &Subject, line: &[u8]) -> Result<CredentialRecord, StoreError> {
    let mut line = Line::new(TABLE, line)?;
    let version = line.word("version")?.parse();
    let version = version.map_err(|_| corrupt(TABLE, "version"))?;
    let created_at = line.time("created_at")?;
    let changed_at = line.time("changed_at")?;
    let stored = unword(line.word("name")?).ok_or_else(|| corrupt(TABLE, "name"))?;
    let name = LoginName::new(&stored).map_err(|_| corrupt(TABLE, "name"))?;
    // The form of a name is what is counted and looked up; another form of it is not what was stored.
    line.agree("name", name.as_str() == stored)?;
    let password = unword(line.word("password")?).ok_or_else(|| corrupt(TABLE, "password"))?;
    let password = PasswordHash::parse(&password).map_err(|_| corrupt(TABLE, "password"))?;
    line.agree("end", line.is_done())?;
    Ok(CredentialRecord {
        tenant: tenant.clone(),
        subject: subject.clone(),
        name,
        password,
        created_at,
        changed_at,
        version,
    })
}

#[async_trait]
impl CredentialStore for RedisStore {
    async fn insert(
        &self,
        record: CredentialRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let answer = self
            .call(&script::CREDENTIAL_INSERT)
            .change(&event)?
            .tables([Table::Credentials])
            .text(name_field(&record.tenant, &record.name))
            .text(subject_field(&record.tenant, &record.subject))
            .text(word(record.subject.as_str()))
            .text(encode(&record))
            .write()
            .await?;
        Ok(count(&answer)? == 1)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        name: &LoginName,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let answer = self
            .call(&script::CREDENTIAL_FIND)
            .tables([Table::Credentials])
            .text(name_field(tenant, name))
            .text(subject_prefix(tenant))
            .read()
            .await?;
        let mut parts = list(answer)?.into_iter();
        let Some(subject) = parts.next() else {
            return Ok(None);
        };
        let subject = Line::new(TABLE, &bytes(subject)?)?.parsed("subject")?;
        let record = decode(tenant, &subject, &bytes(next(&mut parts)?)?)?;
        if record.name == *name {
            Ok(Some(record))
        } else {
            Err(corrupt(TABLE, "name"))
        }
    }

    async fn find_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let answer = self
            .call(&script::CREDENTIAL_FIND_SUBJECT)
            .tables([Table::Credentials])
            .text(subject_field(tenant, subject))
            .read()
            .await?;
        let line = bytes_option(answer)?;
        line.map(|line| decode(tenant, subject, &line)).transpose()
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
        let answer = self
            .call(&script::CREDENTIAL_REPLACE)
            .change(&event)?
            .tables([Table::Credentials])
            .text(subject_field(tenant, subject))
            .text(version.to_string())
            .text(version.saturating_add(1).to_string())
            .text(time(now))
            .text(word(password.expose()))
            .write()
            .await?;
        match text(answer)?.as_str() {
            "replaced" => Ok(ReplaceOutcome::Replaced),
            "stale" => Ok(ReplaceOutcome::Stale),
            "not_found" => Ok(ReplaceOutcome::NotFound),
            _ => Err(unexpected()),
        }
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let answer = self
            .call(&script::CREDENTIAL_REMOVE)
            .change(&event)?
            .tables([Table::Credentials])
            .text(subject_field(tenant, subject))
            .text(format!("name {tenant} "))
            .write()
            .await?;
        Ok(count(&answer)? == 1)
    }
}
