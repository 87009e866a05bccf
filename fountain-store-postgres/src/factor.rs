//! Second factors, and the digests of recovery codes.

use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::otp::{FactorId, FactorKind, FactorOutcome, FactorRecord, FactorStore};
use fountain_core::{Digest, StoreError, StoreErrorKind, Subject, Tenant, Timestamp};
use sqlx::postgres::PgRow;

use crate::error::corrupt;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, on_primary};

const TABLE: &str = "factors";
const CODES: &str = "recovery_codes";

/// How many recovery codes a subject can have.
const MOST_CODES: usize = 20;

macro_rules! columns {
    () => {
        "id, tenant, subject, kind, sealed, mark::text AS mark, created_at, confirmed_at, confirm_by, disabled_at
         FROM fountain.factors "
    };
}

fn decode(row: &PgRow) -> Result<FactorRecord, StoreError> {
    let fields = Fields { row, table: TABLE };
    let kind = FactorKind::from_name(fields.value("kind")?);
    Ok(FactorRecord {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        subject: fields.parsed("subject")?,
        kind: kind.ok_or_else(|| corrupt(TABLE, "kind"))?,
        sealed: fields.value("sealed")?,
        mark: fields.parsed("mark")?,
        created_at: fields.time("created_at")?,
        confirmed_at: fields.time_option("confirmed_at")?,
        confirm_by: fields.time("confirm_by")?,
        disabled_at: fields.time_option("disabled_at")?,
    })
}

/// Changes a factor if the verdict on it, once it is locked, is `done`. A verdict of NULL: it cannot be read.
macro_rules! change {
    ($verdict:literal, $set:literal) => {
        concat!(
            "WITH found AS MATERIALIZED (
                 SELECT id, mark, confirmed_at, confirm_by, disabled_at, fountain.is_sound(factor) AS sound
                 FROM fountain.factors AS factor
                 WHERE tenant = $1 AND subject = $2 AND id = $3 FOR NO KEY UPDATE),
             judged AS MATERIALIZED (SELECT id, CASE ",
            $verdict,
            " END AS verdict FROM found),
             changed AS (
                 UPDATE fountain.factors AS factor SET ",
            $set,
            " FROM judged WHERE factor.id = judged.id AND judged.verdict = 'done'
                 RETURNING fountain.note($4, $5, $6, NULL, NULL, NULL) AS noted)
             SELECT verdict, (SELECT noted FROM changed) AS changed FROM judged"
        )
    };
}

fn about<'q>(
    change: &'static str,
    tenant: &'q Tenant,
    subject: &'q Subject,
    id: &'q FactorId,
    event: &'q AuditEvent,
) -> Result<Statement<'q>, StoreError> {
    Statement::new(change)
        .text(tenant.as_str())
        .text(subject.as_str())
        .text(id.as_str())
        .event(event)
}

impl PostgresStore {
    async fn change_factor(&self, change: Statement<'_>) -> Result<FactorOutcome, StoreError> {
        let Some(row) = self.row(change).await? else {
            return Ok(FactorOutcome::NotFound);
        };
        let fields = Fields {
            row: &row,
            table: TABLE,
        };
        match fields.value("verdict")? {
            "done" if fields.value::<Option<bool>>("changed")?.is_some() => Ok(FactorOutcome::Done),
            "spent" => Ok(FactorOutcome::Spent),
            "pending" => Ok(FactorOutcome::Pending),
            "already_confirmed" => Ok(FactorOutcome::AlreadyConfirmed),
            "expired" => Ok(FactorOutcome::Expired),
            "disabled" => Ok(FactorOutcome::Disabled),
            _ => Err(corrupt(TABLE, "verdict")),
        }
    }
}

