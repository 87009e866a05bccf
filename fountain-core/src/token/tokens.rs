use std::sync::Arc;

use super::ask::Revocations;
use super::cache::TokenCache;
use super::{
    RefreshRules, RefreshTokenStore, RevocationStore, TokenPolicies, TokenRules, refresh_text,
};
use crate::access::{RoleCatalog, SubjectStore};
use crate::change::{CacheTrust, RevocationKey};
use crate::clock::{Clock, Timestamp};
use crate::identity::{FamilyId, Tenant};
use crate::lockout::Lockout;
use crate::metrics::{self, Outcomes};
use crate::random::Random;
use crate::secret::{Digest, Pepper};
use crate::signing::Keyring;

/// What [`Tokens`] is made of.
#[derive(Debug, Clone)]
pub struct TokenParts {
    /// What tokens must be like.
    pub rules: TokenRules,
    /// How long refresh tokens live.
    pub refresh_rules: RefreshRules,
    /// The host's own say.
    pub policies: TokenPolicies,
    /// The signing keys of the rules' issuer.
    pub keyring: Arc<Keyring>,
    /// Holds token families.
    pub refresh_store: Arc<dyn RefreshTokenStore>,
    /// Holds revocations.
    pub revocations: Arc<dyn RevocationStore>,
    /// Holds subjects and their roles; none when the host has its own table and names roles itself.
    pub subjects: Option<Arc<dyn SubjectStore>>,
    /// Whether the subject of a refresh token is locked out is asked here; none where nothing locks.
    pub lockout: Option<Lockout>,
    /// What roles and scopes mean.
    pub catalog: RoleCatalog,
    /// Mixed into the digests of refresh tokens.
    pub pepper: Option<Pepper>,
    /// When memories may be believed.
    pub trust: Arc<CacheTrust>,
    /// How many verified tokens are remembered.
    pub cache_capacity: usize,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

/// Issues, verifies, refreshes, revokes and introspects tokens of one issuer for one audience.
///
/// Usable alone; [`Fountain`](crate::Fountain) saves the wiring.
#[derive(Debug)]
pub struct Tokens {
    pub(super) rules: TokenRules,
    pub(super) refresh_rules: RefreshRules,
    pub(super) policies: TokenPolicies,
    pub(super) keyring: Arc<Keyring>,
    pub(super) refresh_store: Arc<dyn RefreshTokenStore>,
    pub(super) revocations: Arc<dyn RevocationStore>,
    pub(super) revocation_checks: Revocations,
    pub(super) subjects: Option<Arc<dyn SubjectStore>>,
    pub(super) lockout: Option<Lockout>,
    pub(super) catalog: RoleCatalog,
    pepper: Option<Pepper>,
    pub(super) trust: Arc<CacheTrust>,
    pub(super) cache: TokenCache,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) verifications: Outcomes,
    pub(super) refreshes: Outcomes,
    pub(super) issued: IssuedCounter,
}

/// `metrics::Counter` has no `Debug` of its own.
pub(super) struct IssuedCounter(::metrics::Counter);

impl IssuedCounter {
    pub(super) fn increment(&self, by: u64) {
        self.0.increment(by);
    }
}

impl std::fmt::Debug for IssuedCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(metrics::TOKENS_ISSUED.name)
    }
}

impl Tokens {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: TokenParts) -> Self {
        Self {
            cache: TokenCache::new(parts.cache_capacity),
            rules: parts.rules,
            refresh_rules: parts.refresh_rules,
            policies: parts.policies,
            keyring: parts.keyring,
            refresh_store: parts.refresh_store,
            revocation_checks: Revocations::new(
                parts.revocations.clone(),
                Some(parts.trust.clone()),
                parts.clock.clone(),
            ),
            revocations: parts.revocations,
            subjects: parts.subjects,
            lockout: parts.lockout,
            catalog: parts.catalog,
            pepper: parts.pepper,
            trust: parts.trust,
            clock: parts.clock,
            random: parts.random,
            verifications: Outcomes::new(metrics::TOKEN_VERIFICATIONS),
            refreshes: Outcomes::new(metrics::TOKEN_REFRESHES),
            issued: IssuedCounter(::metrics::counter!(metrics::TOKENS_ISSUED.name)),
        }
    }

    /// What tokens must be like.
    #[must_use]
    pub const fn rules(&self) -> &TokenRules {
        &self.rules
    }

    pub(super) fn refresh_digest(&self, token: &str) -> Digest {
        refresh_text::digest(token, self.pepper.as_ref())
    }

    /// From when on no access token that exists now can be alive: another node's clock may be a leeway ahead.
    pub(super) fn last_access_expiry(&self, now: Timestamp) -> Timestamp {
        now + self.rules.max_life() + self.rules.leeway() + self.rules.leeway()
    }

    /// From when on no access token of any issuer that exists now can be alive: a subject may hold tokens of other
    /// issuers as well, whose rules allow a longer life than ours, up to the bounds that all rules have.
    pub(super) fn last_expiry_of_any_issuer(now: Timestamp) -> Timestamp {
        now + TokenRules::MAX_LIFE + TokenRules::MAX_LEEWAY + TokenRules::MAX_LEEWAY
    }

    pub(super) fn forget_family(&self, tenant: &Tenant, id: &FamilyId) {
        self.trust.changed(&RevocationKey::Family {
            tenant: tenant.clone(),
            id: id.clone(),
        });
    }
}
