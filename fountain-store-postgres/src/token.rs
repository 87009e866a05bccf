use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::identity::{FamilyId, Subject};
use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, RevokeOutcome,
};
use fountain_core::{Digest, StoreError, StoreErrorKind, Tenant, Timestamp};

use crate::error::corrupt;
use crate::link::Link;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, on_primary};

pub(crate) const FAMILIES: &str = "families";
const TOKENS: &str = "refresh_tokens";

/// The longest grace, in microseconds, that is told apart from a longer one: some 1,000 years.
const LONGEST_GRACE: i64 = 1_000 * 366 * 86_400 * 1_000_000;

pub(crate) fn decode_family(fields: &Fields<'_>) -> Result<RefreshFamily, StoreError> {
    Ok(RefreshFamily {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        subject: fields.parsed("subject")?,
        client: fields.parsed("client")?,
        scopes: fields.all_parsed("scopes")?,
        roles: fields.value("roles")?,
        binding: fields.digest_option("binding")?,
        assurance: fields.json("assurance")?,
        created_at: fields.time("created_at")?,
        expires_at: fields.time("expires_at")?,
        revoked_at: fields.time_option("revoked_at")?,
    })
}

impl PostgresStore {
    /// Judges a use by all that there is to see under the family's lock.
    async fn judge_use(&self, attempt: &RefreshUse) -> Result<RefreshOutcome, StoreError> {
        let grace = i64::try_from(attempt.grace.as_micros())
            .unwrap_or(LONGEST_GRACE)
            .min(LONGEST_GRACE);
        let rule = Statement::new(
            "SELECT verdict, sealed, id, tenant, subject, client, scopes, roles, binding, assurance, created_at,
                    expires_at, revoked_at
             FROM fountain.use_token($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .text(attempt.tenant.as_str())
        .digest(&attempt.presented)
        .text(attempt.client.as_str())
        .bytes_option(attempt.binding.as_ref().map(|binding| binding.as_bytes().as_slice()))
        .digest(&attempt.successor.digest)
        .time(attempt.successor.expires_at)
        .bytes(&attempt.sealed_successor)
        .time(attempt.now)
        .number(grace)
        .time(attempt.revoke_until)
        .event(&attempt.on_rotated)?
        .event(&attempt.on_reuse)?;
        let row = match self.row(rule).await {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(RefreshOutcome::Unknown),
            Err(error) if is_taken(&error) => return Err(StoreErrorKind::Conflict.into()),
            Err(error) => return Err(error),
        };
        let fields = Fields {
            row: &row,
            table: FAMILIES,
        };
        let family = || decode_family(&fields);
        match fields.value("verdict")? {
            "revoked" => Ok(RefreshOutcome::Revoked),
            "expired" => Ok(RefreshOutcome::Expired),
            "mismatched" => Ok(RefreshOutcome::Mismatched),
            "repeated" => Ok(RefreshOutcome::Repeated {
                family: family()?,
                sealed_successor: Fields {
                    row: &row,
                    table: TOKENS,
                }
                .value("sealed")?,
            }),
            "reused" => {
                self.tell().await?;
                Ok(RefreshOutcome::Reused { family: family()? })
            }
            "rotated" => Ok(RefreshOutcome::Rotated { family: family()? }),
            "conflict" => Err(StoreErrorKind::Conflict.into()),
            _ => Err(corrupt(FAMILIES, "verdict")),
        }
    }
}

#[async_trait]
impl RefreshTokenStore for PostgresStore {
    async fn insert(
        &self,
        family: RefreshFamily,
        first: RefreshTokenRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        // A digest that somebody else inserts at this moment breaks the token's primary key, and the whole statement
        // with it.
        let insert = Statement::new(
            "WITH family AS (
                 INSERT INTO fountain.families (
                     id, tenant, subject, client, scopes, roles, binding, assurance, created_at, expires_at, revoked_at)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8::json, $9, $10, $11
                 WHERE NOT EXISTS (SELECT FROM fountain.refresh_tokens WHERE digest = $12)
                 ON CONFLICT (id) DO NOTHING RETURNING id),
             token AS (
                 INSERT INTO fountain.refresh_tokens (digest, family, expires_at) SELECT $12, id, least($13, $10)
                 FROM family RETURNING digest)
             SELECT fountain.note($14, $15, $16, NULL, NULL, NULL) FROM token",
        )
        .text(family.id.as_str())
        .text(family.tenant.as_str())
        .text(family.subject.as_str())
        .text(family.client.as_str())
        .texts(family.scopes.iter().map(AsRef::as_ref))
        .texts(family.roles.iter().map(String::as_str))
        .bytes_option(family.binding.as_ref().map(|binding| binding.as_bytes().as_slice()))
        .json(&family.assurance)?
        .time(family.created_at)
        .time(family.expires_at)
        .time_option(family.revoked_at)
        .digest(&first.digest)
        .time(first.expires_at)
        .event(&event)?;
        match self.row(insert).await {
            Ok(row) => Ok(row.is_some()),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn use_token(&self, attempt: RefreshUse) -> Result<RefreshOutcome, StoreError> {
        // In a transaction of the host's it would be the end of that if the successor exists.
        if let Link::Carried(_) = self.link() {
            return self.judge_use(&attempt).await;
        }
        let ruling = async {
            match self.rotate_at_once(&attempt).await {
                Ok(Some(family)) => Ok(RefreshOutcome::Rotated { family }),
                Ok(None) => self.judge_use(&attempt).await,
                Err(error) if is_taken(&error) => Err(StoreErrorKind::Conflict.into()),
                Err(error) => Err(error),
            }
        };
        // Both statements in the time of one call.
        tokio::time::timeout(self.shared().deadline, ruling)
            .await
            .map_err(|_| StoreError::new(StoreErrorKind::Timeout))?
    }

    async fn find(
        &self,
        tenant: &Tenant,
        token: &Digest,
        now: Timestamp,
    ) -> Result<Option<(RefreshFamily, bool)>, StoreError> {
        let select = Statement::look_up(on_primary!(
            "family.id, family.tenant, family.subject, family.client, family.scopes, family.roles, family.binding,
             family.assurance::text AS assurance, family.created_at, family.expires_at, family.revoked_at,
             (family.revoked_at IS NULL AND token.spent_at IS NULL AND $3 < token.expires_at
              AND $3 < family.expires_at) AS live
             FROM fountain.refresh_tokens AS token JOIN fountain.families AS family ON family.id = token.family
             WHERE token.digest = $1 AND family.tenant = $2",
            ""
        ))
        .digest(token)
        .text(tenant.as_str())
        .time(now);
        let found = self.look_up(select).await?;
        let Some(row) = found.first() else {
            return Ok(None);
        };
        let fields = Fields {
            row,
            table: FAMILIES,
        };
        Ok(Some((decode_family(&fields)?, fields.value("live")?)))
    }

    async fn revoke_family(
        &self,
        tenant: &Tenant,
        family: &FamilyId,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        // Not decoded: a family that cannot be read can still be ended.
        let revoke = Statement::new(
            "WITH ended AS (
                 UPDATE fountain.families SET revoked_at = $3
                 WHERE tenant = $1 AND id = $2 AND revoked_at IS NULL RETURNING id),
             revoked AS MATERIALIZED (
                 SELECT fountain.add_revocation('family', $1, id, $3, $4),
                        fountain.note($5, $6, $7, 'revocation.family', $1, id)
                 FROM ended)
             SELECT EXISTS (SELECT FROM revoked) AS revoked,
                    EXISTS (SELECT FROM fountain.families WHERE tenant = $1 AND id = $2) AS known",
        )
        .text(tenant.as_str())
        .text(family.as_str())
        .time(now)
        .time(revoke_until)
        .event(&event)?;
        let row = self.one(revoke).await?;
        let fields = Fields {
            row: &row,
            table: FAMILIES,
        };
        Ok(if fields.value("revoked")? {
            self.tell().await?;
            RevokeOutcome::Revoked
        } else if fields.value("known")? {
            RevokeOutcome::AlreadyRevoked
        } else {
            RevokeOutcome::NotFound
        })
    }

    async fn revoke_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<u64, StoreError> {
        // Locked in the order of their ids, so that two calls do not wait for each other.
        let revoke = Statement::new(
            "WITH held AS MATERIALIZED (
                 SELECT id FROM fountain.families
                 WHERE tenant = $1 AND subject = $2 AND revoked_at IS NULL AND expires_at > $3
                 ORDER BY id FOR NO KEY UPDATE),
             ended AS (
                 UPDATE fountain.families AS family SET revoked_at = $3 FROM held
                 WHERE family.id = held.id AND family.revoked_at IS NULL RETURNING family.id),
             counted AS MATERIALIZED (
                 SELECT count(fountain.add_revocation('family', $1, id, $3, $4)) AS families FROM ended)
             SELECT families, CASE WHEN families > 0
                 THEN fountain.note($5, $6, $7, 'revocation.subject', $1, $2) END
             FROM counted",
        )
        .text(tenant.as_str())
        .text(subject.as_str())
        .time(now)
        .time(revoke_until)
        .event(&event)?;
        let row = self.one(revoke).await?;
        let fields = Fields {
            row: &row,
            table: FAMILIES,
        };
        let ended = fields.counter("families")?;
        if ended > 0 {
            self.tell().await?;
        }
        Ok(ended)
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let delete = Statement::new(
            "SELECT 1 FROM fountain.purge_families($1, $2) AS gone, generate_series(1, gone)",
        );
        self.purge_in_batches(limit, delete.time(before)).await
    }
}

/// Whether the digest of a token exists, inserted by somebody else since the statement began.
fn is_taken(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Corrupt
        && std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<sqlx::Error>())
            .and_then(sqlx::Error::as_database_error)
            .is_some_and(|error| error.constraint() == Some("refresh_tokens_pkey"))
}
