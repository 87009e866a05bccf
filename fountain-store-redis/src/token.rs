use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::identity::{FamilyId, Subject};
use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, RevokeOutcome,
};
use fountain_core::{Digest, StoreError, StoreErrorKind, Tenant, Timestamp};

use crate::error::unexpected;
use crate::fields::{Line, bytes, count, list, next, text};
use crate::script::{self, Table, json};
use crate::store::RedisStore;
use crate::words::{digest, digest_option, time, time_option, word};

const TABLE: &str = "families";

/// After how many tokens one step of a purge stops: everybody else waits for it.
const TOKENS_IN_A_PURGE: usize = 1_000;

/// The line of a family: what scripts decide on, and all of it as JSON.
fn encode(family: &RefreshFamily, first: &Digest) -> Result<String, StoreError> {
    Ok(format!(
        "{} {} {} {} {} {} {} {}",
        family.tenant,
        word(family.subject.as_str()),
        word(family.client.as_str()),
        digest_option(family.binding.as_ref()),
        time(family.expires_at),
        time_option(family.revoked_at),
        digest(first),
        json(family)?
    ))
}

/// The family of a line. What scripts change stands in front and counts; the rest must agree with it.
fn decode(id: &str, line: &[u8]) -> Result<RefreshFamily, StoreError> {
    let mut line = Line::new(TABLE, line)?;
    let tenant: Tenant = line.parsed("tenant")?;
    let subject: Subject = line.parsed("subject")?;
    let client = line.parsed("client")?;
    let binding = line.word("binding")?;
    let expires_at = line.time("expires_at")?;
    let revoked_at = line.time_option("revoked_at")?;
    line.word("first")?;
    let family: RefreshFamily = line.json("record")?;
    let agree = family.id.as_str() == id
        && family.tenant == tenant
        && family.subject == subject
        && family.client == client
        && digest_option(family.binding.as_ref()) == binding
        && family.expires_at == expires_at;
    line.agree("record", agree)?;
    Ok(RefreshFamily {
        revoked_at,
        ..family
    })
}

impl RedisStore {
    /// Rotates a token that is certainly in order; `None` when nothing was done and nothing is known.
    async fn rotate_at_once(
        &self,
        attempt: &RefreshUse,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        let answer = self
            .call(&script::TOKEN_ROTATE)
            .tables([Table::Meta, Table::Events])
            .event(&attempt.on_rotated)?
            .tables([Table::Families, Table::RefreshTokens])
            .text(attempt.tenant.as_str())
            .text(digest(&attempt.presented))
            .text(word(attempt.client.as_str()))
            .text(digest_option(attempt.binding.as_ref()))
            .text(digest(&attempt.successor.digest))
            .text(time(attempt.successor.expires_at))
            .arg(attempt.sealed_successor.as_slice())
            .text(time(attempt.now))
            .write()
            .await?;
        let mut parts = list(answer)?.into_iter();
        let Some(id) = parts.next() else {
            return Ok(None);
        };
        decode(&text(id)?, &bytes(next(&mut parts)?)?).map(Some)
    }

    /// Judges a use by all that there is to see.
    async fn judge_use(&self, attempt: &RefreshUse) -> Result<RefreshOutcome, StoreError> {
        // Since when a use is within the grace; nothing when there is none.
        let grace = if attempt.grace.is_zero() {
            String::new()
        } else {
            time(attempt.now - attempt.grace)
        };
        let answer = self
            .call(&script::TOKEN_USE)
            .change(&attempt.on_rotated)?
            .event(&attempt.on_reuse)?
            .tables([
                Table::Families,
                Table::RefreshTokens,
                Table::Revocations,
                Table::RevocationEnds,
            ])
            .text(attempt.tenant.as_str())
            .text(digest(&attempt.presented))
            .text(word(attempt.client.as_str()))
            .text(digest_option(attempt.binding.as_ref()))
            .text(digest(&attempt.successor.digest))
            .text(time(attempt.successor.expires_at))
            .arg(attempt.sealed_successor.as_slice())
            .text(time(attempt.now))
            .text(grace)
            .text(time(attempt.revoke_until))
            .write()
            .await?;
        let mut parts = list(answer)?.into_iter();
        let outcome = text(next(&mut parts)?)?;
        let mut family = || {
            let id = text(next(&mut parts)?)?;
            decode(&id, &bytes(next(&mut parts)?)?)
        };
        match outcome.as_str() {
            "rotated" => Ok(RefreshOutcome::Rotated { family: family()? }),
            "repeated" => Ok(RefreshOutcome::Repeated {
                family: family()?,
                sealed_successor: bytes(next(&mut parts)?)?,
            }),
            "reused" => Ok(RefreshOutcome::Reused { family: family()? }),
            "revoked" => Ok(RefreshOutcome::Revoked),
            "expired" => Ok(RefreshOutcome::Expired),
            "mismatched" => Ok(RefreshOutcome::Mismatched),
            "unknown" => Ok(RefreshOutcome::Unknown),
            _ => Err(unexpected()),
        }
    }
}

