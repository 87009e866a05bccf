use std::time::Duration;

use super::AccessClaims;
use super::codec::{DEFAULT_TOKEN_BYTES, MAX_TOKEN_BYTES};
use crate::clock::Timestamp;
use crate::error::{ConfigError, ConfigErrors, Reason};
use crate::identity::{Audience, Issuer};
use crate::signing::Algorithm;

/// What a token must be like: one issuer, one audience, a list of algorithms, a longest life.
///
/// There are no rules without these four (L-07): what is not checked cannot be forgotten.
///
/// ```
/// use fountain_core::signing::Algorithm;
/// use fountain_core::token::TokenRules;
/// use std::time::Duration;
///
/// let rules = TokenRules::builder()
///     .issuer("https://auth.example.com")
///     .audience("orders")
///     .algorithm(Algorithm::EdDsa)
///     .max_life(Duration::from_secs(900))
///     .build()?;
/// assert_eq!(rules.leeway(), Duration::from_secs(30));
///
/// let errors = TokenRules::builder().leeway(Duration::from_secs(301)).build().unwrap_err();
/// assert_eq!(errors.iter().count(), 5); // everything that is missing, and the leeway
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    issuer: Issuer,
    audience: Audience,
    algorithms: Vec<Algorithm>,
    max_life: Duration,
    access_life: Duration,
    leeway: Duration,
    max_token_bytes: usize,
}

impl TokenRules {
    /// How far clocks may be apart unless a host says otherwise: 30 s (R-18).
    pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
    /// How far apart a host may let clocks be: 300 s, the "few minutes" of RFC 7519 section 4.1.4 (R-18).
    pub const MAX_LEEWAY: Duration = Duration::from_secs(300);
    /// How long an issued access token lives unless a host says otherwise: 10 min, or the longest life if that is less.
    pub const DEFAULT_ACCESS_LIFE: Duration = Duration::from_secs(600);
    /// The longest life that a host may allow: 24 h. What should last longer is a refresh token or an API key,
    /// which are looked up, and so can be ended.
    pub const MAX_LIFE: Duration = Duration::from_secs(86_400);

    /// Begins with nothing but the defaults that are safe.
    #[must_use]
    pub fn builder() -> TokenRulesBuilder {
        TokenRulesBuilder::default()
    }

    /// Holds verified claims against the rules, as of `now`.
    ///
    /// The checks and their order:
    /// 1. `iss` is the issuer, byte for byte (R-16);
    /// 2. one entry of `aud` is the audience, byte for byte (R-17);
    /// 3. `now < exp + leeway` (R-18);
    /// 4. `nbf <= now + leeway`, and `nbf < exp` (R-19);
    /// 5. `iat <= now + leeway` (R-19);
    /// 6. `iat < exp`, and `exp - iat` is at most the longest life (R-19).
    ///
    /// # Errors
    /// The [`Reason`] of the first check that fails.
    pub fn check(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), Reason> {
        let latest_start = now + self.leeway;
        if claims.issuer != self.issuer {
            return Err(Reason::TokenIssuer);
        }
        if !claims.audience.contains(&self.audience) {
            return Err(Reason::TokenAudience);
        }
        if now >= claims.expires_at + self.leeway {
            return Err(Reason::TokenExpired);
        }
        if let Some(not_before) = claims.not_before {
            if not_before > latest_start {
                return Err(Reason::TokenNotYetValid);
            }
            if not_before >= claims.expires_at {
                return Err(Reason::TokenLifetime);
            }
        }
        if claims.issued_at > latest_start {
            return Err(Reason::TokenIssuedInFuture);
        }
        if claims.issued_at >= claims.expires_at
            || claims.expires_at.since(claims.issued_at) > self.max_life
        {
            return Err(Reason::TokenLifetime);
        }
        Ok(())
    }

    /// The one issuer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The one audience.
    #[must_use]
    pub const fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The algorithms that are allowed.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The longest `exp - iat`.
    #[must_use]
    pub const fn max_life(&self) -> Duration {
        self.max_life
    }

    /// How long an access token lives that is issued under these rules.
    #[must_use]
    pub const fn access_life(&self) -> Duration {
        self.access_life
    }

    /// How far clocks may be apart.
    #[must_use]
    pub const fn leeway(&self) -> Duration {
        self.leeway
    }

    /// Bytes of a token that are looked at, at most.
    #[must_use]
    pub const fn max_token_bytes(&self) -> usize {
        self.max_token_bytes
    }
}

/// Collects [`TokenRules`].
#[derive(Debug, Clone, Default)]
pub struct TokenRulesBuilder {
    issuer: Option<String>,
    audience: Option<String>,
    algorithms: Vec<Algorithm>,
    max_life: Option<Duration>,
    access_life: Option<Duration>,
    leeway: Option<Duration>,
    max_token_bytes: Option<usize>,
}

