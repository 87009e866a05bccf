use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::change::{Change, RevocationKey};
use fountain_core::identity::{FamilyId, Subject, Tenant};
use fountain_core::token::{Revocation, RevocationQuery, RevocationStore, RevokeOutcome};
use fountain_core::{StoreError, StoreErrorKind, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::sql::{Fields, changes, execute, query};
use crate::store::SqliteStore;

// Keeps the later of each instant, and leaves alone what is as strict already.
macro_rules! or_make_stricter {
    () => {
        " ON CONFLICT (kind, scope, id) DO UPDATE
          SET not_before = max(standing.not_before, excluded.not_before),
              expires_at = max(standing.expires_at, excluded.expires_at)
          WHERE standing.not_before < excluded.not_before OR standing.expires_at < excluded.expires_at"
    };
}

/// Adds a revocation or makes the one that stands stricter; `false` when it is as strict already.
pub(crate) async fn add(
    connection: &mut SqliteConnection,
    revocation: &Revocation,
) -> Result<bool, StoreError> {
    let (kind, scope, id) = match &revocation.key {
        RevocationKey::Token { issuer, id } => ("token", issuer.as_str(), id.as_str()),
        RevocationKey::Family { tenant, id } => ("family", tenant.as_str(), id.as_str()),
        RevocationKey::Subject { tenant, subject } => {
            ("subject", tenant.as_str(), subject.as_str())
        }
    };
    let upsert = query(concat!(
        "INSERT INTO fountain_revocations AS standing (kind, scope, id, not_before, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        or_make_stricter!()
    ))
    .bind(kind)
    .bind(scope)
    .bind(id)
    .bind(revocation.not_before.as_unix_micros())
    .bind(revocation.expires_at.as_unix_micros());
    changes(connection, upsert).await
}

/// Adds a revocation of each family of a subject that lives at `now`.
pub(crate) async fn add_families_of(
    connection: &mut SqliteConnection,
    tenant: &Tenant,
    subject: &Subject,
    now: Timestamp,
    revoke_until: Timestamp,
) -> Result<(), StoreError> {
    let upsert = query(concat!(
        "INSERT INTO fountain_revocations AS standing (kind, scope, id, not_before, expires_at)
         SELECT 'family', tenant, id, ?3, ?4 FROM fountain_families
         WHERE tenant = ?1 AND subject = ?2 AND revoked_at IS NULL AND expires_at > ?3",
        or_make_stricter!()
    ))
    .bind(tenant.as_str())
    .bind(subject.as_str())
    .bind(now.as_unix_micros())
    .bind(revoke_until.as_unix_micros());
    execute(connection, upsert).await.map(drop)
}

#[async_trait]
impl RevocationStore for SqliteStore {
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                if !add(connection, &revocation).await? {
                    return Ok(RevokeOutcome::AlreadyRevoked);
                }
                let change = Change::Revocation {
                    key: revocation.key,
                };
                trail.commit(connection, &event, &change).await?;
                Ok(RevokeOutcome::Revoked)
            })
        })
        .await
    }

    async fn is_revoked(&self, asked: RevocationQuery<'_>) -> Result<bool, StoreError> {
        // A family of NULL equals nothing.
        let select = query(
            "SELECT EXISTS (SELECT 1 FROM fountain_revocations WHERE kind = 'token' AND scope = ?1 AND id = ?2)
                 OR EXISTS (SELECT 1 FROM fountain_revocations WHERE kind = 'family' AND scope = ?3 AND id = ?4)
                 OR EXISTS (SELECT 1 FROM fountain_revocations
                            WHERE kind = 'subject' AND scope = ?3 AND id = ?5 AND not_before > ?6) AS revoked",
        )
        .bind(asked.issuer.as_str())
        .bind(asked.id.as_str())
        .bind(asked.tenant.as_str())
        .bind(asked.family.map(FamilyId::as_str))
        .bind(asked.subject.as_str())
        .bind(asked.issued_at.as_unix_micros());
        match self.readers().row(select).await? {
            Some(row) => Fields {
                row: &row,
                table: "fountain_revocations",
            }
            .value("revoked"),
            // Such a statement always has a row; without one, nothing is known.
            None => Err(StoreErrorKind::Unavailable.into()),
        }
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.purge_in_batches(limit, move |batch| {
            query(
                "DELETE FROM fountain_revocations WHERE (kind, scope, id) IN (
                     SELECT kind, scope, id FROM fountain_revocations
                     WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
            )
            .bind(before.as_unix_micros())
            .bind(batch)
        })
        .await
    }
}
