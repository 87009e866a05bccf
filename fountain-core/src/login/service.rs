use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CredentialRecord, CredentialStore, LoginAnswer, LoginAttempt, LoginOutcome, SignedIn};
use crate::access::SubjectStore;
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind, Reason, Rejection};
use crate::identity::{Actor, ClientId, LoginName, Scope, Subject, Tenant};
use crate::lockout::{AttemptKind, CountedAttempt, KnownDevice, Lockout, Whose};
use crate::metrics::Outcomes;
use crate::otp::{
    AssuranceLevel, ChallengeId, ChallengePurpose, Channel, FactorKind, FactorMethod, NewChallenge,
    SecondFactor, SentCode, ShownFactor, assess,
};
use crate::password::{PasswordCheck, PasswordRules, Passwords};
use crate::random::Random;
use crate::secret::{Digest, Secret};
use crate::token::{NewTokens, Tokens};

mod credentials;

pub use credentials::NewCredential;

/// Signs people in: a password, then a second factor where one is enrolled, then tokens.
///
/// [`begin`](Self::begin) decides in this order, and every refusal has one face, `AuthenticationFailed`, whatever its cause:
///
/// 1. The name is brought into its canonical form, and its credential is looked up. A name that nobody has goes on like any other.
/// 2. Its subject and the locks of every kind are looked at, and the attempt is counted, for the subject or for the name:
///    all of it before anything is judged. While a lock of passwords stands, it is not counted.
/// 3. The password is held against the stored hash. Where there is none, while a lock of any kind stands, or when the subject is
///    disabled or not registered, the same work is done against a hash of nobody, and the answer is no: all take the same time,
///    and a right password is no more than a wrong one.
/// 4. The count is cleared, and locks and subject are looked at again: both may have changed while it was hashed.
/// 5. Where a second factor is confirmed, it is asked for, and there are no tokens. Else there are, unless the password was changed
///    meanwhile: they end at once then.
///
/// [`finish`](Self::finish) takes the answer, judged in the order that [`SecondFactor`] tells, and gives tokens whose `acr`, `amr` and
/// `auth_time` say what was shown, and nothing else.
///
/// It is wired by [`SignIn`](super::SignIn), where an example is. For hosts with a user table of their own, who only want the
/// second factor: [`SecondFactor`] and [`Tokens`] are all that is needed.
///
/// # Security
/// What keeps guessing with many names cheap for nobody is a limit by address around this call.
#[derive(Debug, Clone)]
pub struct Login(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) credentials: Arc<dyn CredentialStore>,
    pub(super) subjects: Arc<dyn SubjectStore>,
    pub(super) passwords: Passwords,
    pub(super) rules: PasswordRules,
    pub(super) lockout: Lockout,
    pub(super) second_factor: SecondFactor,
    pub(super) tokens: Arc<Tokens>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) logins: Outcomes,
}

/// What a challenge keeps of a sign-in until its second factor comes.
#[derive(Serialize, Deserialize)]
struct Begun {
    client: ClientId,
    scopes: Vec<Scope>,
    /// When the password was shown.
    password_at: Timestamp,
    /// Of the credential: a password that was changed meanwhile is no longer shown.
    version: u64,
}

impl Login {
    /// The most scopes that can be asked for.
    pub const MAX_SCOPES: usize = 32;

    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The purpose of the challenges that [`begin`](Self::begin) issues: `login`.
    ///
    /// # Errors
    /// None that can happen: the text is a purpose.
    pub fn purpose() -> Result<ChallengePurpose, Error> {
        ChallengePurpose::new("login")
    }

    /// Judges a name and a password, in the order above.
    ///
    /// # Errors
    /// `Refused` with `AuthenticationFailed` when the name or the password is wrong, or a lock stands, all alike; with `Unavailable`
    /// when too many passwords wait to be hashed. `Unavailable`, `Corrupt`, `Entropy`, `Crypto` when it could not be judged: nobody is
    /// signed in then. `InvalidInput` for more than 32 scopes, or 2,048 bytes of them.
    ///
    /// # Cancel safety
    /// When dropped, the attempt stays counted from the moment that it was. Tokens may have been issued that nobody has, which end
    /// by themselves.
    pub async fn begin(&self, attempt: LoginAttempt) -> Result<LoginOutcome, Error> {
        // Before a password is looked at: the challenge of a right one has no room for more.
        let bytes: usize = attempt
            .scopes
            .iter()
            .map(|scope| scope.as_str().len())
            .sum();
        if attempt.scopes.len() > Self::MAX_SCOPES || bytes > 2_048 {
            return Err(Error::invalid(
                "scopes",
                "ask for at most 32 scopes, of 2,048 bytes together",
            ));
        }
        match self.begun(&attempt).await {
            Err(error) => self.noted(Err(error)).map(LoginOutcome::SignedIn),
            Ok(LoginOutcome::SignedIn(done)) => self.noted(Ok(done)).map(LoginOutcome::SignedIn),
            Ok(asked) => Ok(asked),
        }
    }

