use std::collections::BTreeSet;

use async_trait::async_trait;
use fountain_core::access::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
use fountain_core::audit::AuditEvent;
use fountain_core::{StoreError, Subject, Tenant, Timestamp};

use crate::error::corrupt;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, on_primary};

const TABLE: &str = "subjects";

fn decode(
    fields: &Fields<'_>,
    tenant: &Tenant,
    subject: &Subject,
) -> Result<SubjectRecord, StoreError> {
    let roles: Vec<String> = fields.value("roles")?;
    Ok(SubjectRecord {
        tenant: tenant.clone(),
        subject: subject.clone(),
        roles: roles.into_iter().collect(),
        created_at: fields.time("created_at")?,
        disabled_at: fields.time_option("disabled_at")?,
        version: fields.counter("version")?,
    })
}

/// What is to become of a subject.
enum SubjectChange<'q> {
    Assign(&'q BTreeSet<String>),
    Disable(Timestamp),
    Enable,
}

impl PostgresStore {
    async fn change_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        change: SubjectChange<'_>,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let statement = Statement::new(
            "SELECT verdict, created_at, disabled_at, version, roles
             FROM fountain.change_subject($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .text(tenant.as_str())
        .text(subject.as_str());
        let statement = match change {
            SubjectChange::Assign(roles) => statement
                .texts(roles.iter().map(String::as_str))
                .truth_option(None)
                .time_option(None),
            SubjectChange::Disable(now) => statement.no_texts().truth_option(Some(true)).time(now),
            SubjectChange::Enable => statement
                .no_texts()
                .truth_option(Some(false))
                .time_option(None),
        };
        let statement = statement.text_option(keep).event(&event)?;
        let Some(row) = self.row(statement).await? else {
            return Ok(SubjectChangeOutcome::NotFound);
        };
        let fields = Fields {
            row: &row,
            table: TABLE,
        };
        match fields.value("verdict")? {
            "changed" => {
                self.tell().await?;
                decode(&fields, tenant, subject).map(SubjectChangeOutcome::Changed)
            }
            "unchanged" => decode(&fields, tenant, subject).map(SubjectChangeOutcome::Unchanged),
            "last_holder" => Ok(SubjectChangeOutcome::LastHolder),
            _ => Err(corrupt(TABLE, "verdict")),
        }
    }
}

#[async_trait]
impl SubjectStore for PostgresStore {
    async fn insert(&self, record: SubjectRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let insert = Statement::new(
            "WITH added AS (
                 INSERT INTO fountain.subjects (tenant, subject, created_at, disabled_at, version)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, subject) DO NOTHING RETURNING tenant, subject),
             given AS (
                 INSERT INTO fountain.subject_roles (tenant, subject, role)
                 SELECT tenant, subject, role FROM added, unnest($6::text[]) AS asked (role))
             SELECT fountain.note($7, $8, $9, 'subject', tenant, subject) FROM added",
        )
        .text(record.tenant.as_str())
        .text(record.subject.as_str())
        .time(record.created_at)
        .time_option(record.disabled_at)
        .counter(record.version)
        .texts(record.roles.iter().map(String::as_str))
        .event(&event)?;
        if self.row(insert).await?.is_none() {
            return Ok(false);
        }
        self.tell().await?;
        Ok(true)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<SubjectRecord>, StoreError> {
        let select = Statement::look_up(on_primary!(
            "created_at, disabled_at, version, ARRAY(
                 SELECT role FROM fountain.subject_roles AS given
                 WHERE given.tenant = found.tenant AND given.subject = found.subject) AS roles
             FROM fountain.subjects AS found WHERE tenant = $1 AND subject = $2",
            ""
        ))
        .text(tenant.as_str())
        .text(subject.as_str());
        let found = self.look_up(select).await?;
        let found = found.first().map(|row| Fields { row, table: TABLE });
        found
            .map(|fields| decode(&fields, tenant, subject))
            .transpose()
    }

    async fn assign(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        roles: BTreeSet<String>,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let change = SubjectChange::Assign(&roles);
        self.change_subject(tenant, subject, change, keep, event)
            .await
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let change = SubjectChange::Disable(now);
        self.change_subject(tenant, subject, change, keep, event)
            .await
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        self.change_subject(tenant, subject, SubjectChange::Enable, None, event)
            .await
    }
}
