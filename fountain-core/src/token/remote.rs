//! Tokens of other issuers, verified with the key sets that those publish.

use std::collections::HashMap;
use std::sync::Arc;

use crate::access::RoleCatalog;
use crate::clock::Clock;
use crate::error::{Reason, Rejection};
use crate::identity::{
    Assurance, Credential, Grants, Issuer, Principal, PrincipalParts, Subject, Tenant,
};
use crate::metrics::Outcomes;
use crate::token::ask::Revocations;
use crate::token::{
    AccessClaims, RevocationQuery, TokenPolicies, TokenPolicy, TokenRules, verify_access,
};

mod builder;
mod document;
#[cfg(test)]
pub(crate) mod doubles;
mod fetch;
mod keys;

pub use builder::RemoteIssuerBuilder;
pub use fetch::{FetchError, FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch};
use keys::RemoteKeys;

/// An issuer that is not this service, and what its tokens mean here. Cheap to clone.
///
/// Its tokens are held against rules of its own, and its keys verify nothing but its own tokens (R-16). A token
/// that passes speaks for a subject in the one tenant that the host named, with the rights that the host mapped:
/// what the issuer writes about roles, tenants or how somebody signed in grants nothing by itself.
///
/// The order of decisions:
/// 1. all that a token's bytes and signature can say, as [`verify_access`], with the issuer's keys;
/// 2. the host's [`TokenPolicy`], on the claims as they stand;
/// 3. the subject: prefixed, so that it is not taken for one of ours with the same name;
/// 4. revocation, when there is a store to ask;
/// 5. roles, scopes and assurance, through closed tables.
///
/// # How its keys are had
/// They are fetched when they are first needed, kept for what the server allows (60 s to 24 h, 5 min when it
/// says nothing), and after that for up to `max_stale` as long as fetching fails. A token with a key that is not in
/// the set causes a fetch as well. There is one fetch at a time and none sooner than 30 s after the last, whatever
/// that brought (R-29). Tokens with known keys wait for none of this, but for the one request that fetches: schedule
/// [`RemoteIssuer::refresh`], and no request has to.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use fountain_core::access::RoleCatalog;
/// use fountain_core::signing::{Algorithm, Kid, SigningKey};
/// use fountain_core::token::{
///     AccessClaims, FetchError, FetchLimits, FetchedJwks, JwksFetch, RemoteIssuer, TokenRules, TokenSigner,
/// };
/// use fountain_core::{ManualClock, OsRandom, Reason, Tenant, Timestamp};
///
/// /// Stands for `HttpsFetch` of the crate `fountain-jwks-client`.
/// #[derive(Debug)]
/// struct Published(String);
///
/// #[async_trait::async_trait]
/// impl JwksFetch for Published {
///     async fn fetch(&self, _: &str, _: FetchLimits) -> Result<FetchedJwks, FetchError> {
///         let media_type = Some("application/jwk-set+json".into());
///         Ok(FetchedJwks { body: self.0.clone().into_bytes(), media_type, max_age: None })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // On their side: a key, its publication and a token.
/// let (kid, key) = (Kid::new("2030-01")?, SigningKey::generate(Algorithm::EdDsa, &OsRandom)?);
/// let published = format!("{{\"keys\":[{}]}}", key.verifying_key().public_jwk(&kid).expect("a public key"));
/// let signer = TokenSigner::new(kid, Arc::new(key));
/// let claims = AccessClaims::decode(
///     br#"{"iss":"https://login.partner.example","sub":"alice","aud":"orders","client_id":"web","jti":"t1",
///          "iat":1700000000,"exp":1700000600,"scope":"orders:read orders:write","roles":["admin"]}"#,
/// )
/// .expect("well-formed");
///
/// // On ours.
/// let partner = RemoteIssuer::builder()
///     .rules(
///         TokenRules::builder()
///             .issuer("https://login.partner.example")
///             .audience("orders")
///             .algorithm(Algorithm::EdDsa)
///             .max_life(Duration::from_secs(900))
///             .build()?,
///     )
///     .jwks_url("https://login.partner.example/.well-known/jwks.json")
///     .fetch(Published(published))
///     .tenant(Tenant::new("partner")?)
///     .subject_prefix("partner:")
///     .roles(RoleCatalog::builder().permissions(["orders:read", "orders:write"]).build()?)
///     .allow_scope("orders:read")
///     .without_revocations()
///     .clock(ManualClock::at(Timestamp::from_unix_seconds(1_700_000_100)))
///     .build()?;
///
/// let principal = partner.verify(&signer.sign_access(&claims)?).await?;
/// assert_eq!(principal.subject().as_str(), "partner:alice");
/// assert_eq!(principal.scopes(), ["orders:read"]); // what they wrote beyond that grants nothing
/// assert!(principal.roles().is_empty());
///
/// // The same key, but in the name of somebody else.
/// let mut forged = claims;
/// forged.issuer = "https://auth.example.com".parse()?;
/// let refused = partner.verify(&signer.sign_access(&forged)?).await.unwrap_err();
/// assert_eq!(refused.reason(), Reason::TokenIssuer);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RemoteIssuer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: TokenRules,
    keys: RemoteKeys,
    clock: Arc<dyn Clock>,
    policies: TokenPolicies,
    /// None when the host said that nothing is ever revoked.
    revocations: Option<Revocations>,
    tenant: Tenant,
    subject_prefix: String,
    catalog: RoleCatalog,
    /// What its scopes may grant at most; none when its scopes are not looked at.
    ceiling: Option<Grants>,
    roles: HashMap<String, String>,
    acrs: HashMap<String, String>,
    outcomes: Outcomes,
}

