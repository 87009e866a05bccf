use std::time::Duration;

use crate::error::{ConfigError, ConfigErrors};

/// How long refresh tokens live, and how long a retry is recognised as one.
///
/// The presets are the session limits of NIST SP 800-63B-4 sections 2.1.3, 2.2.3 and 2.3.3 (R-42).
///
/// ```
/// use fountain_core::token::RefreshRules;
/// use std::time::Duration;
///
/// let rules = RefreshRules::aal2().grace(Duration::from_secs(5)).build()?;
/// assert_eq!(rules.absolute_life(), Duration::from_secs(24 * 3_600));
///
/// let endless = RefreshRules::aal1().grace(Duration::from_secs(61)).build();
/// assert!(endless.is_err());
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshRules {
    absolute_life: Duration,
    idle_life: Duration,
    grace: Duration,
}

/// Collects [`RefreshRules`].
#[derive(Debug, Clone, Copy)]
pub struct RefreshRulesBuilder(RefreshRules);

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

impl RefreshRules {
    /// The longest grace: 60 s (R-41).
    pub const MAX_GRACE: Duration = Duration::from_secs(60);
    /// The grace unless a host says otherwise: 10 s (R-41).
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);
    /// The longest absolute life: 365 days.
    pub const MAX_LIFE: Duration = Duration::from_secs(365 * 24 * 3_600);

    /// 30 days, 7 days idle. The default.
    #[must_use]
    pub const fn aal1() -> RefreshRulesBuilder {
        Self::preset(
            Duration::from_secs(30 * 24 * 3_600),
            Duration::from_secs(7 * 24 * 3_600),
        )
    }

    /// 24 hours, 1 hour idle.
    #[must_use]
    pub const fn aal2() -> RefreshRulesBuilder {
        Self::preset(DAY, HOUR)
    }

    /// 12 hours, 15 minutes idle.
    #[must_use]
    pub const fn aal3() -> RefreshRulesBuilder {
        Self::preset(
            Duration::from_secs(12 * 3_600),
            Duration::from_secs(15 * 60),
        )
    }

    const fn preset(absolute_life: Duration, idle_life: Duration) -> RefreshRulesBuilder {
        RefreshRulesBuilder(Self {
            absolute_life,
            idle_life,
            grace: Self::DEFAULT_GRACE,
        })
    }

    /// From the sign-in to the end of the family, whatever happens. Made shorter, it holds at once, for families that there
    /// are as well; made longer, for new ones.
    #[must_use]
    pub const fn absolute_life(&self) -> Duration {
        self.absolute_life
    }

    /// From one use to the next. Changed, it holds from the next use of each token on.
    #[must_use]
    pub const fn idle_life(&self) -> Duration {
        self.idle_life
    }

    /// How long after its use a token that comes back gets the same successor.
    #[must_use]
    pub const fn grace(&self) -> Duration {
        self.grace
    }
}

impl RefreshRulesBuilder {
    /// From the sign-in to the end, 1 s to 365 days.
    #[must_use]
    pub const fn absolute_life(mut self, life: Duration) -> Self {
        self.0.absolute_life = life;
        self
    }

    /// From one use to the next, 1 s to the absolute life.
    #[must_use]
    pub const fn idle_life(mut self, life: Duration) -> Self {
        self.0.idle_life = life;
        self
    }

    /// How long a retry is recognised as one, 0 to 60 s. Zero ends the family at every second use of a token.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.0.grace = grace;
        self
    }

    /// The rules.
    ///
    /// # Errors
    /// Every value that is out of its range.
    pub fn build(self) -> Result<RefreshRules, ConfigErrors> {
        let rules = self.0;
        let second = Duration::from_secs(1);
        let checks = [
            (
                (second..=RefreshRules::MAX_LIFE).contains(&rules.absolute_life),
                "refresh absolute_life",
                "write 1 s to 365 days",
            ),
            (
                (second..=rules.absolute_life).contains(&rules.idle_life),
                "refresh idle_life",
                "write 1 s to the absolute life",
            ),
            (
                rules.grace <= RefreshRules::MAX_GRACE,
                "refresh grace",
                "write 0 to 60 s: a longer grace is a longer time for a stolen token to be used unnoticed",
            ),
        ];
        checks
            .into_iter()
            .filter(|(good, _, _)| !good)
            .map(|(_, setting, hint)| ConfigError::Invalid { setting, hint })
            .collect::<ConfigErrors>()
            .into_result()?;
        Ok(rules)
    }
}