    async fn begun(&self, attempt: &LoginAttempt) -> Result<LoginOutcome, Error> {
        let tenant = &attempt.tenant;
        let name = LoginName::new(&attempt.name).ok();
        let record = match &name {
            Some(name) => self.0.credentials.find(tenant, name).await?,
            None => None,
        };
        let subject = record.as_ref().map(|record| &record.subject);
        let device = self.device(tenant, subject, attempt.device.as_ref());
        let whose = subject.map(Whose::Subject);
        let (standing, counted) = match whose.or_else(|| name.as_ref().map(Whose::Unknown)) {
            Some(whose) => {
                let standing = self.standing(tenant, whose, device.as_ref()).await?;
                let counted = self.count(tenant, whose, device.as_ref()).await?;
                (standing, counted.filter(|_| standing.is_ok()))
            }
            // No account has such a name, so there is none to guard.
            None => (Ok(()), None),
        };
        let stored = record.as_ref().filter(|_| counted.is_some());
        let check = self
            .0
            .passwords
            .verify(&attempt.password, stored.map(|record| &record.password))
            .await?;
        let (Some(record), Some(counted)) = (&record, counted) else {
            return Err(refused(match (&name, &record) {
                (Some(_), Some(_)) => standing.err().unwrap_or(Reason::Locked),
                _ => Reason::LoginUnknown,
            }));
        };
        if !check.is_match() {
            return Err(refused(Reason::PasswordWrong));
        }
        let subject = &record.subject;
        self.clear(counted, subject).await?;
        self.may_sign_in(tenant, subject, device.as_ref()).await?;
        let version = self.rehashed(record, check, &attempt.password).await?;
        let begun = Begun {
            client: attempt.client.clone(),
            scopes: attempt.scopes.iter().cloned().collect(),
            password_at: self.0.clock.now(),
            version,
        };
        if self.0.second_factor.is_required(tenant, subject).await? {
            let context = serde_json::to_vec(&begun)
                .map_err(|error| Error::with_source(ErrorKind::Crypto("writing a login"), error))?;
            let new = NewChallenge {
                tenant: tenant.clone(),
                subject: subject.clone(),
                purpose: Self::purpose()?,
                binding: binding(),
                context,
            };
            let mut asked = self.0.second_factor.challenge(new).await?;
            asked.methods.retain(|method| counts(*method));
            if asked.methods.is_empty() {
                return Err(refused(Reason::FactorDisabled));
            }
            return Ok(LoginOutcome::SecondFactor(asked));
        }
        let done = self.issue(tenant, subject, begun, None).await?;
        self.still_stands(tenant, &done, version, Some(&attempt.password))
            .await?;
        Ok(LoginOutcome::SignedIn(done))
    }

    /// Sends a code that answers the challenge of [`begin`](Self::begin): by SMS, since a mailbox is no second factor.
    ///
    /// # Errors
    /// As [`SecondFactor::send_code`]; by e-mail as where there is no such factor.
    ///
    /// # Cancel safety
    /// As [`SecondFactor::send_code`].
    pub async fn send_code(
        &self,
        tenant: &Tenant,
        challenge: &ChallengeId,
        channel: Channel,
        device: Option<&Secret>,
    ) -> Result<SentCode, Error> {
        if channel == Channel::Email {
            return Err(refused(Reason::FactorUnknown));
        }
        let device = self.device_of(tenant, challenge, device).await?;
        self.0
            .second_factor
            .send_code(
                tenant,
                challenge,
                &Self::purpose()?,
                channel,
                device.as_ref(),
            )
            .await
    }

