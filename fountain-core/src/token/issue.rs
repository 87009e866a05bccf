use std::collections::BTreeSet;
use std::time::Duration;

use super::{AccessClaims, RefreshFamily, RefreshTokenRecord, TokenPolicy, Tokens, refresh_text};
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::identity::{Actor, Assurance, ClientId, FamilyId, Scope, Subject, Tenant, TokenId};
use crate::random::array;
use crate::secret::{Digest, Secret};
use crate::text::{base62, random_id};

/// For whom tokens are issued, and what they may do.
///
/// ```
/// use fountain_core::identity::{ClientId, Scope, Subject};
/// use fountain_core::token::NewTokens;
///
/// let new = NewTokens::new(Subject::new("u-7f3a")?, ClientId::new("web")?)
///     .scope(Scope::new("orders:read")?)
///     .role("clerk");
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NewTokens {
    pub(super) tenant: Tenant,
    pub(super) subject: Subject,
    pub(super) client: ClientId,
    pub(super) scopes: BTreeSet<Scope>,
    pub(super) roles: Vec<String>,
    pub(super) assurance: Assurance,
    pub(super) binding: Option<Digest>,
}

impl NewTokens {
    /// For a subject of the default tenant that uses this client, without roles or scopes.
    #[must_use]
    pub fn new(subject: Subject, client: ClientId) -> Self {
        Self {
            tenant: Tenant::default(),
            subject,
            client,
            scopes: BTreeSet::new(),
            roles: Vec::new(),
            assurance: Assurance::default(),
            binding: None,
        }
    }

    /// In another tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// With one more scope. Scopes narrow what the roles permit; without roles they are what is permitted.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scopes.insert(scope);
        self
    }

    /// With one more role, for subjects that the `SubjectStore` does not know; the roles of one that it knows are
    /// taken from there.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// How the subject authenticated.
    #[must_use]
    pub fn assurance(mut self, assurance: Assurance) -> Self {
        self.assurance = assurance;
        self
    }

    /// Bound to a key or certificate: the digest of what the holder must prove to have when it refreshes (R-44).
    #[must_use]
    pub fn bound_to(mut self, binding: Digest) -> Self {
        self.binding = Some(binding);
        self
    }
}

/// An access token, shown once.
#[derive(Debug, Clone)]
#[must_use]
pub struct IssuedAccess {
    /// The token.
    pub access_token: Secret,
    /// Its `jti`.
    pub id: TokenId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How long that is from its issue.
    pub expires_in: Duration,
    /// What it may do, as text.
    pub scopes: Vec<String>,
}

/// An access token and the refresh token that renews it, shown once.
#[derive(Debug, Clone)]
#[must_use]
pub struct IssuedTokens {
    /// The access token.
    pub access: IssuedAccess,
    /// The refresh token.
    pub refresh_token: Secret,
    /// The family that both belong to.
    pub family: FamilyId,
    /// When the family ends, whatever happens.
    pub family_expires_at: Timestamp,
}

