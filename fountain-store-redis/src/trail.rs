//! The audit trail and the change feed.

use async_trait::async_trait;
use fountain_core::audit::{
    AuditEvent, AuditPage, AuditSequence, AuditStore, RecordedEvent, check_batch,
};
use fountain_core::change::{
    Change, ChangeBatch, ChangeCursor, ChangeFeed, RecordedChange, RevocationKey,
};
use fountain_core::{StoreError, Tenant, Timestamp};
use redis::Value;

use crate::error::{corrupt, unexpected};
use crate::fields::{Line, bytes, count, list, next, text};
use crate::script::{self, Table};
use crate::store::{LONGEST_PAGE, RedisStore};
use crate::words::word;

/// The last cursor that Lua can compare exactly. The feed never gets there: its places are microseconds until 2255.
const LAST_CURSOR: u64 = 1 << 52;

/// What a revocation is about, as words.
pub(crate) fn about(key: &RevocationKey) -> String {
    match key {
        RevocationKey::Token { issuer, id } => {
            format!("token {} {}", word(issuer.as_str()), word(id.as_str()))
        }
        RevocationKey::Family { tenant, id } => format!("family {tenant} {id}"),
        RevocationKey::Subject { tenant, subject } => {
            format!("subject {tenant} {}", word(subject.as_str()))
        }
    }
}

/// The change that scripts write as these words.
fn change(words: &[u8]) -> Result<Change, StoreError> {
    let mut line = Line::new("changes", words)?;
    let change = match line.word("kind")? {
        "api_key" => Change::ApiKey {
            id: line.parsed("id")?,
        },
        "signing_keys" => Change::SigningKeys {
            issuer: line.parsed("issuer")?,
        },
        "subject_record" => Change::Subject {
            tenant: line.parsed("tenant")?,
            subject: line.parsed("subject")?,
        },
        "token" => Change::Revocation {
            key: RevocationKey::Token {
                issuer: line.parsed("issuer")?,
                id: line.parsed("id")?,
            },
        },
        "family" => Change::Revocation {
            key: RevocationKey::Family {
                tenant: line.parsed("tenant")?,
                id: line.parsed("id")?,
            },
        },
        "subject" => Change::Revocation {
            key: RevocationKey::Subject {
                tenant: line.parsed("tenant")?,
                subject: line.parsed("subject")?,
            },
        },
        _ => return Err(corrupt("changes", "kind")),
    };
    line.agree("end", line.is_done())?;
    Ok(change)
}

fn recorded_change(words: &[u8], at: &[u8]) -> Result<RecordedChange, StoreError> {
    Ok(RecordedChange {
        change: change(words)?,
        at: change_time(at)?,
    })
}

/// The time of a change, in microseconds as its event has it; empty when a version wrote it that kept none.
fn change_time(digits: &[u8]) -> Result<Option<Timestamp>, StoreError> {
    if digits.is_empty() {
        return Ok(None);
    }
    let micros: Option<i64> = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok());
    micros
        .map(Timestamp::from_unix_micros)
        .filter(|at| Some(at.as_unix_micros()) == micros)
        .map(Some)
        .ok_or_else(|| corrupt("changes", "at"))
}

#[async_trait]
impl AuditStore for RedisStore {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.call(&script::RECORD)
            .change(&event)?
            .write()
            .await
            .map(drop)
    }

    async fn record_all(&self, events: Vec<AuditEvent>) -> Result<(), StoreError> {
        check_batch(&events)?;
        let Some((first, more)) = events.split_first() else {
            return Ok(());
        };
        self.call(&script::RECORD_ALL)
            .change(first)?
            .more_events(first, more)?
            .write()
            .await
            .map(drop)
    }

    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<AuditSequence>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let limit = limit.min(LONGEST_PAGE);
        let answer = self
            .call(&script::AUDIT_PAGE)
            .trail(tenant)
            .text(after.unwrap_or_default().0.to_string())
            .text(limit.saturating_add(1).to_string())
            .read()
            .await?;
        let mut found = list(answer)?.into_iter();
        let mut items = Vec::new();
        let mut next = None;
        while let Some(place) = found.next() {
            if items.len() == limit {
                next = items.last().map(|item: &RecordedEvent| item.sequence);
                break;
            }
            items.push(recorded(place, found.next().ok_or_else(unexpected)?)?);
        }
        Ok(AuditPage { items, next })
    }
}

fn recorded(place: Value, event: Value) -> Result<RecordedEvent, StoreError> {
    let sequence = text(place)?
        .parse()
        .map_err(|_| corrupt("audit", "sequence"))?;
    let event = serde_json::from_slice(&bytes(event)?).map_err(|_| corrupt("audit", "event"))?;
    Ok(RecordedEvent {
        sequence: AuditSequence(sequence),
        event,
    })
}

fn place(value: Value) -> Result<ChangeCursor, StoreError> {
    text(value)?
        .parse()
        .map(ChangeCursor)
        .map_err(|_| corrupt("changes", "position"))
}

#[async_trait]
impl ChangeFeed for RedisStore {
    async fn head(&self) -> Result<ChangeCursor, StoreError> {
        let answer = self
            .call(&script::HEAD)
            .tables([Table::Meta, Table::Changes])
            .read()
            .await?;
        place(answer)
    }

    async fn since(&self, cursor: ChangeCursor, limit: usize) -> Result<ChangeBatch, StoreError> {
        let answer = self
            .call(&script::SINCE)
            .tables([Table::Meta, Table::Changes])
            .text(cursor.0.min(LAST_CURSOR).to_string())
            .text(limit.min(LONGEST_PAGE).to_string())
            .read()
            .await?;
        let mut parts = list(answer)?.into_iter();
        let lost = ChangeBatch {
            changes: Vec::new(),
            cursor: place(next(&mut parts)?)?,
            gap: true,
        };
        if count(&next(&mut parts)?)? == 1 {
            return Ok(lost);
        }
        let mut batch = ChangeBatch {
            changes: Vec::new(),
            cursor,
            gap: false,
        };
        while let Some(at) = parts.next() {
            batch.cursor = place(at)?;
            let (words, at) = (bytes(next(&mut parts)?)?, bytes(next(&mut parts)?)?);
            match recorded_change(&words, &at) {
                Ok(change) => batch.changes.push(change),
                // What cannot be read may have been about anything (F-35).
                Err(_) => return Ok(lost),
            }
        }
        Ok(batch)
    }
}