    /// Judges the answer to the question for a second factor, and gives tokens.
    ///
    /// # Errors
    /// `Refused` with `AuthenticationFailed` when the answer is not good or may not be judged, the challenge has ended, the subject is
    /// disabled or its password was changed meanwhile, all alike; else as [`begin`](Self::begin).
    ///
    /// # Cancel safety
    /// When dropped, the answer stays counted and its code used; tokens may have been issued that nobody has. Begin again.
    pub async fn finish(&self, answer: LoginAnswer<'_>) -> Result<SignedIn, Error> {
        let finished = self.finished(&answer).await;
        self.noted(finished)
    }

    async fn finished(&self, answer: &LoginAnswer<'_>) -> Result<SignedIn, Error> {
        let (tenant, challenge) = (&answer.tenant, &answer.challenge);
        let device = self
            .device_of(tenant, challenge, answer.device.as_ref())
            .await?;
        let verified = self
            .0
            .second_factor
            .answer(
                tenant,
                challenge,
                &Self::purpose()?,
                &binding(),
                answer.answer,
                device.as_ref(),
            )
            .await?;
        let begun: Begun = serde_json::from_slice(verified.context())
            .map_err(|error| Error::with_source(ErrorKind::Corrupt, error))?;
        let subject = verified.subject();
        let standing = self.0.credentials.find_subject(tenant, subject).await?;
        if standing.is_none_or(|record| record.version != begun.version) {
            return Err(refused(Reason::ChallengeEnded));
        }
        self.may_sign_in(tenant, subject, device.as_ref()).await?;
        let version = begun.version;
        let done = self
            .issue(tenant, subject, begun, Some(verified.shown()))
            .await?;
        self.still_stands(tenant, &done, version, None).await?;
        Ok(done)
    }

    /// The password that was shown is still the subject's. A change of it ends what was issued before it; what was stored after
    /// that, by a login that was under way, ends here.
    async fn still_stands(
        &self,
        tenant: &Tenant,
        done: &SignedIn,
        version: u64,
        password: Option<&Secret>,
    ) -> Result<(), Error> {
        let found = self.0.credentials.find_subject(tenant, &done.subject);
        let stands = match (found.await?, password) {
            (Some(record), _) if record.version == version => true,
            // Hashed anew by another login, perhaps: then it is the same password.
            (Some(record), Some(password)) => {
                let check = self.0.passwords.verify(password, Some(&record.password));
                check.await?.is_match()
            }
            _ => false,
        };
        if stands {
            return Ok(());
        }
        self.0
            .tokens
            .revoke_family(&Actor::System, tenant, &done.tokens.family)
            .await?;
        Err(refused(Reason::PasswordWrong))
    }

