use std::collections::BTreeSet;

use async_trait::async_trait;
use fountain_core::access::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
use fountain_core::audit::AuditEvent;
use fountain_core::change::Change;
use fountain_core::{StoreError, Subject, Tenant, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::sql::{Fields, Query, changes, counter, execute, query, row, rows};
use crate::store::SqliteStore;

const TABLE: &str = "fountain_subjects";

/// One row for each role, or one without a role.
fn select<'q>(tenant: &'q Tenant, subject: &'q Subject) -> Query<'q> {
    query(
        "SELECT created_at, disabled_at, version, role
         FROM fountain_subjects LEFT JOIN fountain_subject_roles USING (tenant, subject)
         WHERE tenant = ?1 AND subject = ?2",
    )
    .bind(tenant.as_str())
    .bind(subject.as_str())
}

fn decode(
    found: &[SqliteRow],
    tenant: &Tenant,
    subject: &Subject,
) -> Result<Option<SubjectRecord>, StoreError> {
    let Some(first) = found.first() else {
        return Ok(None);
    };
    let roles = found
        .iter()
        .map(|row| {
            Fields {
                row,
                table: "fountain_subject_roles",
            }
            .value::<Option<String>>("role")
        })
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    let fields = Fields {
        row: first,
        table: TABLE,
    };
    Ok(Some(SubjectRecord {
        tenant: tenant.clone(),
        subject: subject.clone(),
        roles,
        created_at: fields.time("created_at")?,
        disabled_at: fields.time_option("disabled_at")?,
        version: fields.counter("version")?,
    }))
}

async fn give_roles(
    connection: &mut SqliteConnection,
    tenant: &Tenant,
    subject: &Subject,
    roles: impl Iterator<Item = &String>,
) -> Result<(), StoreError> {
    for role in roles {
        let insert =
            query("INSERT INTO fountain_subject_roles (tenant, subject, role) VALUES (?1, ?2, ?3)")
                .bind(tenant.as_str())
                .bind(subject.as_str())
                .bind(role.as_str());
        execute(connection, insert).await?;
    }
    Ok(())
}

async fn take_roles(
    connection: &mut SqliteConnection,
    tenant: &Tenant,
    subject: &Subject,
    roles: impl Iterator<Item = &String>,
) -> Result<(), StoreError> {
    for role in roles {
        let delete = query(
            "DELETE FROM fountain_subject_roles WHERE tenant = ?1 AND subject = ?2 AND role = ?3",
        )
        .bind(tenant.as_str())
        .bind(subject.as_str())
        .bind(role.as_str());
        execute(connection, delete).await?;
    }
    Ok(())
}

/// Whether somebody else in the tenant is enabled and holds the role.
async fn has_other_holder(
    connection: &mut SqliteConnection,
    record: &SubjectRecord,
    role: &str,
) -> Result<bool, StoreError> {
    let select = query(
        "SELECT 1 FROM fountain_subject_roles AS held
         JOIN fountain_subjects AS holder USING (tenant, subject)
         WHERE held.tenant = ?1 AND held.role = ?2 AND held.subject <> ?3 AND holder.disabled_at IS NULL
         LIMIT 1",
    )
    .bind(record.tenant.as_str())
    .bind(role)
    .bind(record.subject.as_str());
    Ok(row(connection, select).await?.is_some())
}

/// Writes what differs.
async fn write(
    connection: &mut SqliteConnection,
    from: &SubjectRecord,
    to: &SubjectRecord,
) -> Result<(), StoreError> {
    let (tenant, subject) = (&to.tenant, &to.subject);
    let update = query(
        "UPDATE fountain_subjects SET disabled_at = ?3, version = ?4 WHERE tenant = ?1 AND subject = ?2",
    )
    .bind(tenant.as_str())
    .bind(subject.as_str())
    .bind(to.disabled_at.map(Timestamp::as_unix_micros))
    .bind(counter(to.version));
    execute(connection, update).await?;
    take_roles(
        connection,
        tenant,
        subject,
        from.roles.difference(&to.roles),
    )
    .await?;
    give_roles(
        connection,
        tenant,
        subject,
        to.roles.difference(&from.roles),
    )
    .await
}

fn change_of(record: &SubjectRecord) -> Change {
    Change::Subject {
        tenant: record.tenant.clone(),
        subject: record.subject.clone(),
    }
}

impl SqliteStore {
    async fn change_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        keep: Option<&str>,
        event: AuditEvent,
        change: impl FnOnce(&mut SubjectRecord) + Send + 'static,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let (tenant, subject, trail) = (tenant.clone(), subject.clone(), self.trail());
        let keep = keep.map(str::to_owned);
        self.write(move |connection| {
            Box::pin(async move {
                let found = rows(connection, select(&tenant, &subject)).await?;
                let Some(current) = decode(&found, &tenant, &subject)? else {
                    return Ok(SubjectChangeOutcome::NotFound);
                };
                let mut changed = current.clone();
                change(&mut changed);
                if changed == current {
                    return Ok(SubjectChangeOutcome::Unchanged(current));
                }
                if let Some(keep) = keep {
                    let holds = |record: &SubjectRecord| {
                        record.disabled_at.is_none() && record.roles.contains(&keep)
                    };
                    if holds(&current)
                        && !holds(&changed)
                        && !has_other_holder(connection, &current, &keep).await?
                    {
                        return Ok(SubjectChangeOutcome::LastHolder);
                    }
                }
                changed.version = changed.version.saturating_add(1);
                write(connection, &current, &changed).await?;
                trail
                    .commit(connection, &event, &change_of(&changed))
                    .await?;
                Ok(SubjectChangeOutcome::Changed(changed))
            })
        })
        .await
    }
}

#[async_trait]
impl SubjectStore for SqliteStore {
    async fn insert(&self, record: SubjectRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                let insert = query(
                    "INSERT INTO fountain_subjects (tenant, subject, created_at, disabled_at, version)
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (tenant, subject) DO NOTHING",
                )
                .bind(record.tenant.as_str())
                .bind(record.subject.as_str())
                .bind(record.created_at.as_unix_micros())
                .bind(record.disabled_at.map(Timestamp::as_unix_micros))
                .bind(counter(record.version));
                if !changes(connection, insert).await? {
                    return Ok(false);
                }
                let (tenant, subject) = (&record.tenant, &record.subject);
                give_roles(connection, tenant, subject, record.roles.iter()).await?;
                trail
                    .commit(connection, &event, &change_of(&record))
                    .await?;
                Ok(true)
            })
        })
        .await
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<SubjectRecord>, StoreError> {
        let found = self.readers().rows(select(tenant, subject)).await?;
        decode(&found, tenant, subject)
    }

    async fn assign(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        roles: BTreeSet<String>,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        self.change_subject(tenant, subject, keep, event, |record| record.roles = roles)
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
        self.change_subject(tenant, subject, keep, event, move |record| {
            record.disabled_at.get_or_insert(now);
        })
        .await
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        self.change_subject(tenant, subject, None, event, |record| {
            record.disabled_at = None;
        })
        .await
    }
}
