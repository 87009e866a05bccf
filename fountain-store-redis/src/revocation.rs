use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::change::RevocationKey;
use fountain_core::token::{Revocation, RevocationQuery, RevocationStore, RevokeOutcome};
use fountain_core::{StoreError, Timestamp};

use crate::fields::{Line, bytes, count, list, next};
use crate::script::{self, Table};
use crate::store::RedisStore;
use crate::trail::about;
use crate::words::time;

const TABLE: &str = "revocations";

/// The not-before of a line; none where there is no line.
fn not_before(line: &[u8]) -> Result<Option<Timestamp>, StoreError> {
    if line.is_empty() {
        return Ok(None);
    }
    let mut line = Line::new(TABLE, line)?;
    let not_before = line.time("not_before")?;
    line.time("expires_at")?;
    Ok(Some(not_before))
}

#[async_trait]
impl RevocationStore for RedisStore {
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let answer = self
            .call(&script::REVOCATION_ADD)
            .change(&event)?
            .tables([Table::Revocations, Table::RevocationEnds])
            .text(about(&revocation.key))
            .text(time(revocation.not_before))
            .text(time(revocation.expires_at))
            .write()
            .await?;
        match count(&answer)? {
            0 => Ok(RevokeOutcome::AlreadyRevoked),
            _ => Ok(RevokeOutcome::Revoked),
        }
    }

    async fn is_revoked(&self, asked: RevocationQuery<'_>) -> Result<bool, StoreError> {
        let token = RevocationKey::Token {
            issuer: asked.issuer.clone(),
            id: asked.id.clone(),
        };
        let subject = RevocationKey::Subject {
            tenant: asked.tenant.clone(),
            subject: asked.subject.clone(),
        };
        let mut call = self
            .call(&script::REVOCATION_FIND)
            .tables([Table::Revocations])
            .text(about(&subject))
            .text(about(&token));
        if let Some(family) = asked.family {
            let family = RevocationKey::Family {
                tenant: asked.tenant.clone(),
                id: family.clone(),
            };
            call = call.text(about(&family));
        }
        let mut found = list(call.read().await?)?.into_iter();
        let of_subject = not_before(&bytes(next(&mut found)?)?)?;
        let mut revoked = of_subject.is_some_and(|not_before| asked.issued_at < not_before);
        // Each is read: one that cannot be must not be taken for none (F-35).
        for line in found {
            revoked |= not_before(&bytes(line)?)?.is_some();
        }
        Ok(revoked)
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.purge_in_batches(limit, |store, batch| {
            store
                .call(&script::REVOCATION_PURGE)
                .tables([Table::Revocations, Table::RevocationEnds])
                .text(time(before))
                .text(batch.to_string())
        })
        .await
    }
}
