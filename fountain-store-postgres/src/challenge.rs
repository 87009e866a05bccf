use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::otp::{
    ChallengeId, ChallengeOutcome, ChallengeRecord, ChallengeStore, FactorId, PendingCode,
};
use fountain_core::{Digest, StoreError, Tenant, Timestamp};

use crate::error::corrupt;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, on_primary};

const TABLE: &str = "challenges";

macro_rules! columns {
    () => {
        "id, tenant, subject, purpose, binding, context, created_at, expires_at, attempts, attempt_limit, code_factor,
         code_digest, code_issued_at, code_expires_at, consumed_at"
    };
}

fn decode(fields: &Fields<'_>) -> Result<ChallengeRecord, StoreError> {
    Ok(ChallengeRecord {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        subject: fields.parsed("subject")?,
        purpose: fields.parsed("purpose")?,
        binding: fields.digest("binding")?,
        context: fields.value("context")?,
        created_at: fields.time("created_at")?,
        expires_at: fields.time("expires_at")?,
        attempts: fields.small_counter("attempts")?,
        attempt_limit: fields.small_counter("attempt_limit")?,
        code: decode_code(fields)?,
        consumed_at: fields.time_option("consumed_at")?,
    })
}

fn decode_code(fields: &Fields<'_>) -> Result<Option<PendingCode>, StoreError> {
    let factor: Option<FactorId> = fields.parsed_option("code_factor")?;
    let digest = fields.digest_option("code_digest")?;
    let issued_at = fields.time_option("code_issued_at")?;
    let expires_at = fields.time_option("code_expires_at")?;
    match (factor, digest, issued_at, expires_at) {
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

/// Changes a challenge that can be answered if the verdict on it, once it is locked, is `done`; then the row holds the
/// record that stands. A verdict of NULL: it cannot be read.
macro_rules! change {
    ($verdict:literal, $set:literal) => {
        concat!(
            "WITH found AS MATERIALIZED (
                 SELECT id, expires_at, attempts, attempt_limit, code_digest, code_expires_at, consumed_at,
                        fountain.is_sound(challenge) AS sound
                 FROM fountain.challenges AS challenge WHERE tenant = $1 AND id = $2 FOR NO KEY UPDATE),
             judged AS MATERIALIZED (
                 SELECT id AS judged, CASE
                     WHEN NOT sound THEN NULL WHEN consumed_at IS NOT NULL THEN 'consumed'
                     WHEN $3 >= expires_at THEN 'expired' ",
            $verdict,
            " ELSE 'done' END AS verdict FROM found),
             changed AS (
                 UPDATE fountain.challenges AS challenge SET ",
            $set,
            " FROM judged WHERE challenge.id = judged.judged AND judged.verdict = 'done'
                 RETURNING ",
            columns!(),
            ", fountain.note($4, $5, $6, NULL, NULL, NULL) AS noted)
             SELECT verdict, changed.* FROM judged LEFT JOIN changed ON true"
        )
    };
}

/// The same change in the one case that is certain: the challenge can be answered, and this holds of it. The conditions are
/// looked at in the row's newest version, once it is locked. Where one does not hold nothing was written, and `change!`
/// judges: it cannot be wrong about what has changed in between.
macro_rules! change_at_once {
    ($holds:literal, $set:literal) => {
        concat!(
            "WITH changed AS (
                 UPDATE fountain.challenges AS challenge SET ",
            $set,
            " WHERE tenant = $1 AND id = $2 AND consumed_at IS NULL AND $3 < expires_at AND ",
            $holds,
            " AND fountain.is_sound(challenge) RETURNING ",
            columns!(),
            "),
             noted AS (
                 INSERT INTO fountain.audit (id, tenant, event) SELECT $4, $5, $6::json FROM changed
                 ON CONFLICT (id) DO NOTHING)
             SELECT changed.* FROM changed"
        )
    };
}

fn about<'q>(
    change: &'static str,
    tenant: &'q Tenant,
    id: &'q ChallengeId,
    now: Timestamp,
    event: &'q AuditEvent,
) -> Result<Statement<'q>, StoreError> {
    Statement::new(change)
        .text(tenant.as_str())
        .text(id.as_str())
        .time(now)
        .event(event)
}

impl PostgresStore {
    async fn change_challenge(
        &self,
        at_once: Statement<'_>,
        change: Statement<'_>,
    ) -> Result<ChallengeOutcome, StoreError> {
        if let Some(row) = self.row(at_once).await? {
            let fields = Fields {
                row: &row,
                table: TABLE,
            };
            return decode(&fields).map(|record| ChallengeOutcome::Done(Box::new(record)));
        }
        let Some(row) = self.row(change).await? else {
            return Ok(ChallengeOutcome::NotFound);
        };
        let fields = Fields {
            row: &row,
            table: TABLE,
        };
        match fields.value("verdict")? {
            "done" => decode(&fields).map(|record| ChallengeOutcome::Done(Box::new(record))),
            "superseded" => Ok(ChallengeOutcome::Superseded),
            "exhausted" => Ok(ChallengeOutcome::Exhausted),
            "expired" => Ok(ChallengeOutcome::Expired),
            "consumed" => Ok(ChallengeOutcome::Consumed),
            _ => Err(corrupt(TABLE, "verdict")),
        }
    }
}

#[async_trait]
impl ChallengeStore for PostgresStore {
    async fn insert(&self, record: ChallengeRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let code = record.code.as_ref();
        let insert = Statement::new(concat!(
            "WITH added AS (INSERT INTO fountain.challenges (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                 ON CONFLICT (id) DO NOTHING RETURNING id)
             SELECT fountain.note($16, $17, $18, NULL, NULL, NULL) FROM added"
        ))
        .text(record.id.as_str())
        .text(record.tenant.as_str())
        .text(record.subject.as_str())
        .text(record.purpose.as_str())
        .digest(&record.binding)
        .bytes(&record.context)
        .time(record.created_at)
        .time(record.expires_at)
        .number(record.attempts.into())
        .number(record.attempt_limit.into())
        .text_option(code.map(|code| code.factor.as_str()))
        .bytes_option(code.map(|code| code.digest.as_bytes().as_slice()))
        .time_option(code.map(|code| code.issued_at))
        .time_option(code.map(|code| code.expires_at))
        .time_option(record.consumed_at)
        .event(&event)?;
        Ok(self.row(insert).await?.is_some())
    }

    async fn find(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        let select = Statement::look_up(on_primary!(
            concat!(
                columns!(),
                " FROM fountain.challenges WHERE tenant = $1 AND id = $2"
            ),
            ""
        ))
        .text(tenant.as_str())
        .text(id.as_str());
        let found = self.look_up(select).await?;
        let found = found.first().map(|row| Fields { row, table: TABLE });
        found.map(|fields| decode(&fields)).transpose()
    }

    async fn count(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let count = change!(
            "WHEN attempts >= attempt_limit THEN 'exhausted'",
            "attempts = attempts + 1"
        );
        let at_once = change_at_once!("attempts < attempt_limit", "attempts = attempts + 1");
        let about = |change| about(change, tenant, id, now, &event);
        self.change_challenge(about(at_once)?, about(count)?).await
    }

    async fn put_code(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: PendingCode,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let put = change!(
            "WHEN attempts >= attempt_limit THEN 'exhausted'",
            "code_factor = $7, code_digest = $8, code_issued_at = $9, code_expires_at = $10"
        );
        let at_once = change_at_once!(
            "attempts < attempt_limit",
            "code_factor = $7, code_digest = $8, code_issued_at = $9, code_expires_at = $10"
        );
        let put_by = |change| -> Result<Statement<'_>, StoreError> {
            Ok(about(change, tenant, id, now, &event)?
                .text(code.factor.as_str())
                .digest(&code.digest)
                .time(code.issued_at)
                .time(code.expires_at))
        };
        self.change_challenge(put_by(at_once)?, put_by(put)?).await
    }

    async fn consume(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: Option<&Digest>,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let consume = change!(
            "WHEN $7 IS NOT NULL AND NOT coalesce(code_digest = $7 AND $3 < code_expires_at, false) THEN 'superseded'",
            "consumed_at = $3"
        );
        let at_once = change_at_once!(
            "($7 IS NULL OR (code_digest = $7 AND $3 < code_expires_at))",
            "consumed_at = $3"
        );
        let consume_by = |change| -> Result<Statement<'_>, StoreError> {
            let code = code.map(|code| code.as_bytes().as_slice());
            Ok(about(change, tenant, id, now, &event)?.bytes_option(code))
        };
        self.change_challenge(consume_by(at_once)?, consume_by(consume)?)
            .await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let delete = Statement::new(
            "WITH ended AS MATERIALIZED (
                 SELECT id FROM fountain.challenges WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
                 FOR UPDATE SKIP LOCKED)
             DELETE FROM fountain.challenges AS old USING ended
             WHERE old.id = ended.id AND old.expires_at < $1 RETURNING 1",
        );
        self.purge_in_batches(limit, delete.time(before)).await
    }
}
