use std::collections::BTreeSet;
use std::fmt::Write as _;

use async_trait::async_trait;
use fountain_core::access::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
use fountain_core::audit::AuditEvent;
use fountain_core::{StoreError, Subject, Tenant, Timestamp};

use crate::error::{corrupt, unexpected};
use crate::fields::{Line, bytes, bytes_option, count, list, next, text};
use crate::script::{self, Table};
use crate::store::RedisStore;
use crate::words::{time, time_option, unword, word};

const TABLE: &str = "subjects";

/// Roles as the end of a line: a blank before each.
fn encode_roles(roles: &BTreeSet<String>) -> String {
    roles.iter().fold(String::new(), |mut line, role| {
        // Writing to a string does not fail.
        let _written = write!(line, " {}", word(role));
        line
    })
}

fn encode(record: &SubjectRecord) -> String {
    format!(
        "{} {} {}{}",
        time(record.created_at),
        time_option(record.disabled_at),
        record.version,
        encode_roles(&record.roles)
    )
}

fn decode(tenant: &Tenant, subject: &Subject, line: &[u8]) -> Result<SubjectRecord, StoreError> {
    let mut line = Line::new(TABLE, line)?;
    let created_at = line.time("created_at")?;
    let disabled_at = line.time_option("disabled_at")?;
    let version = line
        .word("version")?
        .parse()
        .map_err(|_| corrupt(TABLE, "version"))?;
    let roles = std::iter::from_fn(|| line.word_option())
        .map(|role| unword(role).ok_or_else(|| corrupt(TABLE, "roles")))
        .collect::<Result<_, _>>()?;
    Ok(SubjectRecord {
        tenant: tenant.clone(),
        subject: subject.clone(),
        roles,
        created_at,
        disabled_at,
        version,
    })
}

impl RedisStore {
    async fn change_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        keep: Option<&str>,
        change: (&str, String),
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let answer = self
            .call(&script::SUBJECT_CHANGE)
            .change(&event)?
            .tables([Table::Subjects, Table::Holders])
            .text(tenant.as_str())
            .text(word(subject.as_str()))
            .text(keep.map_or_else(String::new, word))
            .text(change.0)
            .text(change.1)
            .write()
            .await?;
        let mut parts = list(answer)?.into_iter();
        let outcome = text(next(&mut parts)?)?;
        let mut record = || decode(tenant, subject, &bytes(next(&mut parts)?)?);
        match outcome.as_str() {
            "changed" => record().map(SubjectChangeOutcome::Changed),
            "unchanged" => record().map(SubjectChangeOutcome::Unchanged),
            "last_holder" => Ok(SubjectChangeOutcome::LastHolder),
            "not_found" => Ok(SubjectChangeOutcome::NotFound),
            _ => Err(unexpected()),
        }
    }
}

#[async_trait]
impl SubjectStore for RedisStore {
    async fn insert(&self, record: SubjectRecord, event: AuditEvent) -> Result<bool, StoreError> {
        let answer = self
            .call(&script::SUBJECT_INSERT)
            .change(&event)?
            .tables([Table::Subjects, Table::Holders])
            .text(record.tenant.as_str())
            .text(word(record.subject.as_str()))
            .text(encode(&record))
            .write()
            .await?;
        Ok(count(&answer)? == 1)
    }

    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<SubjectRecord>, StoreError> {
        let answer = self
            .call(&script::SUBJECT_FIND)
            .tables([Table::Subjects])
            .text(format!("{tenant} {}", word(subject.as_str())))
            .read()
            .await?;
        let line = bytes_option(answer)?;
        line.map(|line| decode(tenant, subject, &line)).transpose()
    }

    async fn assign(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        roles: BTreeSet<String>,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        let change = ("assign", encode_roles(&roles));
        self.change_subject(tenant, subject, keep, change, event)
            .await
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        self.change_subject(tenant, subject, keep, ("disable", time(now)), event)
            .await
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError> {
        self.change_subject(tenant, subject, None, ("enable", String::new()), event)
            .await
    }
}
