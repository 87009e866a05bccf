use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::access::{Authorized, Require, RoleCatalog, Subjects};
use crate::api_key::ApiKeys;
use crate::audit::AuditStore;
use crate::authenticate::{Authenticator, PresentedCredential};
use crate::change::ChangeFollower;
use crate::clock::Clock;
use crate::error::Rejection;
use crate::identity::Principal;
use crate::login::SignIn;
use crate::maintenance::Maintenance;
use crate::random::Random;
use crate::signing::Keyring;
use crate::store::Store;
use crate::token::Tokens;

mod builder;
pub use builder::FountainBuilder;

/// The services, composed. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::access::{Authority, Role, RoleCatalog};
/// use fountain_core::api_key::NewApiKey;
/// use fountain_core::authenticate::PresentedCredential;
/// use fountain_core::memory::MemoryStore;
/// use fountain_core::seal::LocalKeys;
/// use fountain_core::{Fountain, OsRandom, Tenant};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let fountain = Fountain::builder(Arc::new(MemoryStore::new()))
///     .issuer("https://auth.example.com")
///     .audience("orders")
///     .roles(RoleCatalog::builder().permissions(["orders:read"]).build()?)
///     .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom))?))
///     .build()
///     .await?;
///
/// let new = NewApiKey::for_service("billing").scope("orders:read");
/// let issued = fountain.api_keys().issue(Authority::System, &Tenant::default(), new).await?;
/// let principal = fountain.authenticate(PresentedCredential::ApiKey(issued.key.expose())).await?;
/// assert_eq!(principal.subject().as_str(), "billing");
///
/// let refused = fountain.authenticate(PresentedCredential::ApiKey("fnt_live_made_up")).await;
/// assert!(refused.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fountain(Arc<Services>);

#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) api_keys: ApiKeys,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) subjects: Subjects,
    pub(crate) catalog: RoleCatalog,
    pub(crate) audit: Arc<dyn AuditStore>,
    pub(crate) follower: ChangeFollower,
    pub(crate) maintenance: Maintenance,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Fountain {
    /// Begins with one store for everything and defaults that are safe. See [`FountainBuilder`].
    pub fn builder<S: Store>(store: Arc<S>) -> FountainBuilder {
        FountainBuilder::new(store)
    }

    /// API keys.
    #[must_use]
    pub fn api_keys(&self) -> &ApiKeys {
        &self.0.api_keys
    }

    /// Signing keys.
    #[must_use]
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.0.keyring
    }

    /// Access and refresh tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Signing in, if the builder was [told so](FountainBuilder::sign_in).
    #[must_use]
    pub fn sign_in(&self) -> Option<&SignIn> {
        self.0.sign_in.as_ref()
    }

    /// Subjects and their roles.
    #[must_use]
    pub fn subjects(&self) -> &Subjects {
        &self.0.subjects
    }

    /// What roles, permissions and scopes mean.
    #[must_use]
    pub fn roles(&self) -> &RoleCatalog {
        &self.0.catalog
    }

    /// The audit trail.
    #[must_use]
    pub fn audit(&self) -> &Arc<dyn AuditStore> {
        &self.0.audit
    }

    /// The clock that everything here reads.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The randomness that everything here draws from.
    #[must_use]
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.0.random
    }

    /// Who a credential speaks for.
    ///
    /// # Errors
    /// The refusal: `InvalidToken`, one answer for every cause, or `Unavailable` when a store that must be asked
    /// does not answer.
    ///
    /// # Cancel safety
    /// Changes nothing but what is remembered and when a key was last used.
    pub async fn authenticate(
        &self,
        credential: PresentedCredential<'_>,
    ) -> Result<Principal, Rejection> {
        match credential {
            PresentedCredential::ApiKey(text) => self.0.api_keys.verify(text).await?.into_result(),
            PresentedCredential::AccessToken(text) => self.0.tokens.verify(text).await,
        }
    }

    /// Whether a principal meets a requirement, as a value that only this check can make (L-05).
    ///
    /// # Errors
    /// The refusal, as [`RoleCatalog::authorize`].
    pub fn authorize<R: Require>(&self, principal: Principal) -> Result<Authorized<R>, Rejection> {
        self.0.catalog.authorize(principal, self.0.clock.now())
    }

    /// Reads the change feed, so that this node's memories may be believed. Call it at least once a second.
    ///
    /// # Errors
    /// `Unavailable` when the feed does not answer: memories are then believed until their bound runs out, and
    /// every question goes to the store.
    ///
    /// # Cancel safety
    /// What was not forgotten yet is read again by the next call.
    pub async fn follow(&self) -> Result<u64, crate::Error> {
        Ok(self.0.follower.catch_up().await?)
    }

    /// Whether every store answers: for a readiness probe.
    ///
    /// # Errors
    /// `Unavailable` when one does not, or when no signing key can be used.
    ///
    /// # Cancel safety
    /// Changes nothing.
    pub async fn ready(&self) -> Result<(), crate::Error> {
        self.0.follower.catch_up().await?;
        self.0.keyring.signer().await.map(drop)
    }

    pub(crate) fn services(&self) -> &Services {
        &self.0
    }
}

#[async_trait]
impl Authenticator for Fountain {
    fn recall(&self, credential: &PresentedCredential<'_>) -> Option<Principal> {
        match credential {
            PresentedCredential::ApiKey(text) => self.0.api_keys.recall(text),
            PresentedCredential::AccessToken(text) => self.0.tokens.recall(text),
        }
    }

    async fn authenticate(
        &self,
        credential: PresentedCredential<'_>,
    ) -> Result<Principal, Rejection> {
        Self::authenticate(self, credential).await
    }
}

/// How old the newest confirmation of the feed may be: 5 s (L-13).
pub(crate) const STALENESS: Duration = Duration::from_secs(5);
