use std::sync::Arc;
use std::time::Duration;

use super::{Fountain, STALENESS, Services};
use crate::access::{RoleCatalog, SubjectStore, Subjects};
use crate::api_key::{ApiKeys, ApiKeysBuilder, KeyFormat, KeyStore};
use crate::audit::AuditStore;
use crate::change::{CacheTrust, ChangeBell, ChangeFeed, ChangeFollower};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrors, Error, ErrorKind};
use crate::lockout::LockoutStore;
use crate::login::{CredentialStore, Foundation, SignInBuilder};
use crate::maintenance::{Maintenance, Purged};
use crate::otp::{ChallengeStore, FactorStore};
use crate::random::{OsRandom, Random};
use crate::seal::{KeyEncryption, Sealer};
use crate::secret::Pepper;
use crate::signing::{Algorithm, Keyring, KeyringConfig, KeyringParts, SigningKeyStore};
use crate::store::Store;
use crate::token::{
    RefreshRules, RefreshRulesBuilder, RefreshTokenStore, RevocationStore, TokenParts,
    TokenPolicies, TokenPolicy, TokenRules, TokenRulesBuilder, Tokens,
};

mod overridden;
mod stores;
use overridden::Overridden;

/// Wires a [`Fountain`].
///
/// Four things have no safe default and must be given: [`issuer`](Self::issuer), [`audience`](Self::audience),
/// [`roles`](Self::roles), [`key_encryption`](Self::key_encryption). Everything else has one:
///
/// | setting | unless given |
/// |---|---|
/// | `algorithm` | EdDSA (Ed25519) |
/// | `access_life` | 10 min |
/// | `leeway` | 30 s |
/// | `refresh` | 30 days, 7 days idle, a grace of 10 s |
/// | `rotation` | a new signing key every 30 days |
/// | `jwks_max_age` | 5 min |
/// | `key_format` | `fnt_live_…` |
/// | `pepper` | none: digests are plain SHA-256 |
/// | `staleness` | memories are believed for 5 s without word from the change feed |
/// | `remember` | 100,000 tokens and 100,000 keys at most |
/// | `change_bell` | none: other nodes hear of a change from their store's own listener, or at their next poll |
/// | `sign_in` | nobody signs in: no login, no second factors, no step-up |
/// | `key_retention` | ended API keys are kept for 30 days |
/// | clock, randomness | the operating system's |
///
/// Each store trait can be overridden, so that, say, revocations live elsewhere than keys. What holds state and lies
/// elsewhere needs a [`change_feed`](Self::change_feed) that carries its changes too, and families and revocations go
/// together: without either, what one node revokes another goes on accepting, so both are refused.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::Fountain;
/// use fountain_core::memory::MemoryStore;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let errors = Fountain::builder(Arc::new(MemoryStore::new())).build().await.unwrap_err();
/// assert_eq!(errors.iter().count(), 4);
/// for error in errors.iter() {
///     println!("{error}"); // what is missing, and what to write
/// }
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct FountainBuilder {
    keys: Arc<dyn KeyStore>,
    signing_keys: Arc<dyn SigningKeyStore>,
    families: Arc<dyn RefreshTokenStore>,
    revocations: Arc<dyn RevocationStore>,
    subjects: Arc<dyn SubjectStore>,
    credentials: Arc<dyn CredentialStore>,
    factors: Arc<dyn FactorStore>,
    challenges: Arc<dyn ChallengeStore>,
    lockouts: Arc<dyn LockoutStore>,
    audit: Arc<dyn AuditStore>,
    feed: Arc<dyn ChangeFeed>,
    sign_in: Option<SignInBuilder>,
    overridden: Overridden,
    bell: Option<Arc<dyn ChangeBell>>,
    rules: TokenRulesBuilder,
    refresh: RefreshRulesBuilder,
    policies: TokenPolicies,
    algorithm: Algorithm,
    access_life: Duration,
    rotation: Option<Duration>,
    jwks_max_age: Option<Duration>,
    roles: Option<RoleCatalog>,
    key_encryption: Option<Arc<dyn KeyEncryption>>,
    key_format: Option<KeyFormat>,
    pepper: Option<Pepper>,
    staleness: Duration,
    remember: usize,
    key_retention: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl FountainBuilder {
    pub(super) fn new<S: Store>(store: Arc<S>) -> Self {
        Self {
            keys: store.clone(),
            signing_keys: store.clone(),
            families: store.clone(),
            revocations: store.clone(),
            subjects: store.clone(),
            credentials: store.clone(),
            factors: store.clone(),
            challenges: store.clone(),
            lockouts: store.clone(),
            audit: store.clone(),
            feed: store,
            sign_in: None,
            overridden: Overridden::default(),
            bell: None,
            rules: TokenRules::builder(),
            refresh: RefreshRules::aal1(),
            policies: TokenPolicies::none(),
            algorithm: Algorithm::EdDsa,
            access_life: TokenRules::DEFAULT_ACCESS_LIFE,
            rotation: None,
            jwks_max_age: None,
            roles: None,
            key_encryption: None,
            key_format: None,
            pepper: None,
            staleness: STALENESS,
            remember: 100_000,
            key_retention: Duration::from_secs(30 * 24 * 3_600),
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(OsRandom),
        }
    }

    /// Who issues the tokens: `iss`, compared byte for byte. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.rules = self.rules.issuer(issuer);
        self
    }

    /// Whom the tokens are for: `aud`, compared byte for byte. Required.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.rules = self.rules.audience(audience);
        self
    }

    /// What roles, permissions and scopes mean. Required: what is not in it cannot be granted.
    pub fn roles(mut self, roles: RoleCatalog) -> Self {
        self.roles = Some(roles);
        self
    }

    /// Who wraps the keys that seal signing keys: [`LocalKeys`](crate::seal::LocalKeys), or a service. Required.
    pub fn key_encryption(mut self, keys: Arc<dyn KeyEncryption>) -> Self {
        self.key_encryption = Some(keys);
        self
    }

    /// Mixed into the digests of API keys and refresh tokens, so that a stolen table alone proves nothing.
    ///
    /// # Security
    /// Keys and refresh tokens issued under one pepper do not verify under another.
    pub fn pepper(mut self, pepper: Pepper) -> Self {
        self.pepper = Some(pepper);
        self
    }

    /// The algorithm of new signing keys, and the only one that is accepted.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// How long access tokens live, 1 s to 24 h; longer ones are refused.
    pub fn access_life(mut self, life: Duration) -> Self {
        self.access_life = life;
        self
    }

    /// How far nodes' clocks may be apart, at most 300 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules = self.rules.leeway(leeway);
        self
    }

    /// How long refresh tokens live.
    pub fn refresh(mut self, refresh: RefreshRulesBuilder) -> Self {
        self.refresh = refresh;
        self
    }

    /// One more policy that must agree to every token issued or accepted.
    pub fn policy(mut self, policy: impl TokenPolicy) -> Self {
        self.policies = self.policies.and(policy);
        self
    }

    /// How long a signing key signs before the next one follows.
    pub fn rotation(mut self, interval: Duration) -> Self {
        self.rotation = Some(interval);
        self
    }

    /// How long others may keep the published key set.
    pub fn jwks_max_age(mut self, age: Duration) -> Self {
        self.jwks_max_age = Some(age);
        self
    }

    /// How API keys are written: brand and environments.
    pub fn key_format(mut self, format: KeyFormat) -> Self {
        self.key_format = Some(format);
        self
    }

    /// How long this node believes what it remembers without word from the change feed, at most 5 s (L-13). Zero
    /// asks the stores about every credential; signing keys are read anew every 10 ms then. Calls that show one credential
    /// at the same time share a question even so, if it began after they did.
    pub fn staleness(mut self, bound: Duration) -> Self {
        self.staleness = bound;
        self
    }

    /// How many verified tokens, and how many verified keys, are remembered at most; 1 to 10,000,000.
    pub fn remember(mut self, entries: usize) -> Self {
        self.remember = entries;
        self
    }

    /// How long API keys that ended are kept, for the list and the audit trail's sake.
    pub fn key_retention(mut self, retention: Duration) -> Self {
        self.key_retention = retention;
        self
    }

    /// Where time comes from.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where randomness comes from.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Signing in: by name and password, second factors and step-up. None of it is there unless this is called.
    pub fn sign_in(mut self, sign_in: SignInBuilder) -> Self {
        self.sign_in = Some(sign_in);
        self
    }

    /// Rings this bell after each change that this node makes itself, for the other nodes to read the feed at once.
    ///
    /// Best effort, and beside the store: a bell that is not heard costs the wait for the next poll, and neither
    /// delays nor fails any call. A store with a listener of its own needs none.
    pub fn change_bell(mut self, bell: Arc<dyn ChangeBell>) -> Self {
        self.bell = Some(bell);
        self
    }

    /// Checks everything, makes the first signing key if there is none, and composes the services.
    ///
    /// # Errors
    /// Every mistake in the wiring at once, each with what to write instead; or, when there is none, what the
    /// stores or the key-encryption key have to say (R-74).
    ///
    /// # Cancel safety
    /// When dropped, a first signing key may have been stored; the next call uses it.
    pub async fn build(self) -> Result<Fountain, ConfigErrors> {
        crate::metrics::describe();
        let wired = self.wire()?;
        wired
            .sealer
            .check()
            .await
            .map_err(|error| signing_keys("check the key-encryption key", Error::from(error)))?;
        let services = wired.services;
        services
            .follower
            .catch_up()
            .await
            .map_err(ConfigError::Store)?;
        services.keyring.bootstrap().await.map_err(|error| {
            signing_keys(
                "start the store, and give the key-encryption key that the stored signing keys were sealed with",
                error,
            )
        })?;
        Ok(Fountain(Arc::new(services)))
    }

    /// All that needs nobody to be asked.
    fn wire(self) -> Result<Wired, ConfigErrors> {
        let mut problems = Problems::default();
        let rules = problems.take(
            self.rules
                .algorithm(self.algorithm)
                .max_life(self.access_life)
                .access_life(self.access_life)
                .build(),
        );
        let refresh_rules = problems.take(self.refresh.build());
        let catalog = problems.required(
            self.roles,
            "roles",
            "write .roles(RoleCatalog::builder()...build()?): what is not in it cannot be granted",
        );
        let key_encryption = problems.required(
            self.key_encryption,
            "key_encryption",
            "write .key_encryption(Arc::new(LocalKeys::new(id, &bytes, random)?)) with 32 secret bytes from outside the store",
        );
        problems.check(
            self.staleness <= STALENESS,
            "staleness",
            "write at most 5 s: for so long a revocation elsewhere may stay unnoticed",
        );
        problems.check(
            (1..=10_000_000).contains(&self.remember),
            "remember",
            "write 1 to 10,000,000 entries; to remember nothing write .staleness(Duration::ZERO)",
        );
        self.overridden.check(&mut problems);
        let trust = CacheTrust::new(self.staleness);
        let trust = Arc::new(match self.bell {
            Some(bell) => trust.bell(bell),
            None => trust,
        });
        let keyring_config = rules.as_ref().and_then(|rules| {
            let mut config = KeyringConfig::for_tokens(rules)
                .staleness(self.staleness.max(KeyringConfig::MIN_STALENESS));
            if let Some(interval) = self.rotation {
                config = config.rotation_interval(interval);
            }
            if let Some(age) = self.jwks_max_age {
                config = config.jwks_max_age(age);
            }
            problems.take(config.build())
        });
        let api_keys = catalog.clone().and_then(|catalog| {
            let mut builder: ApiKeysBuilder = ApiKeys::builder(self.keys.clone(), catalog)
                .subjects(self.subjects.clone())
                .clock(self.clock.clone())
                .random(self.random.clone())
                .trust(trust.clone())
                .capacity(self.remember);
            if let Some(format) = self.key_format {
                builder = builder.format(format);
            }
            if let Some(pepper) = self.pepper.clone() {
                builder = builder.pepper(pepper);
            }
            problems.take(builder.build())
        });
        let subjects = catalog.clone().and_then(|catalog| {
            problems.take(
                Subjects::builder(self.subjects.clone(), self.revocations.clone(), catalog)
                    .families(self.families.clone())
                    .clock(self.clock.clone())
                    .random(self.random.clone())
                    .trust(trust.clone())
                    .build(),
            )
        });
        let lockout = self.sign_in.as_ref().and_then(|sign_in| {
            let (clock, random) = (self.clock.clone(), self.random.clone());
            problems.take(sign_in.lockout(self.lockouts.clone(), clock, random))
        });
        problems.into_result()?;
        let (
            Some(rules),
            Some(refresh_rules),
            Some(catalog),
            Some(key_encryption),
            Some(config),
            Some(api_keys),
            Some(subjects),
        ) = (
            rules,
            refresh_rules,
            catalog,
            key_encryption,
            keyring_config,
            api_keys,
            subjects,
        )
        else {
            // Each is missing only together with its problem, which has been returned above.
            return Err(ConfigError::Invalid {
                setting: "builder",
                hint: "a setting was refused without a reason: report this",
            }
            .into());
        };
        let sealer = Sealer::new(key_encryption, self.random.clone());
        let keyring = Arc::new(Keyring::new(KeyringParts {
            config,
            store: self.signing_keys,
            sealer: sealer.clone(),
            trust: trust.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        }));
        let tokens = Arc::new(Tokens::new(TokenParts {
            rules,
            refresh_rules,
            policies: self.policies,
            keyring: keyring.clone(),
            refresh_store: self.families.clone(),
            revocations: self.revocations.clone(),
            subjects: Some(self.subjects.clone()),
            lockout: lockout.clone(),
            catalog: catalog.clone(),
            pepper: self.pepper,
            trust: trust.clone(),
            cache_capacity: self.remember,
            clock: self.clock.clone(),
            random: self.random.clone(),
        }));
        let sign_in = self
            .sign_in
            .zip(lockout)
            .map(|(sign_in, lockout)| {
                sign_in.build(Foundation {
                    credentials: self.credentials,
                    factors: self.factors.clone(),
                    challenges: self.challenges.clone(),
                    subjects: self.subjects,
                    lockout,
                    sealer: sealer.clone(),
                    tokens: tokens.clone(),
                    clock: self.clock.clone(),
                    random: self.random.clone(),
                })
            })
            .transpose()?;
        Ok(Wired {
            sealer,
            services: Services {
                api_keys,
                keyring,
                tokens,
                sign_in,
                subjects,
                catalog,
                audit: self.audit,
                follower: ChangeFollower::new(self.feed, self.clock.clone(), trust),
                maintenance: Maintenance::new(
                    Purged {
                        keys: self.keys,
                        families: self.families,
                        revocations: self.revocations,
                        lockouts: self.lockouts,
                        challenges: self.challenges,
                        factors: self.factors,
                    },
                    self.key_retention,
                ),
                clock: self.clock,
                random: self.random,
            },
        })
    }
}

