use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Authority, RoleCatalog, SubjectChangeOutcome, SubjectRecord, SubjectStore};
use crate::audit::{AuditAction, AuditEvent};
use crate::change::{CacheTrust, RevocationKey};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind};
use crate::identity::{Subject, Tenant};
use crate::random::Random;
use crate::token::{RefreshTokenStore, Revocation, RevocationStore};

mod builder;
pub use builder::SubjectsBuilder;

/// Subjects, their roles, and whether they may sign in: for hosts without a user table of their own.
///
/// A change takes effect at once (R-82): what a subject was issued before it is revoked. Nobody gives a role that
/// permits more than they may do themselves, and the last enabled holder of the kept role keeps it (R-83).
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::access::{Authority, Role, RoleCatalog, Subjects};
/// use fountain_core::memory::MemoryStore;
/// use fountain_core::{Subject, Tenant};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let catalog = RoleCatalog::builder()
///     .permissions(["orders:read", "subjects:manage"])
///     .role(Role::new("admin").grant("*"))
///     .role(Role::new("clerk").grant("orders:read"))
///     .build()?;
/// let store = Arc::new(MemoryStore::new());
/// let subjects = Subjects::builder(store.clone(), store, catalog).build()?;
///
/// let (tenant, alice) = (Tenant::default(), Subject::new("alice")?);
/// subjects.register(Authority::System, &tenant, &alice, ["admin"]).await?;
/// // She is the only admin, so she stays one.
/// assert!(subjects.assign(Authority::System, &tenant, &alice, ["clerk"]).await.is_err());
/// assert!(subjects.disable(Authority::System, &tenant, &alice).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// The store is changed first and the tokens are revoked after, so that no token issued in between can carry the
/// old rights past the change. When a call fails or is dropped half-way, the new roles stand, but older tokens
/// work until they expire: **call again**. A call that finds nothing to change revokes all the same.
///
/// A token counts as issued before the change when its `iat`, by the clock of the node that issued it, is. The
/// drift between the nodes' clocks is the margin of error.
#[derive(Debug)]
pub struct Subjects {
    subjects: Arc<dyn SubjectStore>,
    revocations: Arc<dyn RevocationStore>,
    families: Option<Arc<dyn RefreshTokenStore>>,
    catalog: RoleCatalog,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    trust: Option<Arc<CacheTrust>>,
    kept_role: Option<String>,
    longest_token_life: Duration,
}

impl Subjects {
    /// The most roles that a subject can hold.
    pub const MAX_ROLES: usize = 64;

    /// Starts to wire a service; see [`SubjectsBuilder`] for what is chosen unless told otherwise.
    #[must_use]
    pub fn builder(
        subjects: Arc<dyn SubjectStore>,
        revocations: Arc<dyn RevocationStore>,
        catalog: RoleCatalog,
    ) -> SubjectsBuilder {
        SubjectsBuilder::new(subjects, revocations, catalog)
    }

    /// Registers a subject with its first roles.
    ///
    /// # Errors
    /// `Conflict` when it exists; `InvalidInput` for an unknown role, or more than 64; `Forbidden` when the roles
    /// permit more than `by` may do; `NotFound` in another tenant; `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// When dropped, the subject is registered with its event, or not at all.
    pub async fn register(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<SubjectRecord, Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let roles = self.grantable(by, roles)?;
        let action = AuditAction::SubjectRegistered;
        let event = self
            .event(by, tenant, subject, action)?
            .detail("roles", listed(&roles));
        let record = SubjectRecord {
            tenant: tenant.clone(),
            subject: subject.clone(),
            roles,
            created_at: event.at,
            disabled_at: None,
            version: 1,
        };
        if self.subjects.insert(record.clone(), event).await? {
            Ok(record)
        } else {
            Err(ErrorKind::Conflict("the subject exists").into())
        }
    }

    /// Replaces a subject's roles; what it was issued before is revoked.
    ///
    /// The tokens are revoked also when it has exactly these roles already, since an earlier call may have ended
    /// half-way: look with [`Subjects::find`] first where that would disturb.
    ///
    /// # Errors
    /// `NotFound` when there is no such subject in this tenant; `InvalidInput` for an unknown role, or more than
    /// 64; `Forbidden` when the roles permit more than `by` may do; `Conflict` when the last enabled holder of the
    /// kept role would lose it; `Unavailable` when a store does not answer: call again, until it succeeds.
    ///
    /// # Cancel safety
    /// When dropped, the roles may stand while older tokens still work. Call again.
    pub async fn assign(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<SubjectRecord, Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let roles = self.grantable(by, roles)?;
        let action = AuditAction::SubjectRolesAssigned;
        let event = self
            .event(by, tenant, subject, action)?
            .detail("roles", listed(&roles));
        let forget = (tenant, subject);
        let _forgotten = self
            .trust
            .as_ref()
            .map(|trust| trust.forget_on_drop(&forget));
        let kept = self.kept_role.as_deref();
        let outcome = self
            .subjects
            .assign(tenant, subject, roles, kept, event)
            .await?;
        let record = stands(outcome)?;
        self.revoke_tokens(by, tenant, subject).await?;
        Ok(record)
    }

