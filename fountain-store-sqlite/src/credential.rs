use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::login::{CredentialRecord, CredentialStore, LoginName, ReplaceOutcome};
use fountain_core::password::PasswordHash;
use fountain_core::{StoreError, Subject, Tenant, Timestamp};
use sqlx::sqlite::SqliteRow;

use crate::error::corrupt;
use crate::sql::{Fields, changes, counter, execute, query, row};
use crate::store::SqliteStore;

const TABLE: &str = "fountain_credentials";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT tenant, subject, name, password, created_at, changed_at, version
             FROM fountain_credentials ",
            $rest
        )
    };
}

fn decode(row: &SqliteRow) -> Result<CredentialRecord, StoreError> {
    let fields = Fields { row, table: TABLE };
    Ok(CredentialRecord {
        tenant: fields.parsed("tenant")?,
        subject: fields.parsed("subject")?,
        name: name(&fields)?,
        password: PasswordHash::parse(fields.value("password")?)
            .map_err(|_| corrupt(TABLE, "password"))?,
        created_at: fields.time("created_at")?,
        changed_at: fields.time("changed_at")?,
        version: fields.counter("version")?,
    })
}

/// A name that is in its one form: another form of it would be found by the subject and never by the name.
fn name(fields: &Fields<'_>) -> Result<LoginName, StoreError> {
    let name: LoginName = fields.parsed("name")?;
    if name.as_str() == fields.value::<&str>("name")? {
        Ok(name)
    } else {
        Err(corrupt(TABLE, "name"))
    }
}

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn insert(
        &self,
        record: CredentialRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                // Whichever of the two is there, the subject or the name.
                let insert = query(
                    "INSERT INTO fountain_credentials (
                         tenant, subject, name, password, created_at, changed_at, version)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                )
                .bind(record.tenant.as_str())
                .bind(record.subject.as_str())
                .bind(record.name.as_str())
                .bind(record.password.expose())
                .bind(record.created_at.as_unix_micros())
                .bind(record.changed_at.as_unix_micros())
                .bind(counter(record.version));
                if !changes(connection, insert).await? {
                    return Ok(false);
                }
                trail.record(connection, &event).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn find(
        &self,
        tenant: &Tenant,
        name: &LoginName,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let select = query(select!("WHERE tenant = ?1 AND name = ?2"))
            .bind(tenant.as_str())
            .bind(name.as_str());
        let found = self.readers().row(select).await?;
        found.as_ref().map(decode).transpose()
    }

    async fn find_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let select = query(select!("WHERE tenant = ?1 AND subject = ?2"))
            .bind(tenant.as_str())
            .bind(subject.as_str());
        let found = self.readers().row(select).await?;
        found.as_ref().map(decode).transpose()
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
        let (tenant, subject, trail) = (tenant.clone(), subject.clone(), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                let select = query(select!("WHERE tenant = ?1 AND subject = ?2"))
                    .bind(tenant.as_str())
                    .bind(subject.as_str());
                let Some(found) = row(connection, select).await? else {
                    return Ok(ReplaceOutcome::NotFound);
                };
                if decode(&found)?.version != version {
                    return Ok(ReplaceOutcome::Stale);
                }
                let update = query(
                    "UPDATE fountain_credentials SET password = ?3, changed_at = ?4, version = ?5
                     WHERE tenant = ?1 AND subject = ?2",
                )
                .bind(tenant.as_str())
                .bind(subject.as_str())
                .bind(password.expose())
                .bind(now.as_unix_micros())
                .bind(counter(version.saturating_add(1)));
                execute(connection, update).await?;
                trail.record(connection, &event).await?;
                Ok(ReplaceOutcome::Replaced)
            })
        })
        .await
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let (tenant, subject, trail) = (tenant.clone(), subject.clone(), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                // Not decoded: what cannot be read can still be removed.
                let delete =
                    query("DELETE FROM fountain_credentials WHERE tenant = ?1 AND subject = ?2")
                        .bind(tenant.as_str())
                        .bind(subject.as_str());
                if !changes(connection, delete).await? {
                    return Ok(false);
                }
                trail.record(connection, &event).await?;
                Ok(true)
            })
        })
        .await
    }
}
