use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::identity::FamilyId;
use fountain_core::token::{Revocation, RevocationQuery, RevocationStore, RevokeOutcome};
use fountain_core::{StoreError, StoreErrorKind, Timestamp};

use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, on_primary};
use crate::trail::name;

#[async_trait]
impl RevocationStore for PostgresStore {
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let (kind, scope, id) = name(&revocation.key);
        let revoke = Statement::new(
            "SELECT CASE WHEN fountain.add_revocation($1, $2, $3, $4, $5)
                    THEN fountain.note($6, $7, $8, 'revocation.' || $1, $2, $3) ELSE false END AS revoked",
        )
        .text(kind)
        .text(scope)
        .text(id)
        .time(revocation.not_before)
        .time(revocation.expires_at)
        .event(&event)?;
        let row = self.one(revoke).await?;
        let fields = Fields {
            row: &row,
            table: "revocations",
        };
        Ok(if fields.value("revoked")? {
            self.tell().await?;
            RevokeOutcome::Revoked
        } else {
            RevokeOutcome::AlreadyRevoked
        })
    }

    async fn is_revoked(&self, asked: RevocationQuery<'_>) -> Result<bool, StoreError> {
        // A family of NULL equals nothing.
        let select = Statement::look_up(on_primary!(
            "EXISTS (SELECT FROM fountain.revocations WHERE kind = 'token' AND scope = $1 AND id = $2)
                 OR EXISTS (SELECT FROM fountain.revocations WHERE kind = 'family' AND scope = $3 AND id = $4)
                 OR EXISTS (SELECT FROM fountain.revocations
                            WHERE kind = 'subject' AND scope = $3 AND id = $5 AND not_before > $6) AS revoked",
            ""
        ))
        .text(asked.issuer.as_str())
        .text(asked.id.as_str())
        .text(asked.tenant.as_str())
        .text_option(asked.family.map(FamilyId::as_str))
        .text(asked.subject.as_str())
        .time(asked.issued_at);
        match self.look_up(select).await?.first() {
            Some(row) => Fields {
                row,
                table: "revocations",
            }
            .value("revoked"),
            // Such a statement always has a row; without one, nothing is known.
            None => Err(StoreErrorKind::Unavailable.into()),
        }
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.tidy().await?;
        // A row that somebody makes stricter at this moment is locked, and so left; one that was made stricter since
        // this statement began is looked at again once it is locked.
        let delete = Statement::new(
            "DELETE FROM fountain.revocations WHERE expires_at < $1 AND (kind, scope, id) IN (
                 SELECT kind, scope, id FROM fountain.revocations
                 WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING 1",
        );
        self.purge_in_batches(limit, delete.time(before)).await
    }
}
