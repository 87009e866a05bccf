use super::cache::{Remembered, TokenCache};
use super::{AccessClaims, RevocationQuery, TokenPolicy, Tokens, verify_access};
use crate::change::{RevocationKey, Slot};
use crate::clock::Timestamp;
use crate::error::{Reason, Rejection};
use crate::flight::Answer;
use crate::identity::{Credential, Principal, PrincipalParts};

/// Whether what was found out before a call may be its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Believed,
    /// Only what the stores say now.
    Ignored,
}

impl Tokens {
    /// The principal of a token that was verified not long ago, if nothing has happened since that matters.
    #[must_use]
    #[inline]
    pub fn recall(&self, token: &str) -> Option<Principal> {
        let principal =
            self.cache
                .recall(token, self.clock.now(), self.clock.monotonic(), &self.trust)?;
        self.verifications.accepted();
        Some(principal)
    }

    /// Verifies an access token.
    ///
    /// The order of the checks is that of [`verify_access`]; then the policies, then whether the token, its family
    /// or its subject was revoked. That is asked once for all calls that show one token at the same time; twice when the
    /// change feed is not heard, or the token is revoked.
    ///
    /// # Errors
    /// `InvalidToken`, one answer for every cause; `Unavailable` when a store that must be asked does not answer.
    ///
    /// # Cancel safety
    /// Changes nothing but what is remembered.
    pub async fn verify(&self, token: &str) -> Result<Principal, Rejection> {
        if let Some(principal) = self.recall(token) {
            return Ok(principal);
        }
        let result = self
            .verify_missed(token, Memory::Believed)
            .await
            .map(|(_, principal)| principal);
        match &result {
            Ok(_) => self.verifications.accepted(),
            Err(rejection) => {
                tracing::debug!(reason = %rejection.reason(), "access token refused");
                self.verifications.refused(rejection.reason());
            }
        }
        result
    }

    /// Verifies without what is remembered, and remembers.
    pub(super) async fn verify_anew(
        &self,
        token: &str,
    ) -> Result<(AccessClaims, Principal), Rejection> {
        self.verify_missed(token, Memory::Ignored).await
    }

    async fn verify_missed(
        &self,
        token: &str,
        memory: Memory,
    ) -> Result<(AccessClaims, Principal), Rejection> {
        let now = self.clock.now();
        let monotonic = self.clock.monotonic();
        let issuer_slot = self.trust.slot(self.rules.issuer());
        let keys_before = self.trust.stamp_of(&[issuer_slot]);
        let claims = self.verify_signature_and_claims(token, now).await?;
        self.policies
            .may_accept(&claims, now)
            .map_err(Rejection::invalid_token)?;

        let slots = self.slots_of(&claims, issuer_slot);
        let query = RevocationQuery {
            issuer: &claims.issuer,
            id: &claims.id,
            tenant: &claims.tenant,
            subject: &claims.subject,
            family: claims.family.as_ref(),
            issued_at: claims.issued_at,
        };
        // Kept to the end: until the token is remembered, whoever shows it shares the answer.
        let found = match memory {
            Memory::Ignored => self.revocation_checks.find_anew(query, &slots).await,
            Memory::Believed => {
                let recall = || {
                    let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
                    self.cache.recall(token, now, monotonic, &self.trust)
                };
                match self.revocation_checks.find(query, &slots, recall).await {
                    Answer::Recalled(principal) => return Ok((claims, principal)),
                    Answer::Landed(found) => found,
                }
            }
        };
        if *found.answer()? {
            return Err(Rejection::invalid_token(Reason::TokenRevoked));
        }
        let principal = self.principal_of(&claims);
        // Keys that changed while the token was being verified: what was found out holds for this request only.
        if let Some(stamp) = found.stamp()
            && self.trust.stamp_of(&[issuer_slot]) == keys_before
        {
            self.cache.remember(
                token,
                Remembered {
                    principal: principal.clone(),
                    expires_at: claims.expires_at + self.rules.leeway(),
                    // An answer that was shared may be older than this call.
                    until: monotonic.min(found.asked_at()) + TokenCache::LIFE,
                    slots,
                    stamp,
                },
            );
        }
        Ok((claims, principal))
    }

    /// The pure part, with the key ring read again when it does not know the key: another node may be ahead.
    pub(super) async fn verify_signature_and_claims(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<AccessClaims, Rejection> {
        let keys = self.keyring.keys().await?;
        match verify_access(token, &self.rules, &*keys, now) {
            Err(rejection)
                if matches!(
                    rejection.reason(),
                    Reason::TokenUnknownKey | Reason::TokenKeyState
                ) =>
            {
                match self.keyring.keys_after(&keys).await? {
                    Some(newer) => verify_access(token, &self.rules, &*newer, now),
                    None => Err(rejection),
                }
            }
            result => result,
        }
    }

    fn slots_of(&self, claims: &AccessClaims, issuer: Slot) -> [Slot; 4] {
        let id = self.trust.slot(&RevocationKey::Token {
            issuer: claims.issuer.clone(),
            id: claims.id.clone(),
        });
        let subject = self.trust.slot(&RevocationKey::Subject {
            tenant: claims.tenant.clone(),
            subject: claims.subject.clone(),
        });
        let family = claims.family.as_ref().map_or(id, |family| {
            self.trust.slot(&RevocationKey::Family {
                tenant: claims.tenant.clone(),
                id: family.clone(),
            })
        });
        [issuer, id, subject, family]
    }

    fn principal_of(&self, claims: &AccessClaims) -> Principal {
        Principal::new(PrincipalParts {
            tenant: claims.tenant.clone(),
            subject: claims.subject.clone(),
            credential: Credential::AccessToken {
                id: claims.id.clone(),
                issuer: claims.issuer.clone(),
                family: claims.family.clone(),
                client: claims.client.clone(),
            },
            grants: self
                .catalog
                .resolve(claims.roles.as_deref(), claims.scopes.as_deref()),
            roles: claims.roles.clone().unwrap_or_default(),
            scopes: claims.scopes.clone().unwrap_or_default(),
            assurance: claims.assurance.clone(),
            expires_at: claims.expires_at,
            superseded_at: None,
        })
    }
}
