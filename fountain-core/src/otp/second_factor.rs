use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{
    ChallengeStore, Channel, CodeRules, FactorClass, FactorId, FactorKind, FactorRecord,
    FactorStore, OtpDelivery,
};
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Reason, Rejection};
use crate::identity::{Actor, Subject, Tenant};
use crate::lockout::{KnownDevice, Lockout, Whose};
use crate::metrics::Outcomes;
use crate::random::Random;
use crate::seal::{SealContext, Sealer};
use crate::secret::Pepper;

mod answer;
mod builder;
mod challenge;
mod codes;
mod confirm;
mod enrol;
mod issue_rules;
mod judge;
mod notice;
mod permit;
mod recovery;
mod rules;
mod sealed;

pub use answer::SecondFactorAnswer;
pub use builder::SecondFactorBuilder;
pub use challenge::{IssuedChallenge, NewChallenge};
pub use codes::SentCode;
pub use enrol::Enrolment;
pub use issue_rules::IssueRules;
pub use rules::AuthenticatorRules;

use codes::Carried;
use sealed::Sealed;

/// Enrols second factors, asks for them and judges the answers. Cheap to clone; clones are one service.
///
/// An answer is judged in this order, and each step is one atomic call to a store:
///
/// 1. the challenge is found, in its tenant;
/// 2. no lock stands, of whatever kind of attempt (R-64);
/// 3. the answer is counted on the challenge, of which at most 5 are judged (R-51);
/// 4. it is for the purpose and the binding of the challenge (B-60);
/// 5. it is counted for the subject, or for its known device, by [`Lockout`];
/// 6. it is counted for the authenticator, which is disabled after so many in a row;
/// 7. only now is the code compared;
/// 8. its step, its counter, its digest is taken: of any number of parallel answers one takes it (R-48);
/// 9. the challenge is consumed, and what was counted in 5 and 6 is cleared.
///
/// Whatever is refused is [`AuthenticationFailed`](crate::RejectionKind::AuthenticationFailed), all alike; why is a metric's label.
/// A caller that is dropped anywhere between leaves the answer counted, and the code unused or used, never used twice.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::access::Authority;
/// use fountain_core::lockout::Lockout;
/// use fountain_core::memory::MemoryStore;
/// use fountain_core::otp::{ChallengePurpose, NewChallenge, OtpSecret, SecondFactor, SecondFactorAnswer, Totp};
/// use fountain_core::seal::{KekId, LocalKeys, Sealer};
/// use fountain_core::{Digest, ManualClock, OsRandom, Pepper, Subject, Tenant, Timestamp};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let secret = *b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64";
/// let (store, random) = (Arc::new(MemoryStore::new()), Arc::new(OsRandom));
/// # let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
/// let keys = LocalKeys::new(KekId::new("2030-01")?, &secret, random.clone())?;
/// let lockout = Lockout::builder(store.clone(), Pepper::new(&secret)).clock(clock.clone()).build()?;
/// let sealer = Sealer::new(Arc::new(keys), random);
/// let service = SecondFactor::builder(store.clone(), store, lockout, sealer, Pepper::new(&secret))
///     .service_name("Example Shop")
///     .clock(clock.clone())
///     .build()?;
/// let (tenant, alice) = (Tenant::default(), Subject::new("alice")?);
///
/// // enrolment: shown once, as a QR code; one good code confirms it, and is used with that
/// let shown = service.enrol_totp(Authority::System, &tenant, &alice, "alice@example.com", None).await?;
/// let app = Totp::new(OtpSecret::from_base32(shown.secret.expose())?);
/// # let now = || fountain_core::Clock::now(&*clock);
/// let code = app.code_at(now()).expect("after 1970");
/// service.confirm(&tenant, &alice, &shown.factor, code.expose()).await?;
/// assert!(service.is_required(&tenant, &alice).await?);
///
/// // a login asks for it
/// let binding = Digest::of(b"what else the answer is for");
/// let new = NewChallenge { tenant: tenant.clone(), subject: alice, purpose: ChallengePurpose::new("login")?, binding, context: Vec::new() };
/// let asked = service.challenge(new).await?;
/// let purpose = ChallengePurpose::new("login")?;
/// let answer = |code| service.answer(&tenant, &asked.id, &purpose, &binding, SecondFactorAnswer::Authenticator(code), None);
/// assert!(answer(code.expose()).await.is_err()); // it was used to confirm
/// clock.advance(Duration::from_secs(30));
/// let next = app.code_at(now()).expect("after 1970");
/// let verified = answer(next.expose()).await?;
/// assert_eq!(verified.factor(), Some(&shown.factor));
/// assert!(answer(next.expose()).await.is_err()); // the challenge is answered, and the code used
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// Who knows a password and guesses codes hits with a probability of 2 in a million for each guess and each authenticator app of the
/// subject, and of 6 in a million for each token with a counter: a code is held against all of them. Five guesses lock the account
/// for a quarter of an hour or longer, and twenty in a row disable the authenticator.
#[derive(Debug, Clone)]
pub struct SecondFactor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    factors: Arc<dyn FactorStore>,
    challenges: Arc<dyn ChallengeStore>,
    lockout: Lockout,
    sealer: Sealer,
    pepper: Pepper,
    delivery: Option<Arc<dyn OtpDelivery>>,
    service_name: String,
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
    metrics: Metrics,
}

