use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::otp::{FactorId, FactorKind, FactorOutcome, FactorRecord, FactorStore};
use fountain_core::{Digest, StoreError, StoreErrorKind, Subject, Tenant, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::error::corrupt;
use crate::sql::{Fields, Query, changes, execute, query, row, rows};
use crate::store::SqliteStore;

const TABLE: &str = "fountain_factors";
const CODES: &str = "fountain_recovery_codes";

/// How many recovery codes a subject may have.
const MOST_CODES: usize = 20;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant, subject, kind, sealed, mark, created_at, confirmed_at, confirm_by, disabled_at
             FROM fountain_factors ",
            $rest
        )
    };
}

/// Whose factor, and which.
#[derive(Clone)]
struct Place {
    tenant: Tenant,
    subject: Subject,
    id: FactorId,
}

impl Place {
    fn new(tenant: &Tenant, subject: &Subject, id: &FactorId) -> Self {
        Self {
            tenant: tenant.clone(),
            subject: subject.clone(),
            id: id.clone(),
        }
    }

    /// A statement whose first three parameters are the place.
    fn query(&self, sql: &'static str) -> Query<'_> {
        query(sql)
            .bind(self.id.as_str())
            .bind(self.tenant.as_str())
            .bind(self.subject.as_str())
    }

    fn select(&self) -> Query<'_> {
        self.query(select!("WHERE id = ?1 AND tenant = ?2 AND subject = ?3"))
    }
}

fn decode(row: &SqliteRow) -> Result<FactorRecord, StoreError> {
    let fields = Fields { row, table: TABLE };
    Ok(FactorRecord {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        subject: fields.parsed("subject")?,
        kind: FactorKind::from_name(fields.value("kind")?).ok_or_else(|| corrupt(TABLE, "kind"))?,
        sealed: fields.value("sealed")?,
        mark: fields.value::<i64>("mark")?.cast_unsigned(),
        created_at: fields.time("created_at")?,
        confirmed_at: fields.time_option("confirmed_at")?,
        confirm_by: fields.time("confirm_by")?,
        disabled_at: fields.time_option("disabled_at")?,
    })
}

/// A change of one factor that a code makes, judged on its record.
#[derive(Clone, Copy)]
enum FactorChange {
    Confirm { mark: u64, now: Timestamp },
    Take { mark: u64 },
}

impl FactorChange {
    /// The checks, in the order of the contract.
    fn judge(self, record: &FactorRecord) -> FactorOutcome {
        if record.disabled_at.is_some() {
            return FactorOutcome::Disabled;
        }
        match self {
            Self::Confirm { .. } if record.confirmed_at.is_some() => {
                FactorOutcome::AlreadyConfirmed
            }
            Self::Confirm { now, .. } if now >= record.confirm_by => FactorOutcome::Expired,
            Self::Take { .. } if record.confirmed_at.is_none() => FactorOutcome::Pending,
            Self::Take { mark } if mark <= record.mark => FactorOutcome::Spent,
            Self::Confirm { .. } | Self::Take { .. } => FactorOutcome::Done,
        }
    }

    /// The statement that makes it, of a factor that it applies to.
    fn statement(self, id: &FactorId) -> Query<'_> {
        let (mark, now) = match self {
            Self::Confirm { mark, now } => (mark, Some(now)),
            Self::Take { mark } => (mark, None),
        };
        query(
            "UPDATE fountain_factors SET mark = ?2, confirmed_at = coalesce(?3, confirmed_at) WHERE id = ?1",
        )
        .bind(id.as_str())
        .bind(mark.cast_signed())
        .bind(now.map(Timestamp::as_unix_micros))
    }
}

/// How many recovery codes a subject has left. One whose digest is damaged is nobody's code any more: it is reported, and
/// the others stay good (F-35).
fn count_codes(found: &[SqliteRow]) -> u32 {
    let left = found
        .iter()
        .filter(|row| Fields { row, table: CODES }.digest("digest").is_ok())
        .count();
    u32::try_from(left).unwrap_or(u32::MAX)
}

fn select_codes<'q>(tenant: &'q Tenant, subject: &'q Subject) -> Query<'q> {
    query("SELECT digest FROM fountain_recovery_codes WHERE tenant = ?1 AND subject = ?2")
        .bind(tenant.as_str())
        .bind(subject.as_str())
}

async fn add_code(
    connection: &mut SqliteConnection,
    tenant: &Tenant,
    subject: &Subject,
    code: &Digest,
) -> Result<(), StoreError> {
    let insert = query(
        "INSERT INTO fountain_recovery_codes (tenant, subject, digest) VALUES (?1, ?2, ?3)
         ON CONFLICT (tenant, subject, digest) DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(subject.as_str())
    .bind(code.as_bytes().as_slice());
    execute(connection, insert).await.map(drop)
}

impl SqliteStore {
    async fn change_factor(
        &self,
        place: Place,
        change: FactorChange,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                let Some(found) = row(connection, place.select()).await? else {
                    return Ok(FactorOutcome::NotFound);
                };
                let outcome = change.judge(&decode(&found)?);
                if outcome == FactorOutcome::Done {
                    execute(connection, change.statement(&place.id)).await?;
                    trail.record(connection, &event).await?;
                }
                Ok(outcome)
            })
        })
        .await
    }
}

