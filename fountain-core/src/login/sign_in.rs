use std::sync::Arc;
use std::time::Duration;

use super::service::Inner as LoginParts;
use super::{CredentialStore, Login};
use crate::access::SubjectStore;
use crate::clock::Clock;
use crate::error::{ConfigError, ConfigErrors};
use crate::lockout::{Lockout, LockoutRules, LockoutStore};
use crate::metrics::{LOGINS, Outcomes};
use crate::otp::{
    AuthenticatorRules, ChallengeStore, CodeRules, FactorStore, IssueRules, OtpDelivery,
    SecondFactor, StepUp,
};
use crate::password::{PasswordRules, Passwords};
use crate::random::Random;
use crate::seal::Sealer;
use crate::secret::Pepper;
use crate::token::Tokens;

/// All that signing in takes, wired together: [`Login`], [`SecondFactor`], [`StepUp`], [`Lockout`] and [`Passwords`] over one set of
/// stores. Cheap to clone.
///
/// A [`Fountain`](crate::Fountain) has it when its builder was told so.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::access::{Authority, Role, RoleCatalog};
/// use fountain_core::identity::ClientId;
/// use fountain_core::login::{LoginAttempt, LoginName, LoginOutcome, NewCredential, SignIn};
/// use fountain_core::memory::MemoryStore;
/// use fountain_core::seal::LocalKeys;
/// use fountain_core::{Fountain, OsRandom, Pepper, Secret, Subject, Tenant};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let pepper = Pepper::new(b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64");
/// let fountain = Fountain::builder(Arc::new(MemoryStore::new()))
///     .issuer("https://auth.example.com")
///     .audience("orders")
///     .roles(RoleCatalog::builder().permissions(["orders:read"]).role(Role::new("clerk").grant("orders:read")).build()?)
///     .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom))?))
///     .sign_in(SignIn::builder(pepper).service_name("Example Shop"))
///     .build()
///     .await?;
/// let login = fountain.sign_in().expect("it was wired").login();
///
/// let (tenant, alice) = (Tenant::default(), Subject::new("u-7f3a")?);
/// fountain.subjects().register(Authority::System, &tenant, &alice, ["clerk"]).await?;
/// let password = || Secret::from(String::from("correct horse battery staple"));
/// let credential = NewCredential::new(alice, LoginName::new("alice@example.com")?, password());
/// login.register(Authority::System, credential).await?;
///
/// let attempt = |password| Ok::<_, fountain_core::Error>(LoginAttempt::new("Alice@Example.com", password, ClientId::new("web")?));
/// let LoginOutcome::SignedIn(done) = login.begin(attempt(password())?).await? else { panic!() };
/// assert!(fountain.tokens().verify(done.tokens.access.access_token.expose()).await.is_ok());
///
/// let wrong = login.begin(attempt(Secret::from(String::from("a guess")))?).await;
/// assert!(wrong.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SignIn {
    login: Login,
    second_factor: SecondFactor,
    step_up: StepUp,
    lockout: Lockout,
    passwords: Passwords,
}

impl SignIn {
    /// Starts to wire it; see [`SignInBuilder`] for what is chosen unless told otherwise. `pepper` is mixed into the digests of codes,
    /// of what is counted, and into the signatures of grants and of device tokens.
    ///
    /// # Security
    /// Keep it outside the store, the same on every node. Codes, grants and device tokens made under another one are refused.
    pub fn builder(pepper: Pepper) -> SignInBuilder {
        SignInBuilder {
            pepper,
            service_name: None,
            passwords: None,
            password_rules: None,
            password_lock: LockoutRules::default(),
            code_lock: LockoutRules::default(),
            recovery_lock: LockoutRules::default(),
            authenticator_attempts: None,
            delivery: None,
            codes: None,
            budgets: None,
            authenticators: None,
            challenge_life: None,
            step_up_life: None,
        }
    }

    /// Name, password, second factor, tokens.
    #[must_use]
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// Second factors: enrolled, asked for, judged.
    #[must_use]
    pub const fn second_factor(&self) -> &SecondFactor {
        &self.second_factor
    }

