use std::fmt::Debug;

use async_trait::async_trait;

use super::LoginName;
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{Subject, Tenant};
use crate::password::PasswordHash;

/// How a subject signs in: its name and the hash of its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    /// The tenant that it belongs to.
    pub tenant: Tenant,
    /// Whose it is; roles and whether it may sign in at all are in its `SubjectRecord`.
    pub subject: Subject,
    /// The name that it signs in by.
    pub name: LoginName,
    /// The hash of its password.
    pub password: PasswordHash,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When its password was set or hashed anew.
    pub changed_at: Timestamp,
    /// Rises by one with every change; 1 when registered.
    pub version: u64,
}

/// What came of replacing a password hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum ReplaceOutcome {
    /// The new hash stands.
    Replaced,
    /// The record has changed since it was read; nothing changed.
    Stale,
    /// No such subject in this tenant.
    NotFound,
}

/// Holds the names that people sign in by and the hashes of their passwords, for hosts without a user table of their own.
///
/// # Contract
/// - A: `insert` stores a record as given, or answers `false` without a change when the name or the subject is in this tenant.
///   Of parallel inserts of one name, or of one subject, exactly one succeeds.
/// - B: `find` and `find_subject` give exactly what is stored; another tenant's is not found.
/// - C: `replace` puts the new hash in the place of the old and raises `version` by one, only if the version is the given one;
///   of parallel calls with one version exactly one is `Replaced`.
/// - D: `remove` removes the record, after which its name and its subject can be registered again; `false` when there is none.
/// - E: every change and its event are one step; no change, no event. Nothing here is in the change feed.
#[async_trait]
pub trait CredentialStore: Debug + Send + Sync + 'static {
    /// Registers. `false` when the name or the subject exists; nothing changed then.
    async fn insert(&self, record: CredentialRecord, event: AuditEvent)
    -> Result<bool, StoreError>;

    /// The record of a name, if it is in this tenant.
    async fn find(
        &self,
        tenant: &Tenant,
        name: &LoginName,
    ) -> Result<Option<CredentialRecord>, StoreError>;

    /// The record of a subject, if it is in this tenant.
    async fn find_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<CredentialRecord>, StoreError>;

    /// Replaces the password hash of the record of which `version` was read.
    async fn replace(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        version: u64,
        password: PasswordHash,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ReplaceOutcome, StoreError>;

    /// Removes the record of a subject. `false` when there is none.
    async fn remove(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<bool, StoreError>;
}
