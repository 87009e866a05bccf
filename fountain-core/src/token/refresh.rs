use std::collections::BTreeSet;
use std::time::Duration;

use super::issue::{texts, texts_unless_empty};
use super::{
    IssuedTokens, NewTokens, RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshUse, Tokens,
    refresh_text,
};
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Reason, Rejection, RejectionKind};
use crate::identity::{Actor, ClientId, Scope, Tenant};
use crate::lockout::Whose;
use crate::secret::{Digest, Secret};

/// A refresh token as it was presented, with the evidence that came along.
#[derive(Debug, Clone)]
pub struct RefreshRequest {
    tenant: Tenant,
    token: Secret,
    client: ClientId,
    binding: Option<Digest>,
    scopes: Option<BTreeSet<Scope>>,
    device: Option<Secret>,
}

impl RefreshRequest {
    /// From this client, in the default tenant.
    #[must_use]
    pub fn new(token: Secret, client: ClientId) -> Self {
        Self {
            tenant: Tenant::default(),
            token,
            client,
            binding: None,
            scopes: None,
            device: None,
        }
    }

    /// In another tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// From a holder that proved to have this key or certificate.
    #[must_use]
    pub fn bound_to(mut self, binding: Digest) -> Self {
        self.binding = Some(binding);
        self
    }

    /// From a device that has this token of [`Lockout::remember_device`](crate::lockout::Lockout::remember_device): its own locks
    /// count, and not those of the account, so that nobody ends a session by guessing elsewhere (L-09).
    #[must_use]
    pub fn device(mut self, token: Secret) -> Self {
        self.device = Some(token);
        self
    }

    /// For an access token that may do less: a subset of the family's scopes (RFC 6749 section 6).
    #[must_use]
    pub fn scopes(mut self, scopes: BTreeSet<Scope>) -> Self {
        self.scopes = Some(scopes);
        self
    }
}

impl Tokens {
    /// Replaces a refresh token and issues a new access token.
    ///
    /// The same token again, inside the grace and from the same holder, gets the identical successor: a client
    /// whose answer was lost simply tries again. A spent token in any other way ends its family (R-39, L-08).
    ///
    /// While the subject is locked out, nothing is given and nothing is spent: the token is good again when the lock ends.
    ///
    /// # Errors
    /// `Refused` with `InvalidGrant`, one answer for every cause; with `RateLimited` and the time to wait while a lock stands;
    /// `Unavailable` when a store does not answer.
    ///
    /// # Cancel safety
    /// When dropped after the store has replaced the token, the same call inside the grace gives its successor.
    pub async fn refresh(&self, request: RefreshRequest) -> Result<IssuedTokens, Error> {
        let result = self.refresh_uncounted(request).await;
        match &result {
            Ok(_) => self.refreshes.accepted(),
            Err(error) => self.refreshes.refused(error.rejection().reason()),
        }
        result
    }

    async fn refresh_uncounted(&self, request: RefreshRequest) -> Result<IssuedTokens, Error> {
        let presented = request.token.expose();
        if !refresh_text::is_well_formed(presented) {
            return Err(refused(Reason::RefreshUnknown));
        }
        let now = self.clock.now();
        let digest = self.refresh_digest(presented);
        if request.scopes.is_some() || self.lockout.is_some() {
            // Before the token is spent: who asks for too much, or is locked out, keeps what it has.
            let (tenant, store) = (&request.tenant, &self.refresh_store);
            if let Some((family, _)) = store.find(tenant, &digest, now).await? {
                self.unlocked(&family, &request, now).await?;
                let wanted = request.scopes.as_ref();
                if wanted.is_some_and(|wanted| !wanted.is_subset(&family.scopes)) {
                    return Err(refused(Reason::RefreshScope));
                }
            }
        }
        // Before the token is spent: a node that cannot sign now would only burn the grace.
        self.keyring.signer().await?;
        let successor = refresh_text::generate(&*self.random)?;
        let outcome = self
            .refresh_store
            .use_token(self.attempt(&request, digest, &successor, now)?)
            .await?;
        match outcome {
            RefreshOutcome::Rotated { family } => {
                self.renew(&request, family, successor, now).await
            }
            RefreshOutcome::Repeated {
                family,
                sealed_successor,
            } => {
                let standing = refresh_text::open_successor(presented, &sealed_successor)?;
                self.renew(&request, family, standing, now).await
            }
            RefreshOutcome::Reused { family } => {
                self.forget_family(&family.tenant, &family.id);
                tracing::warn!(family = %family.id, "a spent refresh token came back; its family was ended");
                Err(refused(Reason::RefreshReused))
            }
            RefreshOutcome::Revoked => Err(refused(Reason::RefreshRevoked)),
            RefreshOutcome::Expired => Err(refused(Reason::RefreshExpired)),
            RefreshOutcome::Mismatched => Err(refused(Reason::RefreshBinding)),
            RefreshOutcome::Unknown => Err(refused(Reason::RefreshUnknown)),
        }
    }

