use std::sync::Arc;
use std::time::Duration;

use super::ApiKeys;
use crate::access::{RoleCatalog, SubjectStore};
use crate::api_key::cache::KeyCache;
use crate::api_key::uses::Uses;
use crate::api_key::{KeyFormat, KeyStore};
use crate::audit::AuditAction;
use crate::change::CacheTrust;
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrors};
use crate::flight::{Flights, Topic};
use crate::metrics::{API_KEY_CHANGES, API_KEY_VERIFICATIONS, Labelled, Outcomes};
use crate::random::{OsRandom, Random};
use crate::secret::Pepper;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a key works unless told otherwise: 90 days.
const DEFAULT_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Wires [`ApiKeys`].
///
/// Unless told otherwise: the operating system's clock and randomness, keys of the form `fnt_live_…` that work for 90
/// days and at most 366, no pepper, no owners looked up, and, since nobody says that the change feed is followed,
/// nothing remembered: every verification asks the store.
#[derive(Debug)]
pub struct ApiKeysBuilder {
    store: Arc<dyn KeyStore>,
    catalog: RoleCatalog,
    subjects: Option<Arc<dyn SubjectStore>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    format: KeyFormat,
    pepper: Option<Pepper>,
    default_life: Option<Duration>,
    longest_life: Duration,
    trust: Option<Arc<CacheTrust>>,
    capacity: usize,
}

impl ApiKeysBuilder {
    pub(super) fn new(store: Arc<dyn KeyStore>, catalog: RoleCatalog) -> Self {
        Self {
            store,
            catalog,
            subjects: None,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(OsRandom),
            format: KeyFormat::default(),
            pepper: None,
            default_life: None,
            longest_life: LONGEST_LIFE,
            trust: None,
            capacity: 100_000,
        }
    }

    /// Where owners are looked up, so that the keys of a disabled one are refused.
    #[must_use]
    pub fn subjects(mut self, subjects: Arc<dyn SubjectStore>) -> Self {
        self.subjects = Some(subjects);
        self
    }

    /// Where time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where ids and secrets come from.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// How keys are written.
    #[must_use]
    pub fn format(mut self, format: KeyFormat) -> Self {
        self.format = format;
        self
    }

    /// Mixed into every digest, so that who can write to the store alone cannot make keys.
    ///
    /// # Security
    /// Keys that were issued without it, or under another, are unknown from then on.
    #[must_use]
    pub fn pepper(mut self, pepper: Pepper) -> Self {
        self.pepper = Some(pepper);
        self
    }

    /// How long a key works that does not say: 90 days, or the longest life if that is less.
    #[must_use]
    pub fn default_life(mut self, life: Duration) -> Self {
        self.default_life = Some(life);
        self
    }

    /// How long a key can work: 366 days. At most 3660 days, since every key must end.
    #[must_use]
    pub fn longest_life(mut self, life: Duration) -> Self {
        self.longest_life = life;
        self
    }

    /// Remembers verified keys while this says that the change feed is followed (L-13).
    #[must_use]
    pub fn trust(mut self, trust: Arc<CacheTrust>) -> Self {
        self.trust = Some(trust);
        self
    }

    /// How many keys are remembered, and of how many a last use can wait to be written: 100,000, about 500 bytes each.
    #[must_use]
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys;
        self
    }

    /// Builds the service.
    ///
    /// # Errors
    /// When the longest life is not 1 s to 3660 days, the default life is longer, or the capacity is 0.
    pub fn build(self) -> Result<ApiKeys, ConfigErrors> {
        let mut errors = Vec::new();
        let mut mistake = |setting, hint| errors.push(ConfigError::Invalid { setting, hint });
        if !(Duration::from_secs(1)..=3_660 * DAY).contains(&self.longest_life) {
            mistake("longest_life", "give 1 s to 3660 days");
        }
        let default_life = match self.default_life {
            None => DEFAULT_LIFE.min(self.longest_life),
            Some(life) => {
                if life.is_zero() || life > self.longest_life {
                    mistake("default_life", "give at most the longest life");
                }
                life
            }
        };
        if self.capacity == 0 {
            mistake(
                "capacity",
                "give at least 1; without `trust` nothing is remembered",
            );
        }
        ConfigErrors::from_iter(errors).into_result()?;
        let cache = self
            .trust
            .as_ref()
            .map(|trust| KeyCache::new(self.capacity, trust.clone()));
        let (trust, clock) = (&self.trust, &self.clock);
        Ok(ApiKeys {
            records: Flights::new(Topic::ApiKey, trust.clone(), clock.clone()),
            owners: Flights::new(Topic::Subject, trust.clone(), clock.clone()),
            store: self.store,
            catalog: self.catalog,
            subjects: self.subjects,
            clock: self.clock,
            random: self.random,
            format: self.format,
            pepper: self.pepper,
            default_life,
            longest_life: self.longest_life,
            trust: self.trust,
            cache,
            uses: Uses::new(self.capacity),
            outcomes: Outcomes::new(API_KEY_VERIFICATIONS),
            changes: Labelled::new(API_KEY_CHANGES, AuditAction::ALL.len()),
        })
    }
}
