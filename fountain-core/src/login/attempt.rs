use std::collections::BTreeSet;
use std::fmt;

use crate::identity::{ClientId, Scope, Subject, Tenant};
use crate::otp::{ChallengeId, IssuedChallenge, SecondFactorAnswer};
use crate::secret::Secret;
use crate::token::IssuedTokens;

/// A name and a password as somebody typed them, and what for.
///
/// ```
/// use fountain_core::Secret;
/// use fountain_core::identity::{ClientId, Scope};
/// use fountain_core::login::LoginAttempt;
///
/// let password = Secret::from(String::from("correct horse battery staple"));
/// let attempt = LoginAttempt::new("alice@example.com", password, ClientId::new("web")?)
///     .scope(Scope::new("orders:read")?);
/// assert!(!format!("{attempt:?}").contains("horse"));
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Clone)]
pub struct LoginAttempt {
    pub(super) tenant: Tenant,
    pub(super) name: String,
    pub(super) password: Secret,
    pub(super) client: ClientId,
    pub(super) scopes: BTreeSet<Scope>,
    pub(super) device: Option<Secret>,
}

impl LoginAttempt {
    /// By this name and password, in the default tenant, for tokens of this client.
    #[must_use]
    pub fn new(name: impl Into<String>, password: Secret, client: ClientId) -> Self {
        Self {
            tenant: Tenant::default(),
            name: name.into(),
            password,
            client,
            scopes: BTreeSet::new(),
            device: None,
        }
    }

    /// In another tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// For tokens with one more scope: scopes narrow what the subject's roles permit.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scopes.insert(scope);
        self
    }

    /// From a device that has this token of [`Lockout::remember_device`](crate::lockout::Lockout::remember_device). Any other text
    /// is no device.
    #[must_use]
    pub fn device(mut self, token: Secret) -> Self {
        self.device = Some(token);
        self
    }
}

impl fmt::Debug for LoginAttempt {
    /// Without the name: a password is typed there now and then.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAttempt")
            .field("tenant", &self.tenant)
            .field("client", &self.client)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// What came of a name and a password that were right.
#[derive(Debug, Clone)]
#[must_use = "nobody can see the tokens again"]
pub enum LoginOutcome {
    /// That was all that is asked for.
    SignedIn(SignedIn),
    /// A second factor is asked for, and there are no tokens without it: hand its answer to [`Login::finish`](super::Login::finish).
    SecondFactor(IssuedChallenge),
}

/// A subject that has signed in.
#[derive(Debug, Clone)]
#[must_use = "nobody can see the tokens again"]
pub struct SignedIn {
    /// Who.
    pub subject: Subject,
    /// Its tokens, shown once.
    pub tokens: IssuedTokens,
}

/// The answer to the question for a second factor.
#[derive(Debug, Clone)]
pub struct LoginAnswer<'a> {
    pub(super) tenant: Tenant,
    pub(super) challenge: ChallengeId,
    pub(super) answer: SecondFactorAnswer<'a>,
    pub(super) device: Option<Secret>,
}

impl<'a> LoginAnswer<'a> {
    /// To this challenge of the default tenant.
    #[must_use]
    pub fn new(challenge: ChallengeId, answer: SecondFactorAnswer<'a>) -> Self {
        Self {
            tenant: Tenant::default(),
            challenge,
            answer,
            device: None,
        }
    }

    /// In another tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// From a device that has this token, as [`LoginAttempt::device`].
    #[must_use]
    pub fn device(mut self, token: Secret) -> Self {
        self.device = Some(token);
        self
    }
}
