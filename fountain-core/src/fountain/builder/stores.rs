//! Each store trait by itself, where not one store holds everything.

use std::sync::Arc;

use super::FountainBuilder;
use crate::access::SubjectStore;
use crate::api_key::KeyStore;
use crate::audit::AuditStore;
use crate::change::ChangeFeed;
use crate::lockout::LockoutStore;
use crate::login::CredentialStore;
use crate::otp::{ChallengeStore, FactorStore};
use crate::signing::SigningKeyStore;
use crate::token::{RefreshTokenStore, RevocationStore};

impl FountainBuilder {
    /// Holds API keys, instead of the store that the builder began with.
    pub fn key_store(mut self, store: Arc<dyn KeyStore>) -> Self {
        self.keys = store;
        self.overridden.others = true;
        self
    }

    /// Holds signing keys, instead of the store that the builder began with.
    pub fn signing_key_store(mut self, store: Arc<dyn SigningKeyStore>) -> Self {
        self.signing_keys = store;
        self.overridden.others = true;
        self
    }

    /// Holds token families, instead of the store that the builder began with.
    ///
    /// # Security
    /// A family that ends is also revoked in this store: give the same one as
    /// [`revocation_store`](Self::revocation_store), or access tokens outlive their family.
    pub fn refresh_token_store(mut self, store: Arc<dyn RefreshTokenStore>) -> Self {
        self.families = store;
        self.overridden.families = true;
        self
    }

    /// Holds revocations, instead of the store that the builder began with.
    pub fn revocation_store(mut self, store: Arc<dyn RevocationStore>) -> Self {
        self.revocations = store;
        self.overridden.revocations = true;
        self
    }

    /// Holds subjects, instead of the store that the builder began with.
    pub fn subject_store(mut self, store: Arc<dyn SubjectStore>) -> Self {
        self.subjects = store;
        self.overridden.others = true;
        self
    }

    /// Holds names and password hashes, instead of the store that the builder began with.
    pub fn credential_store(mut self, store: Arc<dyn CredentialStore>) -> Self {
        self.credentials = store;
        self
    }

    /// Holds second factors, instead of the store that the builder began with.
    ///
    /// # Security
    /// It must be a durable one: a loss gives spent codes back, and switches second factors off.
    pub fn factor_store(mut self, store: Arc<dyn FactorStore>) -> Self {
        self.factors = store;
        self
    }

    /// Holds challenges and grants by step-up, instead of the store that the builder began with: a Redis, say.
    ///
    /// A loss re-opens nothing (F-17): what is not there cannot be answered, nor spent. People begin again.
    pub fn challenge_store(mut self, store: Arc<dyn ChallengeStore>) -> Self {
        self.challenges = store;
        self
    }

    /// Holds attempts, locks and budgets, instead of the store that the builder began with.
    ///
    /// # Security
    /// A loss ends every lock and gives every guesser a new set of attempts: in a store that may lose what it holds, that has to be
    /// accepted in words (`accept_volatile_security_state` of the Redis store).
    pub fn lockout_store(mut self, store: Arc<dyn LockoutStore>) -> Self {
        self.lockouts = store;
        self
    }

    /// Holds the audit trail of what is no change, instead of the store that the builder began with.
    pub fn audit_store(mut self, store: Arc<dyn AuditStore>) -> Self {
        self.audit = store;
        self
    }

    /// The change feed, instead of that of the store that the builder began with.
    ///
    /// # Security
    /// It must carry the changes of every store that is wired here; a change that is in no feed is not noticed
    /// by what other nodes remember until that runs out (30 s).
    pub fn change_feed(mut self, feed: Arc<dyn ChangeFeed>) -> Self {
        self.feed = feed;
        self.overridden.feed = true;
        self
    }
}