struct Wired {
    sealer: Sealer,
    services: Services,
}

/// The mistakes found so far.
#[derive(Default)]
struct Problems(Vec<ConfigError>);

impl Problems {
    fn take<T>(&mut self, result: Result<T, ConfigErrors>) -> Option<T> {
        result.map_err(|errors| self.0.extend(errors)).ok()
    }

    fn required<T>(
        &mut self,
        value: Option<T>,
        setting: &'static str,
        hint: &'static str,
    ) -> Option<T> {
        if value.is_none() {
            self.0.push(ConfigError::Missing { setting, hint });
        }
        value
    }

    fn check(&mut self, good: bool, setting: &'static str, hint: &'static str) {
        if !good {
            self.0.push(ConfigError::Invalid { setting, hint });
        }
    }

    fn into_result(self) -> Result<(), ConfigErrors> {
        self.0.into_iter().collect::<ConfigErrors>().into_result()
    }
}

fn signing_keys(hint: &'static str, source: Error) -> ConfigError {
    match source.kind() {
        ErrorKind::Unavailable => ConfigError::SigningKeys {
            hint: "the store or the holder of the key-encryption key does not answer: start it, or check its address",
            source: source.into(),
        },
        _ => ConfigError::SigningKeys {
            hint,
            source: source.into(),
        },
    }
}