#[async_trait]
impl FactorStore for SqliteStore {
    async fn insert(&self, record: FactorRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                let insert = query(
                    "INSERT INTO fountain_factors (
                         id, tenant, subject, kind, sealed, mark, created_at, confirmed_at, confirm_by, disabled_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                     ON CONFLICT (id) DO NOTHING",
                )
                .bind(record.id.as_str())
                .bind(record.tenant.as_str())
                .bind(record.subject.as_str())
                .bind(record.kind.as_str())
                .bind(record.sealed.as_slice())
                .bind(record.mark.cast_signed())
                .bind(record.created_at.as_unix_micros())
                .bind(record.confirmed_at.map(Timestamp::as_unix_micros))
                .bind(record.confirm_by.as_unix_micros())
                .bind(record.disabled_at.map(Timestamp::as_unix_micros));
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
        subject: &Subject,
        id: &FactorId,
    ) -> Result<Option<FactorRecord>, StoreError> {
        let place = Place::new(tenant, subject, id);
        let found = self.readers().row(place.select()).await?;
        found.as_ref().map(decode).transpose()
    }

    async fn list(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<FactorRecord>, StoreError> {
        let select = query(select!(
            "WHERE tenant = ?1 AND subject = ?2 ORDER BY created_at, id"
        ))
        .bind(tenant.as_str())
        .bind(subject.as_str());
        // One that cannot be read fails the list: left out, its subject would seem to have no second factor (F-35).
        let found = self.readers().rows(select).await?;
        found.iter().map(decode).collect()
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
        let change = FactorChange::Confirm { mark, now };
        self.change_factor(Place::new(tenant, subject, id), change, event)
            .await
    }

    async fn take(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        mark: u64,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let change = FactorChange::Take { mark };
        self.change_factor(Place::new(tenant, subject, id), change, event)
            .await
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let (place, trail) = (Place::new(tenant, subject, id), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                // Not decoded: a factor that cannot be read can still be disabled.
                let update = place
                    .query(
                        "UPDATE fountain_factors SET disabled_at = ?4
                         WHERE id = ?1 AND tenant = ?2 AND subject = ?3 AND disabled_at IS NULL",
                    )
                    .bind(now.as_unix_micros());
                if changes(connection, update).await? {
                    trail.record(connection, &event).await?;
                    return Ok(FactorOutcome::Done);
                }
                let known = place.query(
                    "SELECT 1 FROM fountain_factors WHERE id = ?1 AND tenant = ?2 AND subject = ?3",
                );
                Ok(match row(connection, known).await? {
                    Some(_) => FactorOutcome::Disabled,
                    None => FactorOutcome::NotFound,
                })
            })
        })
        .await
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let (place, trail) = (Place::new(tenant, subject, id), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                let delete = place.query(
                    "DELETE FROM fountain_factors WHERE id = ?1 AND tenant = ?2 AND subject = ?3",
                );
                if !changes(connection, delete).await? {
                    return Ok(false);
                }
                trail.record(connection, &event).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn replace_recovery_codes(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        codes: &[Digest],
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        if codes.len() > MOST_CODES {
            return Err(StoreErrorKind::Conflict.into());
        }
        let (tenant, subject, trail) = (tenant.clone(), subject.clone(), self.trail());
        let codes = codes.to_vec();
        self.write(move |connection| {
            Box::pin(async move {
                let delete =
                    query("DELETE FROM fountain_recovery_codes WHERE tenant = ?1 AND subject = ?2")
                        .bind(tenant.as_str())
                        .bind(subject.as_str());
                execute(connection, delete).await?;
                for code in &codes {
                    add_code(connection, &tenant, &subject, code).await?;
                }
                trail.record(connection, &event).await
            })
        })
        .await
    }

    async fn take_recovery_code(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        code: &Digest,
        event: AuditEvent,
    ) -> Result<Option<u32>, StoreError> {
        let (tenant, subject, code) = (tenant.clone(), subject.clone(), *code);
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                let delete = query(
                    "DELETE FROM fountain_recovery_codes WHERE tenant = ?1 AND subject = ?2 AND digest = ?3",
                )
                .bind(tenant.as_str())
                .bind(subject.as_str())
                .bind(code.as_bytes().as_slice());
                if !changes(connection, delete).await? {
                    return Ok(None);
                }
                trail.record(connection, &event).await?;
                let left = rows(connection, select_codes(&tenant, &subject)).await?;
                Ok(Some(count_codes(&left)))
            })
        })
        .await
    }

    async fn recovery_codes(&self, tenant: &Tenant, subject: &Subject) -> Result<u32, StoreError> {
        let left = self.readers().rows(select_codes(tenant, subject)).await?;
        Ok(count_codes(&left))
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.purge_in_batches(limit, move |batch| {
            query(
                "DELETE FROM fountain_factors WHERE id IN (
                     SELECT id FROM fountain_factors
                     WHERE confirmed_at IS NULL AND confirm_by < ?1 ORDER BY confirm_by LIMIT ?2)",
            )
            .bind(before.as_unix_micros())
            .bind(batch)
        })
        .await
    }
}
