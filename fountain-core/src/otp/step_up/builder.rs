use std::sync::Arc;
use std::time::Duration;

use super::{Inner, StepUp};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrors};
use crate::metrics::{Outcomes, STEP_UP_GRANTS, STEP_UPS};
use crate::otp::ChallengeStore;
use crate::random::{OsRandom, Random};
use crate::secret::Pepper;

/// Wires a [`StepUp`].
///
/// | setting | unless given |
/// |---|---|
/// | `life` | 2 minutes |
/// | clock, randomness | the operating system's |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct StepUpBuilder {
    challenges: Arc<dyn ChallengeStore>,
    pepper: Pepper,
    life: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl StepUpBuilder {
    pub(super) fn new(challenges: Arc<dyn ChallengeStore>, pepper: Pepper) -> Self {
        Self {
            challenges,
            pepper,
            life: StepUp::DEFAULT_LIFE,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(OsRandom),
        }
    }

    /// How long after its factor was shown a grant can be spent: 10 s to 5 minutes.
    pub fn life(mut self, life: Duration) -> Self {
        self.life = life;
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
    /// When a grant would live less than 10 s, or more than 5 minutes.
    pub fn build(self) -> Result<StepUp, ConfigErrors> {
        if !(StepUp::SHORTEST_LIFE..=StepUp::LONGEST_LIFE).contains(&self.life) {
            return Err(ConfigErrors::from(ConfigError::Invalid {
                setting: "life",
                hint: "write 10 to 300 seconds: a grant is for an act that is about to be done",
            }));
        }
        Ok(StepUp(Arc::new(Inner {
            challenges: self.challenges,
            pepper: self.pepper,
            life: self.life,
            clock: self.clock,
            random: self.random,
            grants: Outcomes::new(STEP_UP_GRANTS),
            step_ups: Outcomes::new(STEP_UPS),
        })))
    }
}
