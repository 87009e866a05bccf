use std::sync::Arc;
use std::time::Duration;

use super::Subjects;
use crate::access::{RoleCatalog, SubjectStore};
use crate::change::CacheTrust;
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrors};
use crate::random::{OsRandom, Random};
use crate::token::{RefreshTokenStore, RevocationStore};

/// Wires [`Subjects`].
///
/// Unless told otherwise: the operating system's clock and randomness, the kept role `admin` if the catalogue has
/// it, and revocations that are kept for tokens of up to 24 h.
#[derive(Debug)]
pub struct SubjectsBuilder {
    subjects: Arc<dyn SubjectStore>,
    revocations: Arc<dyn RevocationStore>,
    families: Option<Arc<dyn RefreshTokenStore>>,
    catalog: RoleCatalog,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    trust: Option<Arc<CacheTrust>>,
    kept_role: KeptRole,
    longest_token_life: Duration,
}

#[derive(Debug)]
enum KeptRole {
    AdminIfAny,
    Named(String),
    None,
}

impl SubjectsBuilder {
    pub(super) fn new(
        subjects: Arc<dyn SubjectStore>,
        revocations: Arc<dyn RevocationStore>,
        catalog: RoleCatalog,
    ) -> Self {
        Self {
            subjects,
            revocations,
            families: None,
            catalog,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(OsRandom),
            trust: None,
            kept_role: KeptRole::AdminIfAny,
            longest_token_life: Duration::from_secs(24 * 60 * 60),
        }
    }

    /// The store of token families, so that disabling a subject ends them for good.
    ///
    /// # Security
    /// Without it a refresh token that was stolen before its subject was disabled works again when the subject is
    /// enabled.
    #[must_use]
    pub fn families(mut self, families: Arc<dyn RefreshTokenStore>) -> Self {
        self.families = Some(families);
        self
    }

    /// Where time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where the ids of events come from.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// What this node's caches ask, so that they forget a changed subject before the change feed tells them.
    #[must_use]
    pub fn trust(mut self, trust: Arc<CacheTrust>) -> Self {
        self.trust = Some(trust);
        self
    }

    /// The role whose last enabled holder in a tenant can neither lose it nor be disabled.
    ///
    /// Only who holds this very role counts, not who has its rights through another.
    #[must_use]
    pub fn kept_role(mut self, role: impl Into<String>) -> Self {
        self.kept_role = KeptRole::Named(role.into());
        self
    }

    /// No role is kept: a tenant can lose its last administrator.
    #[must_use]
    pub fn no_kept_role(mut self) -> Self {
        self.kept_role = KeptRole::None;
        self
    }

    /// The longest life of an access token that any issuer gives: for so long, and twice 300 s of leeway,
    /// revocations are kept. 1 s to 366 days.
    ///
    /// # Security
    /// Too short a time lets a revoked token work again once its revocation is purged.
    #[must_use]
    pub fn longest_token_life(mut self, life: Duration) -> Self {
        self.longest_token_life = life;
        self
    }

    /// Builds the service.
    ///
    /// # Errors
    /// When the kept role is not in the catalogue, or the longest life is out of its range.
    pub fn build(self) -> Result<Subjects, ConfigErrors> {
        let mut errors = Vec::new();
        let kept_role = match self.kept_role {
            KeptRole::None => None,
            KeptRole::AdminIfAny => self.catalog.has_role("admin").then(|| "admin".to_owned()),
            KeptRole::Named(role) => {
                if !self.catalog.has_role(&role) {
                    errors.push(ConfigError::Roles {
                        problem: "the kept role is not in the catalogue: add it, or correct the name",
                        name: role.clone(),
                    });
                }
                Some(role)
            }
        };
        let range = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);
        if !range.contains(&self.longest_token_life) {
            errors.push(ConfigError::Invalid {
                setting: "longest_token_life",
                hint: "give the longest life of an access token, 1 s to 366 days",
            });
        }
        ConfigErrors::from_iter(errors).into_result()?;
        Ok(Subjects {
            subjects: self.subjects,
            revocations: self.revocations,
            families: self.families,
            catalog: self.catalog,
            clock: self.clock,
            random: self.random,
            trust: self.trust,
            kept_role,
            longest_token_life: self.longest_token_life,
        })
    }
}