#[derive(Debug)]
struct Metrics {
    answers: Outcomes,
    codes: Carried,
    notices: Carried,
}

/// A way in which a subject can show its second factor now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FactorMethod {
    /// A code of an authenticator app, or of a token with a counter.
    Authenticator,
    /// A code that is sent to a phone.
    Sms,
    /// A code that is sent to a mailbox: no second factor by itself (R-56).
    Email,
    /// A recovery code.
    Recovery,
}

impl FactorMethod {
    /// Every method.
    pub const ALL: &'static [Self] = &[Self::Authenticator, Self::Sms, Self::Email, Self::Recovery];

    /// Its one word: `totp`, `sms`, `email` or `recovery`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticator => "totp",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Recovery => "recovery",
        }
    }

    /// How a code gets to the person before it can be shown, when one has to be sent.
    #[must_use]
    pub const fn channel(self) -> Option<Channel> {
        match self {
            Self::Sms => Some(Channel::Sms),
            Self::Email => Some(Channel::Email),
            Self::Authenticator | Self::Recovery => None,
        }
    }
}

/// A factor of a subject, as its owner may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnrolledFactor {
    /// Its id.
    pub id: FactorId,
    /// What it is.
    pub kind: FactorKind,
    /// Where its codes go, masked; none for an authenticator.
    pub to_masked: Option<String>,
    /// When its enrolment began.
    pub created_at: Timestamp,
    /// When it was confirmed; none while it is pending.
    pub confirmed_at: Option<Timestamp>,
    /// Until when it can be confirmed.
    pub confirm_by: Timestamp,
    /// When it was disabled for good; none while it is not.
    pub disabled_at: Option<Timestamp>,
}

impl SecondFactor {
    /// Starts to wire one; see [`SecondFactorBuilder`] for what is chosen unless told otherwise.
    pub fn builder(
        factors: Arc<dyn FactorStore>,
        challenges: Arc<dyn ChallengeStore>,
        lockout: Lockout,
        sealer: Sealer,
        pepper: Pepper,
    ) -> SecondFactorBuilder {
        SecondFactorBuilder::new(factors, challenges, lockout, sealer, pepper)
    }