    /// Tokens that say what was shown.
    async fn issue(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        begun: Begun,
        second: Option<ShownFactor>,
    ) -> Result<SignedIn, Error> {
        let password = ShownFactor {
            kind: FactorKind::Password,
            at: begun.password_at,
        };
        let is_second = second.is_some();
        let shown: Vec<_> = std::iter::once(password).chain(second).collect();
        if is_second && assess(&shown).level() < Some(AssuranceLevel::Multi) {
            // A factor was asked for, and what was shown is none beside a password.
            return Err(refused(Reason::AssuranceTooLow));
        }
        let mut new = NewTokens::new(subject.clone(), begun.client)
            .tenant(tenant.clone())
            .assurance(assess(&shown).assurance().clone());
        for scope in begun.scopes {
            new = new.scope(scope);
        }
        let actor = Actor::Subject(subject.clone());
        match self.0.tokens.issue(&actor, new).await {
            Ok(tokens) => Ok(SignedIn {
                subject: subject.clone(),
                tokens,
            }),
            // Disabled since it was looked at, or refused by a policy of the host's.
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden(_)) => {
                Err(refused(Reason::TokenPolicy))
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses who is disabled or not registered as a subject, and while a lock of any kind stands.
    async fn may_sign_in(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        device: Option<&KnownDevice>,
    ) -> Result<(), Error> {
        let whose = Whose::Subject(subject);
        self.standing(tenant, whose, device).await?.map_err(refused)
    }

    /// Why nobody signs in by this name now, if it is so: the same look-ups for a name that nobody has.
    ///
    /// A subject that is in no store has no roles, and the scopes that it asks for would be all that limits it.
    async fn standing(
        &self,
        tenant: &Tenant,
        whose: Whose<'_>,
        device: Option<&KnownDevice>,
    ) -> Result<Result<(), Reason>, Error> {
        let locked = self.0.lockout.locked_until(tenant, whose, device).await?;
        let record = match whose {
            Whose::Subject(subject) => self.0.subjects.find(tenant, subject).await?,
            Whose::Unknown(_) => {
                let nobody = Subject::new("nobody")?;
                self.0.subjects.find(tenant, &nobody).await?
            }
        };
        let is_enabled = record.is_some_and(|record| record.disabled_at.is_none());
        Ok(match (locked, is_enabled) {
            (Some(_), _) => Err(Reason::Locked),
            (None, false) => Err(Reason::SubjectDisabled),
            (None, true) => Ok(()),
        })
    }

    async fn count(
        &self,
        tenant: &Tenant,
        whose: Whose<'_>,
        device: Option<&KnownDevice>,
    ) -> Result<Option<CountedAttempt>, Error> {
        let lockout = &self.0.lockout;
        lockout
            .attempt(tenant, whose, AttemptKind::Password, device)
            .await
    }

    async fn clear(&self, counted: CountedAttempt, subject: &Subject) -> Result<(), Error> {
        let who = Actor::Subject(subject.clone());
        self.0.lockout.succeeded(counted, who).await
    }

    /// Makes the hash anew when it is weaker than new ones are; gives the version of the record that stands. As well as can be: who
    /// gave the right password is signed in all the same.
    async fn rehashed(
        &self,
        record: &CredentialRecord,
        check: PasswordCheck,
        password: &Secret,
    ) -> Result<u64, Error> {
        if check != PasswordCheck::MatchNeedsRehash {
            return Ok(record.version);
        }
        let hash = match self.0.passwords.hash(password).await {
            Ok(hash) => hash,
            Err(error) => {
                tracing::warn!(%error, "a password was not hashed anew; it is at the next login");
                return Ok(record.version);
            }
        };
        let event = self.about(
            &record.tenant,
            Actor::System,
            AuditAction::PasswordRehashed,
            &record.subject,
        )?;
        let (tenant, subject, now) = (&record.tenant, &record.subject, event.at);
        let replaced = self
            .0
            .credentials
            .replace(tenant, subject, record.version, hash, now, event)
            .await;
        match replaced {
            Ok(super::ReplaceOutcome::Replaced) => Ok(record.version.saturating_add(1)),
            // By another login, or by a change of the password: whose version it is then is looked at before anybody is let in.
            Ok(super::ReplaceOutcome::Stale | super::ReplaceOutcome::NotFound) => {
                Ok(record.version)
            }
            Err(error) => {
                tracing::warn!(%error, "a password was not hashed anew; it is at the next login");
                Ok(record.version)
            }
        }
    }

    fn device(
        &self,
        tenant: &Tenant,
        subject: Option<&Subject>,
        token: Option<&Secret>,
    ) -> Option<KnownDevice> {
        let (subject, token) = (subject?, token?);
        self.0.lockout.known_device(tenant, subject, token.expose())
    }

    /// The device of a token, if it is of the subject that the challenge is of.
    async fn device_of(
        &self,
        tenant: &Tenant,
        challenge: &ChallengeId,
        token: Option<&Secret>,
    ) -> Result<Option<KnownDevice>, Error> {
        let Some(token) = token else { return Ok(None) };
        let subject = self
            .0
            .second_factor
            .asked_subject(tenant, challenge)
            .await?;
        Ok(self.device(tenant, subject.as_ref(), Some(token)))
    }

    fn about(
        &self,
        tenant: &Tenant,
        actor: Actor,
        action: AuditAction,
        subject: &Subject,
    ) -> Result<AuditEvent, Error> {
        let now = self.0.clock.now();
        AuditEvent::new(&*self.0.random, now, tenant.clone(), actor, action)
            .map(|event| event.target("subject", subject))
    }

    /// Counts a login that came to an end.
    fn noted(&self, result: Result<SignedIn, Error>) -> Result<SignedIn, Error> {
        match &result {
            Ok(_) => self.0.logins.accepted(),
            Err(error) => self.0.logins.refused(error.rejection().reason()),
        }
        result
    }
}

/// Whether what is shown so is a second factor beside a password.
const fn counts(method: FactorMethod) -> bool {
    !matches!(method, FactorMethod::Email)
}

/// What a challenge of a login is bound to beside its purpose: nothing.
fn binding() -> Digest {
    Digest::of(b"fountain login 1")
}

/// The one face of whatever is refused.
fn refused(reason: Reason) -> Error {
    Rejection::authentication_failed(reason).into()
}