#[async_trait]
impl RefreshTokenStore for RedisStore {
    async fn insert(
        &self,
        family: RefreshFamily,
        first: RefreshTokenRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let answer = self
            .call(&script::FAMILY_INSERT)
            .change(&event)?
            .tables([
                Table::Families,
                Table::FamilyEnds,
                Table::FamilySubjects,
                Table::RefreshTokens,
            ])
            .text(family.id.as_str())
            .text(encode(&family, &first.digest)?)
            .text(digest(&first.digest))
            .text(time(first.expires_at))
            .write()
            .await?;
        Ok(count(&answer)? == 1)
    }

    async fn use_token(&self, attempt: RefreshUse) -> Result<RefreshOutcome, StoreError> {
        // Both scripts in the time of one call.
        tokio::time::timeout(self.patience(), async {
            match self.rotate_at_once(&attempt).await? {
                Some(family) => Ok(RefreshOutcome::Rotated { family }),
                None => self.judge_use(&attempt).await,
            }
        })
        .await
        .map_err(|late| StoreError::with_source(StoreErrorKind::Timeout, late))?
    }

    async fn find(
        &self,
        tenant: &Tenant,
        token: &Digest,
        now: Timestamp,
    ) -> Result<Option<(RefreshFamily, bool)>, StoreError> {
        let answer = self
            .call(&script::FAMILY_FIND)
            .tables([Table::Families, Table::RefreshTokens])
            .text(tenant.as_str())
            .text(digest(token))
            .text(time(now))
            .read()
            .await?;
        let mut parts = list(answer)?.into_iter();
        let Some(id) = parts.next() else {
            return Ok(None);
        };
        let family = decode(&text(id)?, &bytes(next(&mut parts)?)?)?;
        let good = count(&next(&mut parts)?)? == 1;
        Ok(Some((family, good)))
    }

    async fn revoke_family(
        &self,
        tenant: &Tenant,
        family: &FamilyId,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let answer = self
            .call(&script::FAMILY_REVOKE)
            .change(&event)?
            .tables([Table::Families, Table::Revocations, Table::RevocationEnds])
            .text(tenant.as_str())
            .text(family.as_str())
            .text(time(now))
            .text(time(revoke_until))
            .write()
            .await?;
        match text(answer)?.as_str() {
            "revoked" => Ok(RevokeOutcome::Revoked),
            "already_revoked" => Ok(RevokeOutcome::AlreadyRevoked),
            "not_found" => Ok(RevokeOutcome::NotFound),
            _ => Err(unexpected()),
        }
    }

    async fn revoke_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<u64, StoreError> {
        let answer = self
            .call(&script::SUBJECT_REVOKE)
            .change(&event)?
            .tables([
                Table::Families,
                Table::FamilySubjects,
                Table::Revocations,
                Table::RevocationEnds,
            ])
            .text(tenant.as_str())
            .text(word(subject.as_str()))
            .text(time(now))
            .text(time(revoke_until))
            .write()
            .await?;
        count(&answer)
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.purge_in_batches(limit, |store, batch| {
            store
                .call(&script::FAMILY_PURGE)
                .tables([
                    Table::Families,
                    Table::FamilyEnds,
                    Table::FamilySubjects,
                    Table::RefreshTokens,
                ])
                .text(time(before))
                .text(batch.to_string())
                .text(TOKENS_IN_A_PURGE.to_string())
        })
        .await
    }
}
