use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::login::{CredentialRecord, CredentialStore, LoginName, ReplaceOutcome};
use fountain_core::password::PasswordHash;
use fountain_core::{StoreError, Subject, Tenant, Timestamp};
use sqlx::postgres::PgRow;

use crate::error::corrupt;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, on_primary};

const TABLE: &str = "credentials";

macro_rules! columns {
    () => {
        "tenant, subject, name, password, created_at, changed_at, version FROM fountain.credentials "
    };
}

fn decode(row: &PgRow) -> Result<CredentialRecord, StoreError> {
    let fields = Fields { row, table: TABLE };
    let stored: &str = fields.value("name")?;
    // In another form than its own it is not what was stored, and by its own it would not be found.
    let name = LoginName::new(stored)
        .ok()
        .filter(|name| name.as_str() == stored)
        .ok_or_else(|| corrupt(TABLE, "name"))?;
    let password = PasswordHash::parse(fields.value("password")?);
    Ok(CredentialRecord {
        tenant: fields.parsed("tenant")?,
        subject: fields.parsed("subject")?,
        name,
        password: password.map_err(|_| corrupt(TABLE, "password"))?,
        created_at: fields.time("created_at")?,
        changed_at: fields.time("changed_at")?,
        version: fields.counter("version")?,
    })
}

#[async_trait]
impl CredentialStore for PostgresStore {
    async fn insert(
        &self,
        record: CredentialRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        // Either of the two unique keys, whoever is inserting it at this moment as well.
        let insert = Statement::new(
            "WITH added AS (
                 INSERT INTO fountain.credentials (tenant, subject, name, password, created_at, changed_at, version)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING subject)
             SELECT fountain.note($8, $9, $10, NULL, NULL, NULL) FROM added",
        )
        .text(record.tenant.as_str())
        .text(record.subject.as_str())
        .text(record.name.as_str())
        .text(record.password.expose())
        .time(record.created_at)
        .time(record.changed_at)
        .counter(record.version)
        .event(&event)?;
        Ok(self.row(insert).await?.is_some())
    }

    async fn find(
        &self,
        tenant: &Tenant,
        name: &LoginName,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let select = Statement::look_up(on_primary!(
            concat!(columns!(), "WHERE tenant = $1 AND name = $2"),
            ""
        ));
        let select = select.text(tenant.as_str()).text(name.as_str());
        let found = self.look_up(select).await?;
        found.first().map(decode).transpose()
    }

    async fn find_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let select = Statement::look_up(on_primary!(
            concat!(columns!(), "WHERE tenant = $1 AND subject = $2"),
            ""
        ));
        let select = select.text(tenant.as_str()).text(subject.as_str());
        let found = self.look_up(select).await?;
        found.first().map(decode).transpose()
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
        // The row is locked first, so that of two calls with one version the second sees that of the first. A version that
        // can rise no more, and a negative one, are what no call of ours has left.
        let replace = Statement::new(
            "WITH held AS MATERIALIZED (
                 SELECT version FROM fountain.credentials WHERE tenant = $1 AND subject = $2 FOR NO KEY UPDATE),
             replaced AS (
                 UPDATE fountain.credentials AS credential
                 SET password = $4, changed_at = $5, version = least(credential.version, 9223372036854775806) + 1
                 FROM held
                 WHERE credential.tenant = $1 AND credential.subject = $2 AND held.version = $3
                   AND credential.version = $3
                 RETURNING fountain.note($6, $7, $8, NULL, NULL, NULL) AS noted)
             SELECT version, EXISTS (SELECT FROM replaced WHERE noted) AS replaced FROM held",
        )
        .text(tenant.as_str())
        .text(subject.as_str())
        .counter(version)
        .text(password.expose())
        .time(now)
        .event(&event)?;
        let Some(row) = self.row(replace).await? else {
            return Ok(ReplaceOutcome::NotFound);
        };
        let fields = Fields {
            row: &row,
            table: TABLE,
        };
        fields.counter("version")?;
        Ok(if fields.value("replaced")? {
            ReplaceOutcome::Replaced
        } else {
            ReplaceOutcome::Stale
        })
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let remove = Statement::new(
            "WITH gone AS (
                 DELETE FROM fountain.credentials WHERE tenant = $1 AND subject = $2 RETURNING subject)
             SELECT fountain.note($3, $4, $5, NULL, NULL, NULL) FROM gone",
        )
        .text(tenant.as_str())
        .text(subject.as_str())
        .event(&event)?;
        Ok(self.row(remove).await?.is_some())
    }
}
