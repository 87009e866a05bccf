use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::otp::{FactorId, FactorKind, FactorOutcome, FactorRecord, FactorStore};
use fountain_core::{Digest, StoreError, StoreErrorKind, Subject, Tenant, Timestamp};
use redis::Value;

use crate::error::{corrupt, unexpected};
use crate::fields::{Line, bytes, bytes_option, count, list, next, text};
use crate::script::{self, Table};
use crate::store::{LONGEST_PAGE, RedisStore};
use crate::words::{digest, sealed, time, time_option, unsealed, word};

const TABLE: &str = "factors";

/// How many recovery codes a subject has at most: what the contract says.
const MOST_CODES: usize = 20;

/// A mark as 20 digits, which is as many as the largest has, so that it compares as text.
fn mark(mark: u64) -> String {
    format!("{mark:020}")
}

fn encode(record: &FactorRecord) -> String {
    format!(
        "{} {} {} {} {} {} {} {} {}",
        record.tenant,
        word(record.subject.as_str()),
        record.kind.as_str(),
        mark(record.mark),
        time(record.created_at),
        time_option(record.confirmed_at),
        time(record.confirm_by),
        time_option(record.disabled_at),
        sealed(&record.sealed),
    )
}

fn decode(id: FactorId, line: &[u8]) -> Result<FactorRecord, StoreError> {
    let mut line = Line::new(TABLE, line)?;
    let tenant = line.parsed("tenant")?;
    let subject = line.parsed("subject")?;
    let kind = FactorKind::from_name(line.word("kind")?).ok_or_else(|| corrupt(TABLE, "kind"))?;
    let taken = line.word("mark")?;
    line.agree("mark", taken.len() == 20)?;
    let taken = taken.parse().map_err(|_| corrupt(TABLE, "mark"))?;
    let created_at = line.time("created_at")?;
    let confirmed_at = line.time_option("confirmed_at")?;
    let confirm_by = line.time("confirm_by")?;
    let disabled_at = line.time_option("disabled_at")?;
    let sealed = unsealed(line.word("sealed")?).ok_or_else(|| corrupt(TABLE, "sealed"))?;
    line.agree("end", line.is_done())?;
    Ok(FactorRecord {
        id,
        tenant,
        subject,
        kind,
        sealed,
        mark: taken,
        created_at,
        confirmed_at,
        confirm_by,
        disabled_at,
    })
}

/// A subject's field among the recovery codes, and what its factors are listed under.
fn place(tenant: &Tenant, subject: &Subject) -> String {
    format!("{tenant} {}", word(subject.as_str()))
}

impl RedisStore {
    async fn change_factor(
        &self,
        (tenant, subject, id): (&Tenant, &Subject, &FactorId),
        change: &str,
        taken: u64,
        now: Option<Timestamp>,
        event: AuditEvent,
    ) -> Result<FactorOutcome, StoreError> {
        let answer = self
            .call(&script::FACTOR_CHANGE)
            .change(&event)?
            .tables([Table::Factors, Table::FactorEnds])
            .text(tenant.as_str())
            .text(word(subject.as_str()))
            .text(id.as_str())
            .text(change)
            .text(mark(taken))
            .text(time_option(now))
            .write()
            .await?;
        match text(answer)?.as_str() {
            "done" => Ok(FactorOutcome::Done),
            "spent" => Ok(FactorOutcome::Spent),
            "pending" => Ok(FactorOutcome::Pending),
            "already_confirmed" => Ok(FactorOutcome::AlreadyConfirmed),
            "expired" => Ok(FactorOutcome::Expired),
            "disabled" => Ok(FactorOutcome::Disabled),
            "not_found" => Ok(FactorOutcome::NotFound),
            _ => Err(unexpected()),
        }
    }
}