    /// Refuses while the subject of this family is locked out.
    async fn unlocked(
        &self,
        family: &RefreshFamily,
        request: &RefreshRequest,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(lockout) = &self.lockout else {
            return Ok(());
        };
        let (tenant, subject) = (&family.tenant, &family.subject);
        let token = request.device.as_ref();
        let device = token.and_then(|token| lockout.known_device(tenant, subject, token.expose()));
        let whose = Whose::Subject(subject);
        match lockout.locked_until(tenant, whose, device.as_ref()).await? {
            None => Ok(()),
            Some(until) => {
                let retry_after = until.since(now).max(Duration::from_secs(1));
                let kind = RejectionKind::RateLimited { retry_after };
                Err(Rejection::new(kind, Reason::Locked).into())
            }
        }
    }

    fn attempt(
        &self,
        request: &RefreshRequest,
        presented: Digest,
        successor: &Secret,
        now: Timestamp,
    ) -> Result<RefreshUse, Error> {
        let event = |action| {
            AuditEvent::new(
                &*self.random,
                now,
                request.tenant.clone(),
                Actor::Anonymous,
                action,
            )
            .map(|event| event.detail("client", &request.client))
        };
        Ok(RefreshUse {
            tenant: request.tenant.clone(),
            presented,
            client: request.client.clone(),
            binding: request.binding,
            successor: RefreshTokenRecord {
                digest: self.refresh_digest(successor.expose()),
                expires_at: now + self.refresh_rules.idle_life(),
            },
            sealed_successor: refresh_text::seal_successor(
                request.token.expose(),
                successor,
                &*self.random,
            )?,
            now,
            grace: self.refresh_rules.grace(),
            revoke_until: self.last_access_expiry(now),
            on_rotated: event(AuditAction::TokenRefreshed)?,
            on_reuse: event(AuditAction::TokenReuseDetected)?,
        })
    }

    /// The new access token beside the refresh token that stands now.
    async fn renew(
        &self,
        request: &RefreshRequest,
        family: RefreshFamily,
        refresh_token: Secret,
        now: Timestamp,
    ) -> Result<IssuedTokens, Error> {
        let ends_at = self.end_of(&family);
        if ends_at < now.next_second() {
            // Less than the second that an access token lives at least, since `iat` and `exp` have whole ones.
            return Err(refused(Reason::RefreshExpired));
        }
        let roles = match self
            .roles_of(&family.tenant, &family.subject, &family.roles)
            .await
        {
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden(_)) => {
                return Err(refused(Reason::SubjectDisabled));
            }
            roles => roles?,
        };
        let scopes = match &request.scopes {
            Some(wanted) if !wanted.is_subset(&family.scopes) => {
                return Err(refused(Reason::RefreshScope));
            }
            // Asked for by name, and then also nothing is what was asked for.
            Some(wanted) => Some(texts(wanted)),
            None => texts_unless_empty(&family.scopes),
        };
        let family_id = family.id.clone();
        let new = NewTokens {
            tenant: family.tenant,
            subject: family.subject,
            client: family.client,
            scopes: family.scopes,
            roles: family.roles,
            assurance: family.assurance,
            binding: family.binding,
        };
        let access = match self
            .sign_access(&new, Some((&family_id, ends_at)), roles, scopes, now)
            .await
        {
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden(_)) => {
                return Err(refused(Reason::TokenPolicy));
            }
            access => access?,
        };
        Ok(IssuedTokens {
            access,
            refresh_token,
            family: family_id,
            family_expires_at: ends_at,
        })
    }

    /// When a family ends here: as it was stored, and no later than our own rules allow. It may have begun on a node that
    /// allowed more (F-44).
    pub(super) fn end_of(&self, family: &RefreshFamily) -> Timestamp {
        let longest = self.refresh_rules.absolute_life();
        family.expires_at.min(family.created_at + longest)
    }
}

fn refused(reason: Reason) -> Error {
    Rejection::invalid_grant(reason).into()
}
