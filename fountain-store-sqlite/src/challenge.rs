use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::otp::{
    ChallengeId, ChallengeOutcome, ChallengeRecord, ChallengeStore, PendingCode,
};
use fountain_core::{Digest, StoreError, Tenant, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::error::corrupt;
use crate::sql::{Fields, Query, changes, execute, query, row};
use crate::store::SqliteStore;

const TABLE: &str = "fountain_challenges";

fn select<'q>(tenant: &'q Tenant, id: &'q ChallengeId) -> Query<'q> {
    query(
        "SELECT id, tenant, subject, purpose, binding, context, created_at, expires_at, attempts, attempt_limit,
                code_factor, code_digest, code_issued_at, code_expires_at, consumed_at
         FROM fountain_challenges WHERE id = ?1 AND tenant = ?2",
    )
    .bind(id.as_str())
    .bind(tenant.as_str())
}

fn decode(row: &SqliteRow) -> Result<ChallengeRecord, StoreError> {
    let fields = Fields { row, table: TABLE };
    Ok(ChallengeRecord {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        subject: fields.parsed("subject")?,
        purpose: fields.parsed("purpose")?,
        binding: fields.digest("binding")?,
        context: fields.value("context")?,
        created_at: fields.time("created_at")?,
        expires_at: fields.time("expires_at")?,
        attempts: fields.integer("attempts")?,
        attempt_limit: fields.integer("attempt_limit")?,
        code: decode_code(&fields)?,
        consumed_at: fields.time_option("consumed_at")?,
    })
}

/// A code is there with all of its columns, or with none.
fn decode_code(fields: &Fields<'_>) -> Result<Option<PendingCode>, StoreError> {
    let columns = (
        fields.parsed_option("code_factor")?,
        fields.digest_option("code_digest")?,
        fields.time_option("code_issued_at")?,
        fields.time_option("code_expires_at")?,
    );
    match columns {
        (None, None, None, None) => Ok(None),
        (Some(factor), Some(digest), Some(issued_at), Some(expires_at)) => Ok(Some(PendingCode {
            factor,
            digest,
            issued_at,
            expires_at,
        })),
        _ => Err(corrupt(TABLE, "code_digest")),
    }
}

/// A change of one challenge.
enum ChallengeChange {
    Count,
    PutCode(PendingCode),
    Consume(Option<Digest>),
}

impl ChallengeChange {
    /// Why it is refused, if it is: the checks, in the order of the contract.
    fn refused(&self, record: &ChallengeRecord, now: Timestamp) -> Option<ChallengeOutcome> {
        if record.consumed_at.is_some() {
            return Some(ChallengeOutcome::Consumed);
        }
        if now >= record.expires_at {
            return Some(ChallengeOutcome::Expired);
        }
        match self {
            Self::Count | Self::PutCode(_) => {
                (record.attempts >= record.attempt_limit).then_some(ChallengeOutcome::Exhausted)
            }
            Self::Consume(None) => None,
            Self::Consume(Some(digest)) => {
                let stands = record
                    .code
                    .as_ref()
                    .is_some_and(|code| code.digest.matches(digest) && now < code.expires_at);
                (!stands).then_some(ChallengeOutcome::Superseded)
            }
        }
    }

    fn apply(self, record: &mut ChallengeRecord, now: Timestamp) {
        match self {
            Self::Count => record.attempts = record.attempts.saturating_add(1),
            Self::PutCode(code) => record.code = Some(code),
            Self::Consume(_) => record.consumed_at = Some(now),
        }
    }
}

/// Writes what a change may have changed.
async fn write(
    connection: &mut SqliteConnection,
    record: &ChallengeRecord,
) -> Result<(), StoreError> {
    let code = record.code.as_ref();
    let update = query(
        "UPDATE fountain_challenges
         SET attempts = ?2, code_factor = ?3, code_digest = ?4, code_issued_at = ?5, code_expires_at = ?6,
             consumed_at = ?7
         WHERE id = ?1",
    )
    .bind(record.id.as_str())
    .bind(i64::from(record.attempts))
    .bind(code.map(|code| code.factor.as_str()))
    .bind(code.map(|code| code.digest.as_bytes().as_slice()))
    .bind(code.map(|code| code.issued_at.as_unix_micros()))
    .bind(code.map(|code| code.expires_at.as_unix_micros()))
    .bind(record.consumed_at.map(Timestamp::as_unix_micros));
    execute(connection, update).await.map(drop)
}

impl SqliteStore {
    async fn change_challenge(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        change: ChallengeChange,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let (tenant, id, trail) = (tenant.clone(), id.clone(), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                let Some(found) = row(connection, select(&tenant, &id)).await? else {
                    return Ok(ChallengeOutcome::NotFound);
                };
                let mut record = decode(&found)?;
                if let Some(refused) = change.refused(&record, now) {
                    return Ok(refused);
                }
                change.apply(&mut record, now);
                write(connection, &record).await?;
                trail.record(connection, &event).await?;
                Ok(ChallengeOutcome::Done(Box::new(record)))
            })
        })
        .await
    }
}

#[async_trait]
impl ChallengeStore for SqliteStore {
    async fn insert(&self, record: ChallengeRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                let code = record.code.as_ref();
                let insert = query(
                    "INSERT INTO fountain_challenges (
                         id, tenant, subject, purpose, binding, context, created_at, expires_at, attempts,
                         attempt_limit, code_factor, code_digest, code_issued_at, code_expires_at, consumed_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
                     ON CONFLICT (id) DO NOTHING",
                )
                .bind(record.id.as_str())
                .bind(record.tenant.as_str())
                .bind(record.subject.as_str())
                .bind(record.purpose.as_str())
                .bind(record.binding.as_bytes().as_slice())
                .bind(record.context.as_slice())
                .bind(record.created_at.as_unix_micros())
                .bind(record.expires_at.as_unix_micros())
                .bind(i64::from(record.attempts))
                .bind(i64::from(record.attempt_limit))
                .bind(code.map(|code| code.factor.as_str()))
                .bind(code.map(|code| code.digest.as_bytes().as_slice()))
                .bind(code.map(|code| code.issued_at.as_unix_micros()))
                .bind(code.map(|code| code.expires_at.as_unix_micros()))
                .bind(record.consumed_at.map(Timestamp::as_unix_micros));
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
        id: &ChallengeId,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        let found = self.readers().row(select(tenant, id)).await?;
        found.as_ref().map(decode).transpose()
    }

    async fn count(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        self.change_challenge(tenant, id, now, ChallengeChange::Count, event)
            .await
    }

    async fn put_code(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: PendingCode,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        self.change_challenge(tenant, id, now, ChallengeChange::PutCode(code), event)
            .await
    }

    async fn consume(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: Option<&Digest>,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let change = ChallengeChange::Consume(code.copied());
        self.change_challenge(tenant, id, now, change, event).await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.purge_in_batches(limit, move |batch| {
            query(
                "DELETE FROM fountain_challenges WHERE id IN (
                     SELECT id FROM fountain_challenges WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
            )
            .bind(before.as_unix_micros())
            .bind(batch)
        })
        .await
    }
}