impl Tokens {
    /// Begins a token family: an access token and a refresh token.
    ///
    /// # Errors
    /// `Forbidden` when the subject is disabled or a policy refuses, `Unavailable` when a store does not answer,
    /// `Entropy`, `Crypto`; nothing is issued then.
    ///
    /// # Security
    /// Who calls this has authenticated the subject.
    ///
    /// # Cancel safety
    /// When dropped, a family may have been stored whose tokens nobody has; it ends by itself.
    pub async fn issue(&self, actor: &Actor, new: NewTokens) -> Result<IssuedTokens, Error> {
        let now = self.clock.now();
        let family = FamilyId::new(random_id::<16>(&*self.random)?)?;
        let roles = self.roles_of(&new.tenant, &new.subject, &new.roles).await?;
        let scopes = texts_unless_empty(&new.scopes);
        let expires_at = now + self.refresh_rules.absolute_life();
        let access = self
            .sign_access(&new, Some((&family, expires_at)), roles, scopes, now)
            .await?;

        let refresh_token = refresh_text::generate(&*self.random)?;
        let first = RefreshTokenRecord {
            digest: self.refresh_digest(refresh_token.expose()),
            expires_at: (now + self.refresh_rules.idle_life()).min(expires_at),
        };
        let event = AuditEvent::new(
            &*self.random,
            now,
            new.tenant.clone(),
            actor.clone(),
            AuditAction::TokenIssued,
        )?
        .target("token_family", &family)
        .detail("client", &new.client);
        let event = match new.assurance.amr.as_slice() {
            [] => event,
            shown => event.detail("amr", shown.join(" ")),
        };
        let record = RefreshFamily {
            id: family.clone(),
            tenant: new.tenant,
            subject: new.subject,
            client: new.client,
            scopes: new.scopes,
            roles: new.roles,
            binding: new.binding,
            assurance: new.assurance,
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        if !self.refresh_store.insert(record, first, event).await? {
            return Err(ErrorKind::Conflict("a family of this id exists").into());
        }
        Ok(IssuedTokens {
            access,
            refresh_token,
            family,
            family_expires_at: expires_at,
        })
    }

    /// Issues an access token alone, which ends by itself. Nothing is stored.
    ///
    /// # Errors
    /// As [`Tokens::issue`].
    ///
    /// # Cancel safety
    /// Nothing is kept when dropped.
    pub async fn issue_access(&self, new: &NewTokens) -> Result<IssuedAccess, Error> {
        let now = self.clock.now();
        let roles = self.roles_of(&new.tenant, &new.subject, &new.roles).await?;
        let scopes = texts_unless_empty(&new.scopes);
        self.sign_access(new, None, roles, scopes, now).await
    }

    /// The roles that the subject store names for a subject that it knows, even if there are none; or else those
    /// given, if any.
    pub(super) async fn roles_of(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        given: &[String],
    ) -> Result<Option<Vec<String>>, Error> {
        let given = || (!given.is_empty()).then(|| given.to_vec());
        let Some(subjects) = &self.subjects else {
            return Ok(given());
        };
        match subjects.find(tenant, subject).await? {
            None => Ok(given()),
            Some(record) if record.disabled_at.is_some() => {
                Err(ErrorKind::Forbidden("the subject is disabled").into())
            }
            Some(record) => Ok(Some(record.roles.into_iter().collect())),
        }
    }

    /// Makes and signs an access token whose `iat` is `now`: an instant before anything was asked about the subject,
    /// so that whatever is revoked meanwhile covers it. With a family it ends when that does, at the latest (R-42).
    pub(super) async fn sign_access(
        &self,
        new: &NewTokens,
        family: Option<(&FamilyId, Timestamp)>,
        roles: Option<Vec<String>>,
        scopes: Option<Vec<String>>,
        now: Timestamp,
    ) -> Result<IssuedAccess, Error> {
        // 160 random bits as 27 base62 characters (R-21).
        let id = TokenId::new(base62(&array::<20>(&*self.random)?, 27))?;
        let issued_at = Timestamp::from_unix_seconds(now.as_unix_seconds());
        let life_ends = issued_at + self.rules.access_life();
        let expires_at = family.map_or(life_ends, |(_, ends)| {
            // `exp` has whole seconds: rounded down, since nothing outlives the family.
            life_ends.min(Timestamp::from_unix_seconds(ends.as_unix_seconds()))
        });
        let mut claims = AccessClaims::new(
            self.rules.issuer().clone(),
            new.subject.clone(),
            self.rules.audience().clone(),
            new.client.clone(),
            id.clone(),
            issued_at,
            expires_at,
        );
        claims.tenant = new.tenant.clone();
        claims.family = family.map(|(id, _)| id.clone());
        claims.roles = roles;
        claims.scopes = scopes;
        claims.assurance = new.assurance.clone();
        self.policies
            .may_issue(&claims, now)
            .map_err(|_| Error::new(ErrorKind::Forbidden("a token policy refuses")))?;
        let signer = self.keyring.signer().await?;
        let token = signer.sign_access(&claims)?;
        if token.len() > self.rules.max_token_bytes() {
            return Err(Error::invalid(
                "claims",
                "give fewer roles and scopes: no verifier would read a token of this size",
            ));
        }
        self.issued.increment(1);
        Ok(IssuedAccess {
            access_token: Secret::from(token),
            id,
            expires_at,
            expires_in: expires_at.since(issued_at),
            scopes: claims.scopes.unwrap_or_default(),
        })
    }
}

/// No scopes means that the roles alone decide; a token that may do nothing is asked for when it is refreshed.
pub(super) fn texts_unless_empty(scopes: &BTreeSet<Scope>) -> Option<Vec<String>> {
    (!scopes.is_empty()).then(|| texts(scopes))
}

pub(super) fn texts(scopes: &BTreeSet<Scope>) -> Vec<String> {
    scopes.iter().map(ToString::to_string).collect()
}
