use std::fmt;

use super::judge::Shown;
use super::{SecondFactor, is_usable, refused};
use crate::error::{Error, Reason};
use crate::identity::{Actor, Subject, Tenant};
use crate::lockout::{AttemptKind, CountedAttempt, KnownDevice, Whose};
use crate::otp::{
    ChallengeId, ChallengePurpose, FactorId, FactorRecord, Notice, ShownFactor, VerifiedFactor,
};
use crate::secret::Digest;

/// What a person shows.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum SecondFactorAnswer<'a> {
    /// A code of an authenticator app, or of a token with a counter.
    Authenticator(&'a str),
    /// The code that was sent for the challenge.
    Delivered(&'a str),
    /// A recovery code.
    Recovery(&'a str),
}

impl SecondFactorAnswer<'_> {
    /// Which budget it is counted in.
    const fn kind(&self) -> AttemptKind {
        match self {
            Self::Authenticator(_) | Self::Delivered(_) => AttemptKind::Otp,
            Self::Recovery(_) => AttemptKind::Recovery,
        }
    }
}

impl fmt::Debug for SecondFactorAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authenticator(_) => "Authenticator(..)",
            Self::Delivered(_) => "Delivered(..)",
            Self::Recovery(_) => "Recovery(..)",
        })
    }
}

impl SecondFactor {
    /// Judges the answer to a challenge, in the order that [`SecondFactor`] tells.
    ///
    /// `purpose` and `binding` are what the caller would act on; they must be those that the challenge was asked with. `device` is
    /// one that [`Lockout::known_device`](crate::lockout::Lockout::known_device) has found.
    ///
    /// # Errors
    /// `Refused` when the answer is not good, or may not be judged; `Unavailable`, `Corrupt`, `Crypto` and `Entropy` when it could not
    /// be judged: nobody may be let in then.
    ///
    /// # Cancel safety
    /// When dropped, the answer stays counted from the moment that it was, and its code used from the moment that it was taken.
    pub async fn answer(
        &self,
        tenant: &Tenant,
        challenge: &ChallengeId,
        purpose: &ChallengePurpose,
        binding: &Digest,
        answer: SecondFactorAnswer<'_>,
        device: Option<&KnownDevice>,
    ) -> Result<VerifiedFactor, Error> {
        let answered = self.answered(tenant, challenge, (purpose, binding), answer, device);
        self.0.metrics.note(answered.await)
    }

    async fn answered(
        &self,
        tenant: &Tenant,
        challenge: &ChallengeId,
        (purpose, binding): (&ChallengePurpose, &Digest),
        answer: SecondFactorAnswer<'_>,
        device: Option<&KnownDevice>,
    ) -> Result<VerifiedFactor, Error> {
        let asked = self.asked(tenant, challenge).await?;
        let subject = &asked.subject;
        self.unlocked(tenant, subject, device).await?;
        let asked = self.count_answer(&asked).await?;
        let is_for_this = asked.purpose == *purpose && asked.binding == *binding;
        if !is_for_this || asked.purpose.as_str() == Self::CONFIRM {
            return Err(refused(Reason::ChallengeUnknown));
        }
        let subject = &asked.subject;
        let counted = self.attempt(tenant, subject, &answer, device).await?;
        let shown = match answer {
            SecondFactorAnswer::Authenticator(code) => {
                self.judge_authenticators(tenant, subject, code).await?
            }
            SecondFactorAnswer::Delivered(code) => {
                self.judge_delivered(&asked, code, usable).await?
            }
            SecondFactorAnswer::Recovery(code) => {
                self.judge_recovery(tenant, subject, code).await?
            }
        };
        self.consume(&asked, shown.kind.as_str(), shown.code.as_ref())
            .await?;
        let shown = self.shown(tenant, subject, shown, counted).await?;
        Ok(VerifiedFactor {
            tenant: asked.tenant,
            subject: asked.subject,
            purpose: asked.purpose,
            binding: asked.binding,
            factor: shown.1,
            shown: shown.0,
            context: asked.context,
        })
    }

    /// Judges a code that was shown unasked: of an authenticator, or a recovery code. For a call that carries its code with it;
    /// there is no challenge, and nothing is sent.
    ///
    /// Counted for the subject, or for its known device, and for the authenticator, as [`answer`](Self::answer) is.
    ///
    /// # Errors
    /// As [`answer`](Self::answer). A code that was sent is refused: it is of a challenge.
    ///
    /// # Cancel safety
    /// As [`answer`](Self::answer).
    pub async fn verify(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        purpose: &ChallengePurpose,
        binding: &Digest,
        answer: SecondFactorAnswer<'_>,
        device: Option<&KnownDevice>,
    ) -> Result<VerifiedFactor, Error> {
        let verified = self.verified(tenant, subject, answer, device).await;
        let (shown, factor) = self.0.metrics.note(verified)?;
        Ok(VerifiedFactor {
            tenant: tenant.clone(),
            subject: subject.clone(),
            purpose: purpose.clone(),
            binding: *binding,
            factor,
            shown,
            context: Vec::new(),
        })
    }

    async fn verified(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        answer: SecondFactorAnswer<'_>,
        device: Option<&KnownDevice>,
    ) -> Result<(ShownFactor, Option<FactorId>), Error> {
        self.unlocked(tenant, subject, device).await?;
        let counted = self.attempt(tenant, subject, &answer, device).await?;
        let shown = match answer {
            SecondFactorAnswer::Authenticator(code) => {
                self.judge_authenticators(tenant, subject, code).await?
            }
            SecondFactorAnswer::Recovery(code) => {
                self.judge_recovery(tenant, subject, code).await?
            }
            SecondFactorAnswer::Delivered(_) => return Err(refused(Reason::ChallengeUnknown)),
        };
        self.shown(tenant, subject, shown, counted).await
    }

    async fn attempt(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        answer: &SecondFactorAnswer<'_>,
        device: Option<&KnownDevice>,
    ) -> Result<CountedAttempt, Error> {
        let whose = Whose::Subject(subject);
        let counted = self
            .0
            .lockout
            .attempt(tenant, whose, answer.kind(), device)
            .await?;
        counted.ok_or_else(|| refused(Reason::Locked))
    }

    /// It was right and is taken: clears what was counted, and tells of a recovery code.
    async fn shown(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        shown: Shown,
        counted: CountedAttempt,
    ) -> Result<(ShownFactor, Option<FactorId>), Error> {
        let at = self.0.clock.now();
        for attempt in shown.attempts.into_iter().chain([counted]) {
            let who = Actor::Subject(subject.clone());
            self.0.lockout.succeeded(attempt, who).await?;
        }
        if let Some(left) = shown.left {
            self.notify_now(tenant, subject, Notice::RecoveryCodeUsed { left })
                .await;
        }
        let kind = shown.kind;
        Ok((ShownFactor { kind, at }, shown.factor))
    }
}

/// A factor whose codes are good for any purpose.
fn usable(record: &FactorRecord) -> Result<(), Reason> {
    match record {
        _ if is_usable(record) => Ok(()),
        _ if record.disabled_at.is_some() => Err(Reason::FactorDisabled),
        _ => Err(Reason::FactorPending),
    }
}