    /// Grants for single acts.
    #[must_use]
    pub const fn step_up(&self) -> &StepUp {
        &self.step_up
    }

    /// Attempts and locks.
    #[must_use]
    pub const fn lockout(&self) -> &Lockout {
        &self.lockout
    }

    /// The workers that hash passwords.
    #[must_use]
    pub const fn passwords(&self) -> &Passwords {
        &self.passwords
    }
}

/// Wires a [`SignIn`]; given to [`FountainBuilder::sign_in`](crate::fountain::FountainBuilder::sign_in), which adds the stores.
///
/// | setting | unless given |
/// |---|---|
/// | `service_name` | it must be given: what an authenticator app shows beside the account |
/// | `passwords` | OWASP's cost, one worker fewer than there are processors (R-76) |
/// | `password_rules` | at least 15 characters, nothing predictable, not the service's name; no blocklist |
/// | `password_lock`, `code_lock`, `recovery_lock` | 5 attempts, then 15 minutes, doubled up to an hour (R-61) |
/// | `authenticator_attempts` | 20 in a row (R-51) |
/// | `delivery` | none: no codes are sent |
/// | `codes`, `budgets`, `authenticators`, `challenge_life` | as [`SecondFactorBuilder`](crate::otp::SecondFactorBuilder) |
/// | `step_up_life` | as [`StepUpBuilder`](crate::otp::StepUpBuilder) |
#[derive(Debug)]
#[must_use = "a builder does nothing until it is given to a FountainBuilder"]
pub struct SignInBuilder {
    pepper: Pepper,
    service_name: Option<String>,
    passwords: Option<Passwords>,
    password_rules: Option<PasswordRules>,
    password_lock: LockoutRules,
    code_lock: LockoutRules,
    recovery_lock: LockoutRules,
    authenticator_attempts: Option<u32>,
    delivery: Option<Arc<dyn OtpDelivery>>,
    codes: Option<CodeRules>,
    budgets: Option<IssueRules>,
    authenticators: Option<AuthenticatorRules>,
    challenge_life: Option<Duration>,
    step_up_life: Option<Duration>,
}