impl RemoteIssuer {
    /// Starts with an issuer whose tokens grant nothing.
    #[must_use]
    pub fn builder() -> RemoteIssuerBuilder {
        RemoteIssuerBuilder::default()
    }

    /// The issuer, as its tokens name it.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        self.0.rules.issuer()
    }

    /// Verifies one of its tokens.
    ///
    /// # Errors
    /// `InvalidToken` with the precise reason; `Unavailable` when its keys cannot be had, too many callers wait
    /// for them already, or the revocation store does not answer.
    ///
    /// # Cancel safety
    /// Safe to drop. A fetch that this call began is carried on by the next call that needs it.
    pub async fn verify(&self, token: &str) -> Result<Principal, Rejection> {
        let verified = self.0.verify(token).await;
        match &verified {
            Ok(_) => self.0.outcomes.accepted(),
            Err(refusal) => self.0.outcomes.refused(refusal.reason()),
        }
        verified
    }

    /// Fetches its keys ahead of need: when there are none, or three quarters of their freshness have passed.
    ///
    /// Call it when the service starts and once a minute or so; it mostly returns at once. What it does not
    /// do, the next token that needs it does.
    ///
    /// # Errors
    /// `Unavailable` when there is no usable set afterwards. A service may start all the same: until a fetch
    /// succeeds, only this issuer's tokens are refused.
    ///
    /// # Cancel safety
    /// Safe to drop, as [`RemoteIssuer::verify`].
    pub async fn refresh(&self) -> Result<(), Rejection> {
        self.0.keys.refresh_ahead().await
    }
}

impl Inner {
    async fn verify(&self, token: &str) -> Result<Principal, Rejection> {
        let claims = self
            .keys
            .ask(|keys| verify_access(token, &self.rules, keys, self.clock.now()))
            .await?;
        self.policies
            .may_accept(&claims, self.clock.now())
            .map_err(Rejection::invalid_token)?;
        let subject = Subject::new(format!("{}{}", self.subject_prefix, claims.subject))
            .map_err(|_| Rejection::invalid_token(Reason::TokenClaims))?;
        self.check_revocation(&claims, &subject).await?;
        Ok(self.principal(claims, subject))
    }

    async fn check_revocation(
        &self,
        claims: &AccessClaims,
        subject: &Subject,
    ) -> Result<(), Rejection> {
        let Some(store) = &self.revocations else {
            return Ok(());
        };
        let query = RevocationQuery {
            issuer: &claims.issuer,
            id: &claims.id,
            tenant: &self.tenant,
            subject,
            // Its families are not ours, whatever they are called.
            family: None,
            issued_at: claims.issued_at,
        };
        // Nothing is remembered of these tokens, and no older answer is shared.
        if *store.find_anew(query, &[]).await.answer()? {
            return Err(Rejection::invalid_token(Reason::TokenRevoked));
        }
        Ok(())
    }

    fn principal(&self, claims: AccessClaims, subject: Subject) -> Principal {
        let roles = (!self.roles.is_empty())
            .then(|| self.mapped_roles(claims.roles.as_deref().unwrap_or_default()));
        let scopes = self.ceiling.as_ref().map(|ceiling| {
            self.allowed_scopes(claims.scopes.as_deref().unwrap_or_default(), ceiling)
        });
        // With roles mapped, they decide; scopes then narrow them where a token has the claim, be it empty.
        let narrowing = scopes
            .as_deref()
            .filter(|_| roles.is_none() || claims.scopes.is_some());
        let mut grants = self.catalog.resolve(roles.as_deref(), narrowing);
        if let (Some(ceiling), Some(_)) = (&self.ceiling, narrowing) {
            grants = grants.intersection(ceiling);
        }
        Principal::new(PrincipalParts {
            tenant: self.tenant.clone(),
            subject,
            credential: Credential::AccessToken {
                id: claims.id,
                issuer: claims.issuer,
                family: None,
                client: claims.client,
            },
            roles: roles.unwrap_or_default(),
            scopes: scopes.unwrap_or_default(),
            grants,
            assurance: self.assurance(claims.assurance),
            expires_at: claims.expires_at,
            superseded_at: None,
        })
    }

    /// Our names of the roles that are in the table, each once.
    fn mapped_roles(&self, theirs: &[String]) -> Vec<String> {
        let mut ours: Vec<_> = theirs
            .iter()
            .filter_map(|role| self.roles.get(role))
            .cloned()
            .collect();
        ours.sort_unstable();
        ours.dedup();
        ours
    }

    /// The scopes that grant something below the ceiling.
    fn allowed_scopes(&self, theirs: &[String], ceiling: &Grants) -> Vec<String> {
        theirs
            .iter()
            .filter(|scope| {
                let granted = self.catalog.resolve_scopes([scope]);
                !granted.intersection(ceiling).is_empty()
            })
            .cloned()
            .collect()
    }

    /// How it says that the subject signed in, when the host knows what its `acr` means; nothing otherwise.
    fn assurance(&self, theirs: Assurance) -> Assurance {
        match theirs.acr.and_then(|acr| self.acrs.get(&acr)) {
            Some(ours) => Assurance {
                acr: Some(ours.clone()),
                amr: theirs.amr,
                auth_time: theirs.auth_time,
            },
            None => Assurance::default(),
        }
    }
}

#[cfg(test)]
mod tests;
