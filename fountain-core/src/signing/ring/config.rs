use std::time::Duration;

use crate::error::{ConfigError, ConfigErrors};
use crate::identity::Issuer;
use crate::signing::Algorithm;
use crate::token::TokenRules;

/// Whose keys a [`Keyring`](super::Keyring) holds, of which kind, and how long they stay in each state.
///
/// ```
/// use fountain_core::signing::{Algorithm, KeyringConfig};
/// use fountain_core::token::TokenRules;
/// use std::time::Duration;
///
/// let rules = TokenRules::builder()
///     .issuer("https://auth.example.com")
///     .audience("orders")
///     .algorithm(Algorithm::EdDsa)
///     .max_life(Duration::from_secs(900))
///     .build()?;
/// let config = KeyringConfig::for_tokens(&rules).build()?;
/// assert_eq!(config.jwks_max_age(), Duration::from_secs(300));
///
/// // a key that is due for rotation before its successor can be ready
/// let hasty = KeyringConfig::for_tokens(&rules).rotation_interval(Duration::from_secs(60)).build();
/// assert!(hasty.unwrap_err().to_string().contains("rotation_interval"));
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringConfig {
    issuer: Issuer,
    algorithm: Algorithm,
    jwks_max_age: Duration,
    skew: Duration,
    rotation_interval: Duration,
    staleness: Duration,
    /// The longest time from a token's issue to the last instant at which it is accepted.
    max_token_age: Duration,
}

impl KeyringConfig {
    /// How long a verifier may keep the JWK set unless a host says otherwise: 5 min.
    pub const DEFAULT_JWKS_MAX_AGE: Duration = Duration::from_secs(300);
    /// How far clocks may be apart unless a host says otherwise: 30 s.
    pub const DEFAULT_SKEW: Duration = Duration::from_secs(30);
    /// How long a key signs unless a host says otherwise: 30 days.
    pub const DEFAULT_ROTATION_INTERVAL: Duration = Duration::from_secs(30 * 86_400);
    /// The shortest time that what was read from the store is used: 10 ms.
    pub const MIN_STALENESS: Duration = Duration::from_millis(10);
    /// How long what was read is used, by default and at most: 5 s (L-13, R-31).
    pub const MAX_STALENESS: Duration = Duration::from_secs(5);

    /// Begins with the issuer, the first algorithm, the longest life and the leeway of the rules that the tokens
    /// are held against.
    #[must_use]
    pub fn for_tokens(rules: &TokenRules) -> KeyringConfigBuilder {
        KeyringConfigBuilder {
            issuer: rules.issuer().clone(),
            allowed: rules.algorithms().to_vec(),
            algorithm: None,
            jwks_max_age: Self::DEFAULT_JWKS_MAX_AGE,
            skew: Self::DEFAULT_SKEW,
            rotation_interval: Self::DEFAULT_ROTATION_INTERVAL,
            staleness: Self::MAX_STALENESS,
            max_token_age: rules.max_life() + rules.leeway(),
        }
    }

    /// Whose keys.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The algorithm of new keys.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How long a verifier may keep the JWK set.
    #[must_use]
    pub const fn jwks_max_age(&self) -> Duration {
        self.jwks_max_age
    }

    /// How far the clocks of nodes and verifiers may be apart.
    #[must_use]
    pub const fn skew(&self) -> Duration {
        self.skew
    }

    /// How long a key signs.
    #[must_use]
    pub const fn rotation_interval(&self) -> Duration {
        self.rotation_interval
    }

    /// How long what was read from the store is used without asking again.
    #[must_use]
    pub const fn staleness(&self) -> Duration {
        self.staleness
    }

    /// From its publication to its first signature: until then some verifier may not have the key.
    #[must_use]
    pub const fn lead(&self) -> Duration {
        self.staleness
            .saturating_add(self.jwks_max_age)
            .saturating_add(self.skew)
    }

    /// From its last signature to its removal: until then a token of the key may be alive.
    #[must_use]
    pub const fn tail(&self) -> Duration {
        self.grace().saturating_add(self.max_token_age)
    }

    /// How long after a key has retired a node may not have heard of it, by its own clock.
    pub(super) const fn grace(&self) -> Duration {
        self.staleness.saturating_add(self.skew)
    }
}

/// Collects a [`KeyringConfig`].
#[derive(Debug, Clone)]
pub struct KeyringConfigBuilder {
    issuer: Issuer,
    allowed: Vec<Algorithm>,
    algorithm: Option<Algorithm>,
    jwks_max_age: Duration,
    skew: Duration,
    rotation_interval: Duration,
    staleness: Duration,
    max_token_age: Duration,
}

impl KeyringConfigBuilder {
    /// The algorithm of new keys: one that the rules allow, and the first of them unless it is given.
    ///
    /// Keys that are there keep theirs. To change the algorithm, allow both in the rules until the last key of the
    /// old one is removed.
    #[must_use]
    pub const fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// How long a verifier may keep the JWK set, 1 s to 24 h; 5 min unless it is given.
    #[must_use]
    pub const fn jwks_max_age(mut self, age: Duration) -> Self {
        self.jwks_max_age = age;
        self
    }