/// What a [`SignIn`] stands on.
pub(crate) struct Foundation {
    pub(crate) credentials: Arc<dyn CredentialStore>,
    pub(crate) factors: Arc<dyn FactorStore>,
    pub(crate) challenges: Arc<dyn ChallengeStore>,
    pub(crate) subjects: Arc<dyn SubjectStore>,
    pub(crate) lockout: Lockout,
    pub(crate) sealer: Sealer,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl SignInBuilder {
    /// What an authenticator app shows beside the account: 1 to 64 bytes without `:`. Required.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// The workers that hash passwords.
    pub fn passwords(mut self, passwords: Passwords) -> Self {
        self.passwords = Some(passwords);
        self
    }

    /// What may be chosen as a password.
    pub fn password_rules(mut self, rules: PasswordRules) -> Self {
        self.password_rules = Some(rules);
        self
    }

    /// How many wrong passwords lock, and for how long.
    pub fn password_lock(mut self, rules: LockoutRules) -> Self {
        self.password_lock = rules;
        self
    }

    /// How many wrong codes lock, and for how long.
    pub fn code_lock(mut self, rules: LockoutRules) -> Self {
        self.code_lock = rules;
        self
    }

    /// How many wrong recovery codes lock, and for how long.
    pub fn recovery_lock(mut self, rules: LockoutRules) -> Self {
        self.recovery_lock = rules;
        self
    }

    /// How many attempts in a row at one authenticator, 1 to 100, before it is to be bound anew.
    pub fn authenticator_attempts(mut self, attempts: u32) -> Self {
        self.authenticator_attempts = Some(attempts);
        self
    }

    /// Who carries codes and notices.
    pub fn delivery(mut self, delivery: Arc<dyn OtpDelivery>) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// What codes that are sent are like.
    pub fn codes(mut self, rules: CodeRules) -> Self {
        self.codes = Some(rules);
        self
    }

    /// How many codes are sent.
    pub fn budgets(mut self, rules: IssueRules) -> Self {
        self.budgets = Some(rules);
        self
    }

    /// What new authenticators are like.
    pub fn authenticators(mut self, rules: AuthenticatorRules) -> Self {
        self.authenticators = Some(rules);
        self
    }

    /// How long a question for a second factor waits for its answer.
    pub fn challenge_life(mut self, life: Duration) -> Self {
        self.challenge_life = Some(life);
        self
    }

    /// How long a grant by step-up can be spent.
    pub fn step_up_life(mut self, life: Duration) -> Self {
        self.step_up_life = Some(life);
        self
    }

    /// The counters of attempts, which tokens are refreshed by as well.
    pub(crate) fn lockout(
        &self,
        store: Arc<dyn LockoutStore>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Lockout, ConfigErrors> {
        let mut builder = Lockout::builder(store, self.pepper.clone())
            .password(self.password_lock)
            .otp(self.code_lock)
            .recovery(self.recovery_lock)
            .clock(clock)
            .random(random);
        if let Some(attempts) = self.authenticator_attempts {
            builder = builder.authenticator(attempts);
        }
        builder.build()
    }

    /// Puts it together; gives every mistake at once.
    pub(crate) fn build(self, on: Foundation) -> Result<SignIn, ConfigErrors> {
        let mut errors: Vec<ConfigError> = Vec::new();
        let name = self.service_name.unwrap_or_default();
        let mut factors = SecondFactor::builder(
            on.factors,
            on.challenges.clone(),
            on.lockout.clone(),
            on.sealer,
            self.pepper.clone(),
        )
        .service_name(name.clone())
        .clock(on.clock.clone())
        .random(on.random.clone());
        if let Some(delivery) = self.delivery {
            factors = factors.delivery(delivery);
        }
        if let Some(codes) = self.codes {
            factors = factors.codes(codes);
        }
        if let Some(budgets) = self.budgets {
            factors = factors.budgets(budgets);
        }
        if let Some(authenticators) = self.authenticators {
            factors = factors.authenticators(authenticators);
        }
        if let Some(life) = self.challenge_life {
            factors = factors.challenge_life(life);
        }
        let mut step_up = StepUp::builder(on.challenges, self.pepper)
            .clock(on.clock.clone())
            .random(on.random.clone());
        if let Some(life) = self.step_up_life {
            step_up = step_up.life(life);
            factors = factors.step_up_life(life);
        }
        let second_factor = taken(factors.build(), &mut errors);
        let step_up = taken(step_up.build(), &mut errors);
        let rules = match self.password_rules {
            Some(rules) => Some(rules),
            None => taken(PasswordRules::builder().context(name).build(), &mut errors),
        };
        // Last: workers are started here.
        let passwords = match self.passwords {
            Some(passwords) => Some(passwords),
            None if errors.is_empty() => taken(
                Passwords::builder().random(on.random.clone()).build(),
                &mut errors,
            ),
            None => None,
        };
        let (Some(second_factor), Some(step_up), Some(rules), Some(passwords)) =
            (second_factor, step_up, rules, passwords)
        else {
            return Err(errors.into_iter().collect());
        };
        let login = Login::new(LoginParts {
            credentials: on.credentials,
            subjects: on.subjects,
            passwords: passwords.clone(),
            rules,
            lockout: on.lockout.clone(),
            second_factor: second_factor.clone(),
            tokens: on.tokens,
            clock: on.clock,
            random: on.random,
            logins: Outcomes::new(LOGINS),
        });
        Ok(SignIn {
            login,
            second_factor,
            step_up,
            lockout: on.lockout,
            passwords,
        })
    }
}

fn taken<T>(result: Result<T, ConfigErrors>, errors: &mut Vec<ConfigError>) -> Option<T> {
    result.map_err(|more| errors.extend(more)).ok()
}