impl TokenRulesBuilder {
    /// Who issues the tokens (`iss`). Required.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Whom they are for (`aud`). Required.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Allows an algorithm. Required, and may be called for more than one.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        if !self.algorithms.contains(&algorithm) {
            self.algorithms.push(algorithm);
        }
        self
    }

    /// The longest life (`exp - iat`) of a token, 1 s to 24 h. Required.
    #[must_use]
    pub fn max_life(mut self, life: Duration) -> Self {
        self.max_life = Some(life);
        self
    }

    /// The life of the access tokens that are issued; at most the longest life, and 10 min unless it is given.
    #[must_use]
    pub fn access_life(mut self, life: Duration) -> Self {
        self.access_life = Some(life);
        self
    }

    /// How far clocks may be apart, at most 300 s; 30 s unless it is given.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = Some(leeway);
        self
    }

    /// Bytes of a token that are looked at, 256 to 65536; 8192 unless it is given.
    #[must_use]
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = Some(bytes);
        self
    }

    /// The rules.
    ///
    /// # Errors
    /// Everything that is missing or weak, all at once.
    pub fn build(self) -> Result<TokenRules, ConfigErrors> {
        let mut problems = Vec::new();
        let issuer = required(
            &mut problems,
            "issuer",
            ISSUER_HINT,
            self.issuer,
            Issuer::new,
        );
        let audience = required(
            &mut problems,
            "audience",
            AUDIENCE_HINT,
            self.audience,
            Audience::new,
        );
        if self.algorithms.is_empty() {
            let hint = "write .algorithm(Algorithm::EdDsa)";
            problems.push(ConfigError::Missing {
                setting: "algorithm",
                hint,
            });
        }
        let symmetric = self
            .algorithms
            .iter()
            .filter(|algorithm| algorithm.is_symmetric())
            .count();
        if symmetric != 0 && symmetric != self.algorithms.len() {
            let hint = "a shared secret and public keys are never accepted side by side: write one rule for each issuer";
            problems.push(ConfigError::Invalid {
                setting: "algorithm",
                hint,
            });
        }
        let second = Duration::from_secs(1);
        let max_life = self.max_life.unwrap_or_else(|| {
            let hint =
                "write .max_life(Duration::from_secs(900)): the longest exp - iat that is accepted";
            problems.push(ConfigError::Missing {
                setting: "max_life",
                hint,
            });
            TokenRules::MAX_LIFE
        });
        let access_life = self
            .access_life
            .unwrap_or(TokenRules::DEFAULT_ACCESS_LIFE.min(max_life));
        let leeway = self.leeway.unwrap_or(TokenRules::DEFAULT_LEEWAY);
        let max_token_bytes = self.max_token_bytes.unwrap_or(DEFAULT_TOKEN_BYTES);
        for (setting, acceptable, hint) in [
            (
                "max_life",
                (second..=TokenRules::MAX_LIFE).contains(&max_life),
                "write 1 s to 24 h; what lasts longer is a refresh token or an API key, which can be revoked",
            ),
            (
                "access_life",
                (second..=max_life).contains(&access_life),
                "write 1 s to max_life, or this verifier will refuse the tokens that it issues",
            ),
            (
                "leeway",
                leeway <= TokenRules::MAX_LEEWAY,
                "write at most 300 s; if clocks are further apart, synchronise them",
            ),
            (
                "max_token_bytes",
                (256..=MAX_TOKEN_BYTES).contains(&max_token_bytes),
                "write 256 to 65536 bytes",
            ),
        ] {
            if !acceptable {
                problems.push(ConfigError::Invalid { setting, hint });
            }
        }
        match (issuer, audience) {
            (Some(issuer), Some(audience)) if problems.is_empty() => Ok(TokenRules {
                issuer,
                audience,
                algorithms: self.algorithms,
                max_life,
                access_life,
                leeway,
                max_token_bytes,
            }),
            _ => Err(problems.into_iter().collect()),
        }
    }
}

const ISSUER_HINT: &str =
    "write .issuer(\"https://auth.example.com\"), 1 to 255 printable ASCII characters";
const AUDIENCE_HINT: &str = "write .audience(\"orders\"), 1 to 255 printable ASCII characters";

fn required<T>(
    problems: &mut Vec<ConfigError>,
    setting: &'static str,
    hint: &'static str,
    text: Option<String>,
    new: fn(String) -> Result<T, crate::error::Error>,
) -> Option<T> {
    let problem = match text.map(new) {
        Some(Ok(value)) => return Some(value),
        Some(Err(_)) => ConfigError::Invalid { setting, hint },
        None => ConfigError::Missing { setting, hint },
    };
    problems.push(problem);
    None
}

#[cfg(test)]
mod tests;