#[async_trait]
impl FactorStore for PostgresStore {
    async fn insert(&self, record: FactorRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let insert = Statement::new(
            "WITH added AS (
                 INSERT INTO fountain.factors (
                     id, tenant, subject, kind, sealed, mark, created_at, confirmed_at, confirm_by, disabled_at)
                 VALUES ($1, $2, $3, $4, $5, $6::numeric, $7, $8, $9, $10)
                 ON CONFLICT (id) DO NOTHING RETURNING id)
             SELECT fountain.note($11, $12, $13, NULL, NULL, NULL) FROM added",
        )
        .text(record.id.as_str())
        .text(record.tenant.as_str())
        .text(record.subject.as_str())
        .text(record.kind.as_str())
        .bytes(&record.sealed)
        .json(&record.mark)?
        .time(record.created_at)
        .time_option(record.confirmed_at)
        .time(record.confirm_by)
        .time_option(record.disabled_at)
        .event(&event)?;
        Ok(self.row(insert).await?.is_some())
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
    ) -> Result<Option<FactorRecord>, StoreError> {
        let select = Statement::look_up(on_primary!(
            concat!(columns!(), "WHERE tenant = $1 AND subject = $2 AND id = $3"),
            ""
        ))
        .text(tenant.as_str())
        .text(subject.as_str())
        .text(id.as_str());
        let found = self.look_up(select).await?;
        found.first().map(decode).transpose()
    }

    async fn list(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<FactorRecord>, StoreError> {
        let select = Statement::look_up(on_primary!(
            concat!(columns!(), "WHERE tenant = $1 AND subject = $2"),
            "ORDER BY created_at, id"
        ))
        .text(tenant.as_str())
        .text(subject.as_str());
        // One that cannot be read makes the whole answer `Corrupt` (F-35): left out, its owner would seem to have no second
        // factor, and a password would be enough.
        self.look_up(select).await?.iter().map(decode).collect()
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
        let confirm = change!(
            "WHEN NOT sound THEN NULL WHEN disabled_at IS NOT NULL THEN 'disabled'
             WHEN confirmed_at IS NOT NULL THEN 'already_confirmed' WHEN $8 >= confirm_by THEN 'expired' ELSE 'done'",
            "mark = $7::numeric, confirmed_at = $8"
        );
        let confirm = about(confirm, tenant, subject, id, &event)?.json(&mark)?;
        self.change_factor(confirm.time(now)).await
    }

    async fn take(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        mark: u64,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let take = change!(
            "WHEN NOT sound THEN NULL WHEN disabled_at IS NOT NULL THEN 'disabled'
             WHEN confirmed_at IS NULL THEN 'pending' WHEN $7::numeric <= mark THEN 'spent' ELSE 'done'",
            "mark = $7::numeric"
        );
        let take = about(take, tenant, subject, id, &event)?.json(&mark)?;
        self.change_factor(take).await
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        // A factor that cannot be read can still be ended.
        let disable = change!(
            "WHEN disabled_at IS NOT NULL THEN 'disabled' ELSE 'done'",
            "disabled_at = $7"
        );
        let disable = about(disable, tenant, subject, id, &event)?;
        self.change_factor(disable.time(now)).await
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let remove = about(
            "WITH gone AS (
                 DELETE FROM fountain.factors WHERE tenant = $1 AND subject = $2 AND id = $3 RETURNING id)
             SELECT fountain.note($4, $5, $6, NULL, NULL, NULL) FROM gone",
            tenant,
            subject,
            id,
            &event,
        )?;
        Ok(self.row(remove).await?.is_some())
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
        let replace = if codes.is_empty() {
            "WITH gone AS (DELETE FROM fountain.recovery_codes WHERE tenant = $1 AND subject = $2)
             SELECT fountain.note($3, $4, $5, NULL, NULL, NULL)"
        } else {
            "WITH replaced AS (
                 INSERT INTO fountain.recovery_codes (tenant, subject, codes)
                 VALUES ($1, $2, ARRAY(SELECT DISTINCT given.code FROM unnest($6::bytea[]) AS given (code)))
                 ON CONFLICT (tenant, subject) DO UPDATE SET codes = excluded.codes RETURNING subject)
             SELECT fountain.note($3, $4, $5, NULL, NULL, NULL) FROM replaced"
        };
        let replace = Statement::new(replace)
            .text(tenant.as_str())
            .text(subject.as_str())
            .event(&event)?;
        let replace = if codes.is_empty() {
            replace
        } else {
            replace.digests(codes)
        };
        self.one(replace).await.map(drop)
    }

    async fn take_recovery_code(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        code: &Digest,
        event: AuditEvent,
    ) -> Result<Option<u32>, StoreError> {
        // A wrong code locks nothing; whether a right one is still there is looked at again once the row is locked.
        let take = Statement::new(
            "WITH found AS MATERIALIZED (
                 SELECT fountain.is_sound(held) AS sound FROM fountain.recovery_codes AS held
                 WHERE tenant = $1 AND subject = $2),
             taken AS (
                 UPDATE fountain.recovery_codes AS held SET codes = array_remove(held.codes, $6) FROM found
                 WHERE held.tenant = $1 AND held.subject = $2 AND found.sound AND $6 = ANY (held.codes)
                 RETURNING cardinality(held.codes)::bigint AS remaining,
                           fountain.note($3, $4, $5, NULL, NULL, NULL) AS noted)
             SELECT sound, (SELECT remaining FROM taken WHERE noted) AS remaining FROM found",
        )
        .text(tenant.as_str())
        .text(subject.as_str())
        .event(&event)?
        .digest(code);
        let Some(row) = self.row(take).await? else {
            return Ok(None);
        };
        let fields = Fields {
            row: &row,
            table: CODES,
        };
        if !fields.value::<bool>("sound")? {
            return Err(corrupt(CODES, "codes"));
        }
        fields.small_counter_option("remaining")
    }

    async fn recovery_codes(&self, tenant: &Tenant, subject: &Subject) -> Result<u32, StoreError> {
        let select = Statement::look_up(on_primary!(
            "fountain.is_sound(held) AS sound, cardinality(codes)::bigint AS remaining
             FROM fountain.recovery_codes AS held WHERE tenant = $1 AND subject = $2",
            ""
        ))
        .text(tenant.as_str())
        .text(subject.as_str());
        let found = self.look_up(select).await?;
        let Some(row) = found.first() else {
            return Ok(0);
        };
        let fields = Fields { row, table: CODES };
        if !fields.value::<bool>("sound")? {
            return Err(corrupt(CODES, "codes"));
        }
        fields.small_counter("remaining")
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let delete = Statement::new(
            "WITH ended AS MATERIALIZED (
                 SELECT id FROM fountain.factors WHERE confirmed_at IS NULL AND confirm_by < $1
                 ORDER BY confirm_by LIMIT $2 FOR UPDATE SKIP LOCKED)
             DELETE FROM fountain.factors AS old USING ended
             WHERE old.id = ended.id AND old.confirmed_at IS NULL AND old.confirm_by < $1 RETURNING 1",
        );
        self.purge_in_batches(limit, delete.time(before)).await
    }
}