    /// Disables a subject: it cannot sign in, and what it was issued before is revoked. Idempotent.
    ///
    /// # Errors
    /// `NotFound` when there is no such subject in this tenant; `Conflict` when it is the last enabled holder of
    /// the kept role; `Unavailable` when a store does not answer: call again, until it succeeds.
    ///
    /// # Cancel safety
    /// When dropped, the subject may be disabled while older tokens still work. Call again.
    pub async fn disable(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<SubjectRecord, Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let event = self.event(by, tenant, subject, AuditAction::SubjectDisabled)?;
        let forget = (tenant, subject);
        let _forgotten = self
            .trust
            .as_ref()
            .map(|trust| trust.forget_on_drop(&forget));
        let (now, kept) = (event.at, self.kept_role.as_deref());
        let outcome = self
            .subjects
            .disable(tenant, subject, now, kept, event)
            .await?;
        let record = stands(outcome)?;
        if let Some(families) = &self.families {
            let key = RevocationKey::Subject {
                tenant: tenant.clone(),
                subject: subject.clone(),
            };
            let _forgotten = self.trust.as_ref().map(|trust| trust.forget_on_drop(&key));
            let event = self.event(by, tenant, subject, AuditAction::TokenRevoked)?;
            let now = event.at;
            families
                .revoke_subject(tenant, subject, now, self.last_expiry(now), event)
                .await?;
        }
        self.revoke_tokens(by, tenant, subject).await?;
        Ok(record)
    }

    /// Enables a disabled subject again, with the roles it had. Idempotent.
    ///
    /// It signs in anew: disabling it ended its token families, if this service was given the store that holds them
    /// ([`SubjectsBuilder::families`]), as `Fountain` does.
    ///
    /// # Errors
    /// `NotFound` when there is no such subject in this tenant; `Forbidden` when its roles permit more than `by`
    /// may do; `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// When dropped, the subject is enabled with its event, or not at all.
    pub async fn enable(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<SubjectRecord, Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let current = self.subjects.find(tenant, subject).await?;
        let current = current.ok_or(ErrorKind::NotFound)?;
        // A role that somebody stronger assigns in between is theirs to give: it needs no second check.
        self.must_cover(by, &current.roles)?;
        let event = self.event(by, tenant, subject, AuditAction::SubjectEnabled)?;
        let forget = (tenant, subject);
        let _forgotten = self
            .trust
            .as_ref()
            .map(|trust| trust.forget_on_drop(&forget));
        stands(self.subjects.enable(tenant, subject, event).await?)
    }

    /// The subject, if it is in this tenant.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn find(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Option<SubjectRecord>, Error> {
        Ok(self.subjects.find(tenant, subject).await?)
    }

    /// The roles as a set, when all are known and `by` may give them.
    fn grantable(
        &self,
        by: Authority<'_>,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<BTreeSet<String>, Error> {
        let mut set = BTreeSet::new();
        for role in roles {
            let role = role.into();
            if !self.catalog.has_role(&role) {
                return Err(Error::invalid("roles", "name only roles of the catalogue"));
            }
            set.insert(role);
            if set.len() > Self::MAX_ROLES {
                return Err(Error::invalid("roles", "name at most 64"));
            }
        }
        self.must_cover(by, &set)?;
        Ok(set)
    }

    fn must_cover(&self, by: Authority<'_>, roles: &BTreeSet<String>) -> Result<(), Error> {
        if by.covers(&self.catalog.resolve_roles(roles)) {
            Ok(())
        } else {
            Err(ErrorKind::Forbidden("the roles permit more than who gives them may do").into())
        }
    }

    /// Revokes everything that the subject was issued up to now.
    async fn revoke_tokens(
        &self,
        by: Authority<'_>,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<(), Error> {
        let event = self.event(by, tenant, subject, AuditAction::TokenRevoked)?;
        let not_before = after_every_issued_token(event.at);
        let key = RevocationKey::Subject {
            tenant: tenant.clone(),
            subject: subject.clone(),
        };
        let forget = key.clone();
        let _forgotten = self
            .trust
            .as_ref()
            .map(|trust| trust.forget_on_drop(&forget));
        let revocation = Revocation {
            key,
            not_before,
            expires_at: self.last_expiry(not_before),
        };
        self.revocations.revoke(revocation, event).await?;
        Ok(())
    }

    /// From when on no token that exists at `now` can be alive: the clock of the node that issued it may be a leeway
    /// ahead, and so may it be accepted for another one past its `exp`.
    fn last_expiry(&self, now: Timestamp) -> Timestamp {
        now + self.longest_token_life + MAX_LEEWAY + MAX_LEEWAY
    }

    fn event(
        &self,
        by: Authority<'_>,
        tenant: &Tenant,
        subject: &Subject,
        action: AuditAction,
    ) -> Result<AuditEvent, Error> {
        let (now, tenant) = (self.clock.now(), tenant.clone());
        let event = AuditEvent::new(&*self.random, now, tenant, by.actor(), action)?;
        Ok(event.target("subject", subject))
    }
}

/// How long past its `exp` a verifier may accept a token: the cap of R-18.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// The first whole second that lies behind `now`.
///
/// `iat` is cut to whole seconds: a token issued at 10.7 s says 10, and one that says 10 may be older than a
/// change at 10.0 s. So all of this second is revoked, at the price that what is issued in the rest of it is too.
fn after_every_issued_token(now: Timestamp) -> Timestamp {
    now.next_second()
}

fn stands(outcome: SubjectChangeOutcome) -> Result<SubjectRecord, Error> {
    match outcome {
        SubjectChangeOutcome::Changed(record) | SubjectChangeOutcome::Unchanged(record) => {
            Ok(record)
        }
        SubjectChangeOutcome::LastHolder => {
            Err(ErrorKind::Conflict("it is the last enabled holder of the kept role").into())
        }
        SubjectChangeOutcome::NotFound => Err(ErrorKind::NotFound.into()),
    }
}

fn listed(roles: &BTreeSet<String>) -> String {
    roles
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests;
