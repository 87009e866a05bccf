use std::sync::Arc;
use std::time::Duration;

use super::codes::Carried;
use super::{AuthenticatorRules, Inner, IssueRules, Metrics, SecondFactor};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrors};
use crate::lockout::Lockout;
use crate::metrics::{CODES_DELIVERED, NOTICES_DELIVERED, Outcomes, SECOND_FACTORS};
use crate::otp::{ChallengeStore, CodeRules, FactorStore, OtpDelivery, RecoveryCode, StepUp, uri};
use crate::random::{OsRandom, Random};
use crate::seal::Sealer;
use crate::secret::Pepper;

/// Wires a [`SecondFactor`].
///
/// | setting | unless given |
/// |---|---|
/// | `service_name` | it must be given: what an authenticator app shows beside the account |
/// | `delivery` | none: no codes are sent, and no notices |
/// | `codes` | six digits, 5 minutes (R-52) |
/// | `budgets` | 3 in 10 minutes and 10 a day to one address and for one subject, 30 s apart (R-53) |
/// | `authenticators` | six digits, 30 s, SHA-1, the present step and the one before; 5 codes looked ahead (R-46) |
/// | `challenge_life` | 10 minutes |
/// | `attempts` | 5 for each challenge (R-51) |
/// | `address_life` | 7 days for an address to be confirmed |
/// | `recovery_codes` | 10 (R-55) |
/// | `step_up_life` | 2 minutes |
/// | clock, randomness | the operating system's |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct SecondFactorBuilder {
    factors: Arc<dyn FactorStore>,
    challenges: Arc<dyn ChallengeStore>,
    lockout: Lockout,
    sealer: Sealer,
    pepper: Pepper,
    service_name: Option<String>,
    delivery: Option<Arc<dyn OtpDelivery>>,
    codes: CodeRules,
    budgets: IssueRules,
    authenticators: AuthenticatorRules,
    challenge_life: Duration,
    attempts: u32,
    address_life: Duration,
    recovery_codes: usize,
    step_up_life: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

impl SecondFactorBuilder {
    pub(super) fn new(
        factors: Arc<dyn FactorStore>,
        challenges: Arc<dyn ChallengeStore>,
        lockout: Lockout,
        sealer: Sealer,
        pepper: Pepper,
    ) -> Self {
        Self {
            factors,
            challenges,
            lockout,
            sealer,
            pepper,
            service_name: None,
            delivery: None,
            codes: CodeRules::default(),
            budgets: IssueRules::default(),
            authenticators: AuthenticatorRules::default(),
            challenge_life: Duration::from_secs(600),
            attempts: 5,
            address_life: 7 * DAY,
            recovery_codes: RecoveryCode::USUAL,
            step_up_life: StepUp::DEFAULT_LIFE,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(OsRandom),
        }
    }

    /// What an authenticator app shows beside the account: 1 to 64 bytes without `:`.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// Who carries codes and notices to people.
    pub fn delivery(mut self, delivery: Arc<dyn OtpDelivery>) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// What codes that are sent are like, and how long they live.
    pub fn codes(mut self, rules: CodeRules) -> Self {
        self.codes = rules;
        self
    }

    /// How many codes may be sent.
    pub fn budgets(mut self, rules: IssueRules) -> Self {
        self.budgets = rules;
        self
    }

    /// What new authenticators are like.
    pub fn authenticators(mut self, rules: AuthenticatorRules) -> Self {
        self.authenticators = rules;
        self
    }

    /// How long a challenge waits for its answer: 1 minute to 1 hour.
    pub fn challenge_life(mut self, life: Duration) -> Self {
        self.challenge_life = life;
        self
    }

    /// How many answers to one challenge are judged: 1 to 5.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long an address waits to be confirmed: 10 minutes to 31 days.
    pub fn address_life(mut self, life: Duration) -> Self {
        self.address_life = life;
        self
    }

    /// How many recovery codes a subject is given: 1 to 20.
    pub fn recovery_codes(mut self, count: usize) -> Self {
        self.recovery_codes = count;
        self
    }

    /// How long a grant by step-up can be spent, which a refusal for the lack of one tells as `max_age`: what
    /// [`StepUpBuilder::life`](crate::otp::StepUpBuilder::life) was given.
    pub fn step_up_life(mut self, life: Duration) -> Self {
        self.step_up_life = life;
        self
    }

    /// Where time comes from. Give the [`Lockout`] the same.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where secrets, codes and ids come from.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Builds the service.
    ///
    /// # Errors
    /// Every setting that is missing or out of its bounds.
    pub fn build(self) -> Result<SecondFactor, ConfigErrors> {
        let mut errors = Vec::new();
        let name = self.service_name.unwrap_or_default();
        if name.is_empty() {
            errors.push(ConfigError::Missing {
                setting: "service_name",
                hint: "write .service_name(\"Example Shop\"), as people are to read it in their authenticator app",
            });
        } else if !uri::is_issuer(&name) {
            errors.push(ConfigError::Invalid {
                setting: "service_name",
                hint: "write 1 to 64 bytes without ':', control characters or blanks at the ends",
            });
        }
        let bounds = [
            (
                "challenge_life",
                (60..=3_600).contains(&self.challenge_life.as_secs()),
                "write 1 minute to 1 hour",
            ),
            (
                "attempts",
                (1..=5).contains(&self.attempts),
                "write 1 to 5: each is one more guess that hits",
            ),
            (
                "address_life",
                (Duration::from_secs(600)..=31 * DAY).contains(&self.address_life),
                "write 10 minutes to 31 days",
            ),
            (
                "recovery_codes",
                (1..=20).contains(&self.recovery_codes),
                "write 1 to 20",
            ),
        ];
        for (setting, is_within, hint) in bounds {
            if !is_within {
                errors.push(ConfigError::Invalid { setting, hint });
            }
        }
        ConfigErrors::from_iter(errors).into_result()?;
        Ok(SecondFactor(Arc::new(Inner {
            factors: self.factors,
            challenges: self.challenges,
            lockout: self.lockout,
            sealer: self.sealer,
            pepper: self.pepper,
            delivery: self.delivery,
            service_name: name,
            codes: self.codes,
            budgets: self.budgets,
            authenticators: self.authenticators,
            challenge_life: self.challenge_life,
            attempts: self.attempts,
            address_life: self.address_life,
            recovery_codes: self.recovery_codes,
            step_up_life: self.step_up_life,
            clock: self.clock,
            random: self.random,
            metrics: Metrics {
                answers: Outcomes::new(SECOND_FACTORS),
                codes: Carried::new(CODES_DELIVERED),
                notices: Carried::new(NOTICES_DELIVERED),
            },
        })))
    }
}
