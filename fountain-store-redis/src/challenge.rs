use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::otp::{
    ChallengeId, ChallengeOutcome, ChallengeRecord, ChallengeStore, FactorId, PendingCode,
};
use fountain_core::{Digest, StoreError, Tenant, Timestamp};

use crate::error::{corrupt, unexpected};
use crate::fields::{Line, bytes, bytes_option, count, list, next, text};
use crate::script::{self, Table};
use crate::store::RedisStore;
use crate::words::{NONE, digest, sealed, time, time_option, undigest, unsealed, word};

const TABLE: &str = "challenges";

/// The code that was sent, as the four words that scripts know it by.
fn code_words(code: Option<&PendingCode>) -> [String; 4] {
    code.map_or_else(
        || [NONE; 4].map(String::from),
        |code| {
            [
                code.factor.as_str().to_owned(),
                digest(&code.digest),
                time(code.issued_at),
                time(code.expires_at),
            ]
        },
    )
}

fn encode(record: &ChallengeRecord) -> String {
    format!(
        "{} {} {} {} {} {} {} {} {} {} {}",
        record.tenant,
        time(record.expires_at),
        record.attempts,
        record.attempt_limit,
        time_option(record.consumed_at),
        code_words(record.code.as_ref()).join(" "),
        word(record.subject.as_str()),
        record.purpose,
        digest(&record.binding),
        time(record.created_at),
        sealed(&record.context),
    )
}

fn decode(id: &ChallengeId, line: &[u8]) -> Result<ChallengeRecord, StoreError> {
    let mut line = Line::new(TABLE, line)?;
    let tenant = line.parsed("tenant")?;
    let expires_at = line.time("expires_at")?;
    let attempts = line.parsed("attempts")?;
    let attempt_limit = line.parsed("attempt_limit")?;
    let consumed_at = line.time_option("consumed_at")?;
    let code = decode_code(&mut line)?;
    let subject = line.parsed("subject")?;
    let purpose = line.parsed("purpose")?;
    let binding = undigest(line.word("binding")?).ok_or_else(|| corrupt(TABLE, "binding"))?;
    let created_at = line.time("created_at")?;
    let context = unsealed(line.word("context")?).ok_or_else(|| corrupt(TABLE, "context"))?;
    line.agree("end", line.is_done())?;
    Ok(ChallengeRecord {
        id: id.clone(),
        tenant,
        subject,
        purpose,
        binding,
        context,
        created_at,
        expires_at,
        attempts,
        attempt_limit,
        code,
        consumed_at,
    })
}

fn decode_code(line: &mut Line<'_>) -> Result<Option<PendingCode>, StoreError> {
    let [factor, of, issued_at, expires_at] = [
        line.word("factor")?,
        line.word("digest")?,
        line.word("issued_at")?,
        line.word("good_until")?,
    ];
    if [factor, of, issued_at, expires_at] == [NONE; 4] {
        return Ok(None);
    }
    let code = || {
        Some(PendingCode {
            factor: FactorId::new(factor).ok()?,
            digest: undigest(of)?,
            issued_at: crate::words::untime(issued_at)?,
            expires_at: crate::words::untime(expires_at)?,
        })
    };
    code().map(Some).ok_or_else(|| corrupt(TABLE, "code"))
}

impl RedisStore {
    async fn change_challenge(
        &self,
        (tenant, id): (&Tenant, &ChallengeId),
        now: Timestamp,
        change: &str,
        code: &[String],
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        let mut call = self
            .call(&script::CHALLENGE_CHANGE)
            .change(&event)?
            .tables([Table::Challenges])
            .text(tenant.as_str())
            .text(id.as_str())
            .text(time(now))
            .text(change);
        for word in code {
            call = call.text(word.as_str());
        }
        let mut parts = list(call.write().await?)?.into_iter();
        match text(next(&mut parts)?)?.as_str() {
            "done" => {
                let record = decode(id, &bytes(next(&mut parts)?)?)?;
                Ok(ChallengeOutcome::Done(Box::new(record)))
            }
            "superseded" => Ok(ChallengeOutcome::Superseded),
            "exhausted" => Ok(ChallengeOutcome::Exhausted),
            "expired" => Ok(ChallengeOutcome::Expired),
            "consumed" => Ok(ChallengeOutcome::Consumed),
            "not_found" => Ok(ChallengeOutcome::NotFound),
            _ => Err(unexpected()),
        }
    }
}

#[async_trait]
impl ChallengeStore for RedisStore {
    async fn insert(&self, record: ChallengeRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let answer = self
            .call(&script::CHALLENGE_INSERT)
            .change(&event)?
            .tables([Table::Challenges, Table::ChallengeEnds])
            .text(record.id.as_str())
            .text(encode(&record))
            .write()
            .await?;
        Ok(count(&answer)? == 1)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        let answer = self
            .call(&script::CHALLENGE_FIND)
            .tables([Table::Challenges])
            .text(id.as_str())
            .read()
            .await?;
        let Some(line) = bytes_option(answer)? else {
            return Ok(None);
        };
        let record = decode(id, &line)?;
        Ok((record.tenant == *tenant).then_some(record))
    }

    async fn count(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        self.change_challenge((tenant, id), now, "count", &[], event)
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
        let code = code_words(Some(&code));
        self.change_challenge((tenant, id), now, "put_code", &code, event)
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
        let code = [code.map_or_else(String::new, digest)];
        self.change_challenge((tenant, id), now, "consume", &code, event)
            .await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.purge_in_batches(limit, |store, batch| {
            store
                .call(&script::CHALLENGE_PURGE)
                .tables([Table::Challenges, Table::ChallengeEnds])
                .text(time(before))
                .text(batch.to_string())
        })
        .await
    }
}