#[async_trait]
impl FactorStore for RedisStore {
    async fn insert(&self, record: FactorRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let answer = self
            .call(&script::FACTOR_INSERT)
            .change(&event)?
            .tables([Table::Factors, Table::FactorSubjects, Table::FactorEnds])
            .text(record.id.as_str())
            .text(encode(&record))
            .write()
            .await?;
        Ok(count(&answer)? == 1)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
    ) -> Result<Option<FactorRecord>, StoreError> {
        let answer = self
            .call(&script::FACTOR_FIND)
            .tables([Table::Factors])
            .text(id.as_str())
            .read()
            .await?;
        let Some(line) = bytes_option(answer)? else {
            return Ok(None);
        };
        let record = decode(id.clone(), &line)?;
        Ok((record.tenant == *tenant && record.subject == *subject).then_some(record))
    }

    async fn list(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<FactorRecord>, StoreError> {
        let mut records = Vec::new();
        let mut after = String::new();
        loop {
            let answer = self
                .call(&script::FACTOR_LIST)
                .tables([Table::Factors, Table::FactorSubjects])
                .text(place(tenant, subject))
                .text(after)
                .text(LONGEST_PAGE.to_string())
                .read()
                .await?;
            let mut parts = list(answer)?.into_iter();
            let (mut last, mut seen) = (String::new(), 0);
            while let Some(entry) = parts.next() {
                let entry = text(entry)?;
                let line = bytes(next(&mut parts)?)?;
                let id = entry
                    .rsplit(' ')
                    .next()
                    .and_then(|id| FactorId::new(id).ok());
                let id = id.ok_or_else(|| corrupt("factors:subjects", "id"))?;
                // One that is gone or cannot be read is no reason to ask for fewer factors (F-35).
                let record = decode(id, &line)?;
                if record.tenant != *tenant || record.subject != *subject {
                    return Err(corrupt(TABLE, "subject"));
                }
                records.push(record);
                last = entry;
                seen += 1;
            }
            if seen < LONGEST_PAGE {
                return Ok(records);
            }
            after = last;
        }
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
        self.change_factor((tenant, subject, id), "confirm", mark, Some(now), event)
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
        self.change_factor((tenant, subject, id), "take", mark, None, event)
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
        self.change_factor((tenant, subject, id), "disable", 0, Some(now), event)
            .await
    }

    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        id: &FactorId,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let answer = self
            .call(&script::FACTOR_REMOVE)
            .change(&event)?
            .tables([Table::Factors, Table::FactorSubjects, Table::FactorEnds])
            .text(tenant.as_str())
            .text(word(subject.as_str()))
            .text(id.as_str())
            .write()
            .await?;
        Ok(count(&answer)? == 1)
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
        let mut words: Vec<_> = codes.iter().map(digest).collect();
        words.sort_unstable();
        words.dedup();
        self.call(&script::RECOVERY_REPLACE)
            .change(&event)?
            .tables([Table::RecoveryCodes])
            .text(place(tenant, subject))
            .text(words.join(" "))
            .write()
            .await
            .map(drop)
    }

    async fn take_recovery_code(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        code: &Digest,
        event: AuditEvent,
    ) -> Result<Option<u32>, StoreError> {
        let answer = self
            .call(&script::RECOVERY_TAKE)
            .change(&event)?
            .tables([Table::RecoveryCodes])
            .text(place(tenant, subject))
            .text(digest(code))
            .write()
            .await?;
        match answer {
            Value::Nil => Ok(None),
            left => number(&left).map(Some),
        }
    }

    async fn recovery_codes(&self, tenant: &Tenant, subject: &Subject) -> Result<u32, StoreError> {
        let answer = self
            .call(&script::RECOVERY_COUNT)
            .tables([Table::RecoveryCodes])
            .text(place(tenant, subject))
            .read()
            .await?;
        number(&answer)
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.purge_in_batches(limit, |store, batch| {
            store
                .call(&script::FACTOR_PURGE)
                .tables([Table::Factors, Table::FactorSubjects, Table::FactorEnds])
                .text(time(before))
                .text(batch.to_string())
        })
        .await
    }
}

fn number(answer: &Value) -> Result<u32, StoreError> {
    u32::try_from(count(answer)?).map_err(|_| unexpected())
}
