use serde::Serialize;

use super::issue::texts_unless_empty;
use super::{AccessClaims, Revocation, RevokeOutcome, TokenRules, Tokens, refresh_text};
use crate::audit::{AuditAction, AuditEvent};
use crate::change::RevocationKey;
use crate::clock::Timestamp;
use crate::error::{Error, RejectionKind};
use crate::identity::{Actor, FamilyId, Issuer, Subject, Tenant, TokenId};

/// What a token is, for who may know (RFC 7662 section 2.2).
///
/// Of anything that is not active it says exactly `{"active":false}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Introspection {
    /// Whether it would be accepted now.
    pub active: bool,
    /// What it may do, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// To which application it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `Bearer` for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// When it ends, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// When it was issued, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Whom it speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

impl Introspection {
    const INACTIVE: Self = Self {
        active: false,
        scope: None,
        client_id: None,
        token_type: None,
        exp: None,
        iat: None,
        sub: None,
        aud: None,
        iss: None,
        jti: None,
    };
}

impl Tokens {
    /// Revokes a token of this tenant (RFC 7009): a refresh token, or an access token that came with one, ends the
    /// whole family; an access token without one ends by its id.
    ///
    /// What is not a token of ours, or is ended already, is not an error (section 2.2).
    ///
    /// # Errors
    /// `Unavailable` when a store does not answer: then nothing was promised.
    ///
    /// # Cancel safety
    /// When dropped, it happened whole or not at all.
    pub async fn revoke(&self, actor: &Actor, tenant: &Tenant, token: &str) -> Result<(), Error> {
        let now = self.clock.now();
        if refresh_text::is_well_formed(token) {
            let digest = self.refresh_digest(token);
            return match self.refresh_store.find(tenant, &digest, now).await? {
                Some((family, _)) => self
                    .revoke_family(actor, tenant, &family.id)
                    .await
                    .map(drop),
                None => Ok(()),
            };
        }
        let Some(claims) = self.claims_for_revocation(token, tenant, now).await? else {
            return Ok(());
        };
        if let Some(family) = &claims.family
            && self.revoke_family(actor, tenant, family).await?
        {
            return Ok(());
        }
        // Without a family, or with one that is no more to be ended: it may have been forgotten before this token
        // ends.
        self.revoke_id(actor, tenant, claims.issuer, claims.id, claims.expires_at)
            .await
            .map(drop)
    }

    /// The claims of a genuine access token of the tenant; none for anything else. A key that another node has just
    /// begun to sign with is looked for as in [`Tokens::verify`]: else its tokens would be let live, with a promise.
    async fn claims_for_revocation(
        &self,
        token: &str,
        tenant: &Tenant,
        now: Timestamp,
    ) -> Result<Option<AccessClaims>, Error> {
        match self.verify_signature_and_claims(token, now).await {
            Ok(claims) => Ok((claims.tenant == *tenant).then_some(claims)),
            Err(refused) if matches!(refused.kind(), RejectionKind::Unavailable { .. }) => {
                Err(refused.into())
            }
            Err(_) => Ok(None),
        }
    }

    /// Ends a token family: its refresh token and all its access tokens. `false` when it had ended, or is not of
    /// this tenant.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// When dropped, it happened whole or not at all.
    pub async fn revoke_family(
        &self,
        actor: &Actor,
        tenant: &Tenant,
        family: &FamilyId,
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        let key = RevocationKey::Family {
            tenant: tenant.clone(),
            id: family.clone(),
        };
        let _forget = self.trust.forget_on_drop(&key);
        let event = self
            .event(now, tenant, actor)?
            .target("token_family", family);
        let outcome = self
            .refresh_store
            .revoke_family(tenant, family, now, self.last_access_expiry(now), event)
            .await?;
        Ok(outcome == RevokeOutcome::Revoked)
    }

    /// Ends one access token by its id, until it would have ended by itself.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// When dropped, it happened whole or not at all.
    pub async fn revoke_id(
        &self,
        actor: &Actor,
        tenant: &Tenant,
        issuer: Issuer,
        id: TokenId,
        expires_at: Timestamp,
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        let event = self.event(now, tenant, actor)?.target("token", &id);
        self.revoke_key(
            RevocationKey::Token { issuer, id },
            now,
            // Of whoever's verifier: the token may be another issuer's.
            expires_at + TokenRules::MAX_LEEWAY,
            event,
        )
        .await
    }