    /// How far clocks may be apart, at most 300 s; 30 s unless it is given.
    #[must_use]
    pub const fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// How long a key signs, at most 366 days; 30 days unless it is given.
    ///
    /// At least twice the time that its successor takes to become ready, and a twentieth of the time that it
    /// must be kept afterwards, so that there never are more than a few dozen keys.
    #[must_use]
    pub const fn rotation_interval(mut self, interval: Duration) -> Self {
        self.rotation_interval = interval;
        self
    }

    /// How long what was read from the store is used without asking again, 10 ms to 5 s; 5 s unless it is given (L-13).
    #[must_use]
    pub const fn staleness(mut self, bound: Duration) -> Self {
        self.staleness = bound;
        self
    }

    /// The configuration.
    ///
    /// # Errors
    /// Everything that is weak or contradictory, all at once.
    pub fn build(self) -> Result<KeyringConfig, ConfigErrors> {
        let algorithm = self
            .algorithm
            .or_else(|| self.allowed.first().copied())
            .unwrap_or(Algorithm::EdDsa);
        let config = KeyringConfig {
            issuer: self.issuer,
            algorithm,
            jwks_max_age: self.jwks_max_age,
            skew: self.skew,
            rotation_interval: self.rotation_interval,
            staleness: self.staleness,
            max_token_age: self.max_token_age,
        };
        let shortest = config
            .lead()
            .saturating_mul(2)
            .max(config.tail() / KEPT_AT_ONCE);
        let problems = [
            (
                "algorithm",
                self.allowed.contains(&algorithm),
                "write one that the token rules allow, or nobody accepts what is signed",
            ),
            (
                "jwks_max_age",
                (SECOND..=DAY).contains(&config.jwks_max_age),
                "write 1 s to 24 h: a new key is not used before it has passed",
            ),
            (
                "skew",
                config.skew <= TokenRules::MAX_LEEWAY,
                "write at most 300 s; if clocks are further apart, synchronise them",
            ),
            (
                "rotation_interval",
                (shortest..=DAY * 366).contains(&config.rotation_interval),
                "write at most 366 days, and at least twice jwks_max_age + skew and a twentieth of the longest token life",
            ),
            (
                "staleness",
                (KeyringConfig::MIN_STALENESS..=KeyringConfig::MAX_STALENESS).contains(&config.staleness),
                "write 10 ms to 5 s: how long a revoked key may still be used",
            ),
        ]
        .into_iter()
        .filter(|(_, acceptable, _)| !acceptable)
        .map(|(setting, _, hint)| ConfigError::Invalid { setting, hint });
        ConfigErrors::from_iter(problems).into_result()?;
        Ok(config)
    }
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
/// How many retired keys there are at most.
const KEPT_AT_ONCE: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(max_life: Duration) -> KeyringConfigBuilder {
        let rules = TokenRules::builder()
            .issuer("https://auth.example.com")
            .audience("orders")
            .algorithm(Algorithm::Es256)
            .algorithm(Algorithm::EdDsa)
            .max_life(max_life)
            .build()
            .unwrap();
        KeyringConfig::for_tokens(&rules)
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let config = builder(Duration::from_secs(900)).build().unwrap();
        assert_eq!(config.algorithm(), Algorithm::Es256);
        assert_eq!(config.lead(), Duration::from_secs(5 + 300 + 30));
        assert_eq!(config.tail(), Duration::from_secs(5 + 30 + 900 + 30));
        assert_eq!(config.rotation_interval(), DAY * 30);
    }

    #[test]
    fn every_bound_is_held() {
        let settings = |builder: KeyringConfigBuilder| match builder.build() {
            Ok(_) => String::new(),
            Err(errors) => {
                let name = |error: &ConfigError| match error {
                    ConfigError::Invalid { setting, .. } => *setting,
                    other => panic!("{other}"),
                };
                errors.iter().map(name).collect::<Vec<_>>().join(" ")
            }
        };
        let ok = || builder(Duration::from_secs(900));
        let seconds = Duration::from_secs;
        assert_eq!(settings(ok()), "");
        assert_eq!(settings(ok().algorithm(Algorithm::Rs256)), "algorithm");
        assert_eq!(settings(ok().algorithm(Algorithm::EdDsa)), "");
        assert_eq!(settings(ok().jwks_max_age(Duration::ZERO)), "jwks_max_age");
        assert_eq!(settings(ok().jwks_max_age(seconds(86_401))), "jwks_max_age");
        assert_eq!(settings(ok().skew(seconds(301))), "skew");
        assert_eq!(settings(ok().staleness(Duration::ZERO)), "staleness");
        assert_eq!(
            settings(ok().staleness(Duration::from_micros(5_000_001))),
            "staleness"
        );
        assert_eq!(settings(ok().rotation_interval(seconds(670))), "");
        assert_eq!(
            settings(ok().rotation_interval(seconds(669))),
            "rotation_interval"
        );
        assert_eq!(
            settings(ok().rotation_interval(DAY * 367)),
            "rotation_interval"
        );
        assert_eq!(
            settings(ok().rotation_interval(Duration::ZERO)),
            "rotation_interval"
        );
        assert_eq!(
            settings(
                ok().jwks_max_age(Duration::MAX)
                    .skew(Duration::MAX)
                    .staleness(Duration::MAX)
            ),
            "jwks_max_age skew rotation_interval staleness"
        );
        let long_tokens = builder(DAY).rotation_interval(seconds(3_600));
        assert_eq!(settings(long_tokens), "rotation_interval");
    }
}
