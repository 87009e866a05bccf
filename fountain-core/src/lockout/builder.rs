use std::sync::Arc;

use super::service::{Inner, Metrics, Rules};
use super::{AttemptKind, Lockout, LockoutRules, LockoutStore};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrors};
use crate::metrics::{ATTEMPTS_COUNTED, ATTEMPTS_REFUSED, LOCKS, Labelled};
use crate::random::{OsRandom, Random};
use crate::secret::Pepper;

/// Wires a [`Lockout`].
///
/// | setting | unless given |
/// |---|---|
/// | `password`, `otp`, `recovery` | 5 attempts, then 15 minutes, doubled up to an hour (R-61) |
/// | `authenticator` | 20 attempts without one that is right; then it is to be bound anew (R-51) |
/// | clock, randomness | the operating system's |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct LockoutBuilder {
    store: Arc<dyn LockoutStore>,
    pepper: Pepper,
    password: LockoutRules,
    otp: LockoutRules,
    recovery: LockoutRules,
    authenticator: u32,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl LockoutBuilder {
    /// The most attempts in a row that an authenticator may take before it is to be bound anew: 100 (SP 800-63B-4 section 3.2.2).
    const MOST_AT_AUTHENTICATOR: u32 = 100;

    pub(super) fn new(store: Arc<dyn LockoutStore>, pepper: Pepper) -> Self {
        Self {
            store,
            pepper,
            password: LockoutRules::default(),
            otp: LockoutRules::default(),
            recovery: LockoutRules::default(),
            authenticator: 20,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(OsRandom),
        }
    }

    /// How many wrong passwords lock, and for how long.
    pub fn password(mut self, rules: LockoutRules) -> Self {
        self.password = rules;
        self
    }

    /// How many wrong codes lock, over all factors of a subject together, and for how long.
    pub fn otp(mut self, rules: LockoutRules) -> Self {
        self.otp = rules;
        self
    }

    /// How many wrong recovery codes lock, and for how long.
    pub fn recovery(mut self, rules: LockoutRules) -> Self {
        self.recovery = rules;
        self
    }

    /// How many attempts in a row at one authenticator, 1 to 100, before it is to be bound anew.
    pub fn authenticator(mut self, attempts: u32) -> Self {
        self.authenticator = attempts;
        self
    }

    /// Where time comes from.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where ids come from.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Builds the service.
    ///
    /// # Errors
    /// When an authenticator may take no attempt, or more than 100; when more attempts than 100 are judged before a lock, or a
    /// lock lasts until it is cleared: that would be a weapon against the account's owner.
    pub fn build(self) -> Result<Lockout, ConfigErrors> {
        let mut errors = Vec::new();
        for (setting, rules) in [
            ("password", self.password),
            ("otp", self.otp),
            ("recovery", self.recovery),
        ] {
            if rules.threshold() > 100 || rules.length(1).is_none() {
                errors.push(ConfigError::Invalid {
                    setting,
                    hint: "write LockoutRules::new(…) with at most 100 attempts: a lock that never ends can be turned on its owner",
                });
            }
        }
        let most = Self::MOST_AT_AUTHENTICATOR;
        let authenticator = LockoutRules::for_good(self.authenticator.min(most + 1));
        let authenticator = authenticator.ok().filter(|_| self.authenticator <= most);
        if authenticator.is_none() {
            errors.push(ConfigError::Invalid {
                setting: "authenticator",
                hint: "write 1 to 100 attempts",
            });
        }
        ConfigErrors::from_iter(errors).into_result()?;
        let metric = |metric| Labelled::new(metric, AttemptKind::ALL.len());
        Ok(Lockout(Arc::new(Inner {
            store: self.store,
            pepper: self.pepper,
            rules: Rules {
                password: self.password,
                otp: self.otp,
                recovery: self.recovery,
                // It was refused above if it is none.
                authenticator: authenticator.unwrap_or_default(),
            },
            clock: self.clock,
            random: self.random,
            metrics: Metrics {
                counted: metric(ATTEMPTS_COUNTED),
                refused: metric(ATTEMPTS_REFUSED),
                locked: metric(LOCKS),
            },
        })))
    }
}