    /// The factors of a subject, pending and disabled ones too, the oldest first.
    ///
    /// # Errors
    /// `Unavailable` when the store or the holder of the sealing keys does not answer; `Corrupt` when a factor cannot be read.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn factors(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<EnrolledFactor>, Error> {
        let records = self.0.factors.list(tenant, subject).await?;
        let mut factors = Vec::with_capacity(records.len());
        for record in records {
            let to_masked = match channel_of(record.kind) {
                None => None,
                Some(_) => self.open(&record).await?.address().map(|to| to.masked()),
            };
            factors.push(EnrolledFactor {
                id: record.id,
                kind: record.kind,
                to_masked,
                created_at: record.created_at,
                confirmed_at: record.confirmed_at,
                confirm_by: record.confirm_by,
                disabled_at: record.disabled_at,
            });
        }
        Ok(factors)
    }

    /// Whether a subject must show a second factor: when it has confirmed something that it has. A disabled factor counts, since
    /// wrong guesses must not switch the second factor off (R-51); a mailbox does not (R-56).
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer, `Corrupt` when a factor cannot be read: treat both as required.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn is_required(&self, tenant: &Tenant, subject: &Subject) -> Result<bool, Error> {
        let records = self.0.factors.list(tenant, subject).await?;
        Ok(records.iter().any(is_second))
    }

    /// The ways in which a subject can show a second factor now: of its confirmed factors those that are not disabled, codes only
    /// where the delivery carries them, and recovery codes while some are left.
    ///
    /// # Errors
    /// As [`is_required`](Self::is_required).
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn methods(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<FactorMethod>, Error> {
        let records = self.0.factors.list(tenant, subject).await?;
        self.methods_of(tenant, subject, &records).await
    }

    async fn methods_of(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        records: &[FactorRecord],
    ) -> Result<Vec<FactorMethod>, Error> {
        let recovery = self.0.factors.recovery_codes(tenant, subject).await? > 0;
        let has = |method: &FactorMethod| match method {
            FactorMethod::Recovery => recovery,
            FactorMethod::Authenticator => records
                .iter()
                .any(|record| is_usable(record) && channel_of(record.kind).is_none()),
            FactorMethod::Sms | FactorMethod::Email => method.channel().is_some_and(|channel| {
                self.carries(channel)
                    && records
                        .iter()
                        .any(|record| is_usable(record) && channel_of(record.kind) == Some(channel))
            }),
        };
        Ok(FactorMethod::ALL.iter().copied().filter(has).collect())
    }

    /// Whether a delivery is wired that carries to addresses of this channel.
    #[must_use]
    pub fn carries(&self, channel: Channel) -> bool {
        let delivery = self.0.delivery.as_ref();
        delivery.is_some_and(|delivery| delivery.carries(channel))
    }

    /// What a factor holds. A seal that does not open is an error, and never a factor that is not there.
    async fn open(&self, record: &FactorRecord) -> Result<Sealed, Error> {
        let sealed = self
            .0
            .sealer
            .open(&record.sealed, place(&record.tenant, &record.id))
            .await?;
        Sealed::read(&sealed, record.kind)
    }

    /// Refuses while a lock stands, of whatever kind (R-64).
    async fn unlocked(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        device: Option<&KnownDevice>,
    ) -> Result<(), Error> {
        let whose = Whose::Subject(subject);
        match self.0.lockout.locked_until(tenant, whose, device).await? {
            None => Ok(()),
            Some(_) => Err(refused(Reason::Locked)),
        }
    }

    fn event(
        &self,
        tenant: &Tenant,
        actor: Actor,
        action: AuditAction,
    ) -> Result<AuditEvent, Error> {
        let now = self.0.clock.now();
        AuditEvent::new(&*self.0.random, now, tenant.clone(), actor, action)
    }

    fn about_factor(
        &self,
        record: &FactorRecord,
        actor: Actor,
        action: AuditAction,
    ) -> Result<AuditEvent, Error> {
        Ok(self
            .event(&record.tenant, actor, action)?
            .target("factor", &record.id)
            .detail("kind", record.kind.as_str())
            .detail("subject", &record.subject))
    }
}

impl Metrics {
    /// Counts an answer, whatever became of it.
    fn note<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        match &result {
            Ok(_) => self.answers.accepted(),
            Err(error) => self.answers.refused(error.rejection().reason()),
        }
        result
    }
}

/// The one face of whatever is refused.
fn refused(reason: Reason) -> Error {
    Rejection::authentication_failed(reason).into()
}

/// Why none of these factors can be shown, of those that `is_meant`.
fn lack_of(records: &[FactorRecord], is_meant: impl Fn(&FactorRecord) -> bool) -> Reason {
    let meant = || records.iter().filter(|record| is_meant(record));
    if meant().any(|record| record.disabled_at.is_some()) {
        Reason::FactorDisabled
    } else if meant().any(|record| record.confirmed_at.is_none()) {
        Reason::FactorPending
    } else {
        Reason::FactorUnknown
    }
}

/// Where a factor's sealed content belongs (R-72).
fn place<'a>(tenant: &'a Tenant, id: &'a FactorId) -> SealContext<'a> {
    SealContext::of_tenant(tenant, "factors", "sealed", id.as_str())
}

/// Whether it can be shown for any purpose.
fn is_usable(record: &FactorRecord) -> bool {
    record.confirmed_at.is_some() && record.disabled_at.is_none()
}

/// Whether it makes a second factor required: confirmed, and something that one has.
fn is_second(record: &FactorRecord) -> bool {
    record.confirmed_at.is_some() && record.kind.class() == Some(FactorClass::Possession)
}

/// Where its codes go; none when it makes them itself.
fn channel_of(kind: FactorKind) -> Option<Channel> {
    match kind {
        FactorKind::Sms => Some(Channel::Sms),
        FactorKind::Email => Some(Channel::Email),
        FactorKind::Password | FactorKind::Totp | FactorKind::Hotp | FactorKind::Recovery => None,
    }
}

impl fmt::Display for FactorMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