    /// Ends everything of a subject: every family, and every access token that was issued before now.
    ///
    /// Families end first, and their access tokens with them, so that none of them can bring forth one that is too
    /// young to be covered.
    ///
    /// # Security
    /// An access token that came without a family counts as issued before now when its `iat`, by the clock of the
    /// node that issued it, is: the drift between the nodes' clocks is the margin of error, and such a token lives out
    /// its short life. One of a family is refused whatever its `iat` says.
    ///
    /// # Errors
    /// `Unavailable` when a store does not answer: call again, which finishes what is left.
    ///
    /// # Cancel safety
    /// When dropped, the families may have ended and the access tokens not yet: call again.
    pub async fn revoke_subject(
        &self,
        actor: &Actor,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<u64, Error> {
        let now = self.clock.now();
        let key = RevocationKey::Subject {
            tenant: tenant.clone(),
            subject: subject.clone(),
        };
        // From the first call on: what comes after it may never be reached.
        let _forget = self.trust.forget_on_drop(&key);
        let event = self.event(now, tenant, actor)?.target("subject", subject);
        let ended = self
            .refresh_store
            .revoke_subject(tenant, subject, now, self.last_access_expiry(now), event)
            .await?;
        let now = self.clock.now();
        let event = self.event(now, tenant, actor)?.target("subject", subject);
        let until = Self::last_expiry_of_any_issuer(now);
        self.revoke_key(key.clone(), now.next_second(), until, event)
            .await?;
        Ok(ended)
    }

    async fn revoke_key(
        &self,
        key: RevocationKey,
        not_before: Timestamp,
        expires_at: Timestamp,
        event: AuditEvent,
    ) -> Result<bool, Error> {
        let _forget = self.trust.forget_on_drop(&key);
        let outcome = self
            .revocations
            .revoke(
                Revocation {
                    key: key.clone(),
                    not_before,
                    expires_at,
                },
                event,
            )
            .await?;
        Ok(outcome == RevokeOutcome::Revoked)
    }

    /// What a token is (RFC 7662). The caller has been authenticated and may know.
    ///
    /// # Errors
    /// `Unavailable` when a store does not answer.
    ///
    /// # Cancel safety
    /// Changes nothing.
    pub async fn introspect(&self, tenant: &Tenant, token: &str) -> Result<Introspection, Error> {
        let now = self.clock.now();
        if refresh_text::is_well_formed(token) {
            let digest = self.refresh_digest(token);
            return Ok(match self.refresh_store.find(tenant, &digest, now).await? {
                Some((family, true)) if now < self.end_of(&family) => Introspection {
                    active: true,
                    scope: texts_unless_empty(&family.scopes).map(|scopes| scopes.join(" ")),
                    client_id: Some(family.client.to_string()),
                    exp: Some(self.end_of(&family).as_unix_seconds()),
                    iat: Some(family.created_at.as_unix_seconds()),
                    sub: Some(family.subject.to_string()),
                    iss: Some(self.rules.issuer().to_string()),
                    ..Introspection::INACTIVE
                },
                _ => Introspection::INACTIVE,
            });
        }
        match self.verify_anew(token).await {
            Ok((claims, _)) if claims.tenant == *tenant => Ok(Introspection {
                active: true,
                scope: claims.scopes.map(|scopes| scopes.join(" ")),
                client_id: Some(claims.client.to_string()),
                token_type: Some("Bearer"),
                exp: Some(claims.expires_at.as_unix_seconds()),
                iat: Some(claims.issued_at.as_unix_seconds()),
                sub: Some(claims.subject.to_string()),
                aud: Some(self.rules.audience().to_string()),
                iss: Some(claims.issuer.to_string()),
                jti: Some(claims.id.to_string()),
            }),
            Ok(_) => Ok(Introspection::INACTIVE),
            Err(refused) if matches!(refused.kind(), RejectionKind::Unavailable { .. }) => {
                Err(refused.into())
            }
            Err(_) => Ok(Introspection::INACTIVE),
        }
    }

    fn event(&self, now: Timestamp, tenant: &Tenant, actor: &Actor) -> Result<AuditEvent, Error> {
        AuditEvent::new(
            &*self.random,
            now,
            tenant.clone(),
            actor.clone(),
            AuditAction::TokenRevoked,
        )
    }
}
