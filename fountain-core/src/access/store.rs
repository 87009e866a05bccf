use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{Subject, Tenant};

/// A subject and the roles that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// The tenant that it belongs to.
    pub tenant: Tenant,
    /// Its id.
    pub subject: Subject,
    /// The names of its roles.
    pub roles: BTreeSet<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was disabled; none while it may sign in.
    pub disabled_at: Option<Timestamp>,
    /// Rises by one with every change; 1 when registered.
    pub version: u64,
}

/// What came of changing a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectChangeOutcome {
    /// It changed now; this is the record that stands.
    Changed(SubjectRecord),
    /// It was so already; nothing changed, no event was recorded.
    Unchanged(SubjectRecord),
    /// The change would leave the tenant without an enabled holder of a kept role; nothing changed.
    LastHolder,
    /// No such subject in this tenant.
    NotFound,
}

/// Holds subjects, their roles and whether they are enabled, for hosts that have no such table of their own.
///
/// # Contract
/// - A: `insert` stores a subject as given, or answers `false` without a change when it exists in this tenant.
/// - B: `find` gives exactly what is stored; another tenant's subject is not found.
/// - C: `assign` replaces the roles and raises `version` by one; equal roles are `Unchanged`.
/// - D: `assign` and `disable` are `LastHolder` when the subject is the tenant's only enabled holder of the
///   role `keep` and would no longer be; of parallel calls that would take the last two away, at most one succeeds.
/// - E: `disable` and `enable` are idempotent, keep the first time, and raise `version` only when they change something.
/// - F: every change, its event, and `Change::Subject` in the feed are one step; no change, no event.
#[async_trait]
pub trait SubjectStore: Debug + Send + Sync + 'static {
    /// Registers a subject. `false` when it exists; nothing changed then.
    async fn insert(&self, record: SubjectRecord, event: AuditEvent) -> Result<bool, StoreError>;

    /// The subject, if it is in this tenant.
    async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<SubjectRecord>, StoreError>;

    /// Replaces the subject's roles. `keep` names a role whose last enabled holder must not lose it.
    async fn assign(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        roles: BTreeSet<String>,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError>;

    /// Disables the subject. `keep` names a role whose last enabled holder must not be disabled.
    async fn disable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        keep: Option<&str>,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError>;

    /// Enables the subject again.
    async fn enable(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        event: AuditEvent,
    ) -> Result<SubjectChangeOutcome, StoreError>;
}
