use std::time::Duration;

use super::judge::{judge, outcome};
use super::permit::Change;
use super::sealed::{Content, Sealed};
use super::{
    FactorMethod, IssuedChallenge, NewChallenge, SecondFactor, channel_of, is_second, refused,
};
use crate::audit::AuditAction;
use crate::error::{Error, ErrorKind, Reason, Rejection, RejectionKind};
use crate::identity::{Actor, Subject, Tenant};
use crate::lockout::{AttemptKind, CountedAttempt, IssueLimit, Whose};
use crate::otp::{
    ChallengeId, ChallengePurpose, Channel, FactorClass, FactorId, FactorKind, FactorRecord,
    HotpOutcome, Notice,
};
use crate::secret::Digest;

impl SecondFactor {
    /// Binds an authenticator by one good code, which counts as used. Its owner is told, at the addresses confirmed before.
    ///
    /// The code is an attempt like any other: counted for the subject and for the authenticator before it is looked at.
    ///
    /// # Errors
    /// `Refused` when the code is not good or may not be judged, when the factor is unknown, disabled or was not confirmed in time,
    /// and with [`StepUpRequired`](crate::RejectionKind::StepUpRequired) when it was begun without a step-up and another second factor
    /// was confirmed since, and with [`RateLimited`](RejectionKind::RateLimited) when another one was about to be, within a minute;
    /// `Conflict` when it is confirmed already; `InvalidInput` for an address; `Unavailable`, `Corrupt`, `Crypto`,
    /// `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the attempt stays counted, and the factor is confirmed with its code taken, or neither.
    pub async fn confirm(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        factor: &FactorId,
        code: &str,
    ) -> Result<(), Error> {
        let confirmed = self.confirmed(tenant, subject, factor, code).await;
        let before = self.0.metrics.note(confirmed)?;
        self.notify(&before, Notice::FactorConfirmed).await;
        Ok(())
    }

    async fn confirmed(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        factor: &FactorId,
        code: &str,
    ) -> Result<Vec<FactorRecord>, Error> {
        self.unlocked(tenant, subject, None).await?;
        let counted = self.attempt_to_confirm(tenant, subject).await?;
        let record = self.pending(tenant, subject, factor).await?;
        if channel_of(record.kind).is_some() {
            return Err(Error::invalid(
                "factor",
                "an address is confirmed by a code that was sent there: use `confirm_address`",
            ));
        }
        let Some(attempt) = self.count_at(&record).await? else {
            return Err(refused(Reason::FactorDisabled));
        };
        let sealed = self.open(&record).await?;
        let before = self.may_confirm(&record, &sealed).await?;
        match judge(&sealed.content, &record, code, self.0.clock.now()) {
            Ok(mark) => {
                self.claim_first(&record, &sealed).await?;
                self.bind(&record, mark).await?;
            }
            Err(reason) => {
                self.failed_at(&record, &attempt).await?;
                return Err(refused(reason));
            }
        }
        self.right(subject, [attempt, counted]).await?;
        Ok(before)
    }

    /// Asks for the code that confirms an address: send it with [`send_code`](Self::send_code), by the purpose
    /// [`confirm_purpose`](Self::confirm_purpose), and hand it to [`confirm_address`](Self::confirm_address).
    ///
    /// # Errors
    /// `Refused` when the factor is unknown, disabled, or was not confirmed in time; `Conflict` when it is confirmed already;
    /// `InvalidInput` for an authenticator; `Unavailable`, `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the challenge was stored or was not; nobody knows its id.
    pub async fn challenge_to_confirm(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        factor: &FactorId,
    ) -> Result<IssuedChallenge, Error> {
        let record = self.pending(tenant, subject, factor).await?;
        let method = match channel_of(record.kind) {
            Some(Channel::Sms) => FactorMethod::Sms,
            Some(Channel::Email) => FactorMethod::Email,
            None => {
                return Err(Error::invalid(
                    "factor",
                    "an authenticator is confirmed by its own code: use `confirm`",
                ));
            }
        };
        let new = NewChallenge {
            tenant: tenant.clone(),
            subject: subject.clone(),
            purpose: Self::confirm_purpose()?,
            binding: Self::confirmation_of(factor),
            context: Vec::new(),
        };
        self.issue(new, vec![method]).await
    }

    /// Binds an address by the code that was sent there. Its owner is told, at the addresses confirmed before.
    ///
    /// # Errors
    /// As [`answer`](Self::answer) when the challenge or the code is not good, and as [`confirm`](Self::confirm).
    ///
    /// # Cancel safety
    /// When dropped, the attempt stays counted; the code may be used while the address is still pending: ask for another.
    pub async fn confirm_address(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        challenge: &ChallengeId,
        code: &str,
    ) -> Result<(), Error> {
        let confirmed = self.address_confirmed(tenant, subject, challenge, code);
        let before = self.0.metrics.note(confirmed.await)?;
        self.notify(&before, Notice::FactorConfirmed).await;
        Ok(())
    }

    async fn address_confirmed(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        challenge: &ChallengeId,
        code: &str,
    ) -> Result<Vec<FactorRecord>, Error> {
        let asked = self.asked(tenant, challenge).await?;
        self.unlocked(tenant, &asked.subject, None).await?;
        let asked = self.count_answer(&asked).await?;
        if asked.subject != *subject || asked.purpose.as_str() != Self::CONFIRM {
            return Err(refused(Reason::ChallengeUnknown));
        }
        let counted = self.attempt_to_confirm(tenant, subject).await?;
        let shown = self.judge_delivered(&asked, code, is_pending).await?;
        let factor = shown
            .factor
            .filter(|factor| Self::confirmation_of(factor) == asked.binding)
            .ok_or_else(|| refused(Reason::ChallengeUnknown))?;
        let record = self.pending(tenant, subject, &factor).await?;
        let sealed = self.open(&record).await?;
        let before = self.may_confirm(&record, &sealed).await?;
        self.claim_first(&record, &sealed).await?;
        self.consume(&asked, record.kind.as_str(), shown.code.as_ref())
            .await?;
        self.bind(&record, 0).await?;
        self.right(subject, shown.attempts.into_iter().chain([counted]))
            .await?;
        Ok(before)
    }

    /// Brings back a token whose button was pressed more often than is looked ahead, by two of its codes one after the other.
    ///
    /// Counted like any attempt, and both codes count as used; it shows the factor for no purpose.
    ///
    /// # Errors
    /// `Refused` when the codes are not good or may not be judged; `InvalidInput` when the factor has no counter; `Unavailable`,
    /// `Corrupt`, `Crypto`, `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the attempt stays counted, and both codes are used or neither.
    pub async fn resynchronise(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        factor: &FactorId,
        first: &str,
        second: &str,
    ) -> Result<(), Error> {
        let done = self.resynchronised(tenant, subject, factor, (first, second));
        self.0.metrics.note(done.await)
    }

    async fn resynchronised(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        factor: &FactorId,
        (first, second): (&str, &str),
    ) -> Result<(), Error> {
        self.unlocked(tenant, subject, None).await?;
        let counted = self.attempt_to_confirm(tenant, subject).await?;
        let found = self.0.factors.find(tenant, subject, factor).await?;
        let record = found.ok_or_else(|| refused(Reason::FactorUnknown))?;
        if record.kind != FactorKind::Hotp {
            return Err(Error::invalid(
                "factor",
                "only a token with a counter runs ahead",
            ));
        }
        let Some(attempt) = self.count_at(&record).await? else {
            return Err(refused(Reason::FactorDisabled));
        };
        let Content::Hotp(hotp) = self.open(&record).await?.content else {
            return Err(Error::new(ErrorKind::Corrupt));
        };
        match hotp.resynchronise(first, second, record.mark) {
            HotpOutcome::Accepted { next } => self.take(&record, next).await?.map_err(refused)?,
            HotpOutcome::Wrong | HotpOutcome::Malformed => {
                self.failed_at(&record, &attempt).await?;
                return Err(refused(Reason::CodeWrong));
            }
        }
        self.right(subject, [attempt, counted]).await
    }

    /// The purpose of challenges that confirm an address: `factors:confirm`.
    ///
    /// # Errors
    /// None that can happen: the text is a purpose.
    pub fn confirm_purpose() -> Result<ChallengePurpose, Error> {
        ChallengePurpose::new(Self::CONFIRM)
    }

    /// What a challenge that confirms this factor is bound to.
    pub(super) fn confirmation_of(factor: &FactorId) -> Digest {
        Digest::of(format!("fountain factor confirmation 1:{factor}").as_bytes())
    }

    async fn attempt_to_confirm(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<CountedAttempt, Error> {
        let whose = Whose::Subject(subject);
        let counted = self
            .0
            .lockout
            .attempt(tenant, whose, AttemptKind::Otp, None)
            .await?;
        counted.ok_or_else(|| refused(Reason::Locked))
    }

    /// The factor, if it can be confirmed now.
    async fn pending(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        factor: &FactorId,
    ) -> Result<FactorRecord, Error> {
        let found = self.0.factors.find(tenant, subject, factor).await?;
        let record = found.ok_or_else(|| refused(Reason::FactorUnknown))?;
        if record.disabled_at.is_some() {
            Err(refused(Reason::FactorDisabled))
        } else if record.confirmed_at.is_some() {
            Err(Error::new(ErrorKind::Conflict("the factor is confirmed")))
        } else if self.0.clock.now() >= record.confirm_by {
            Err(refused(Reason::FactorPending))
        } else {
            Ok(record)
        }
    }

    /// Who began this before there was any second factor has shown none: once there is one, it is to be shown first. Else whoever had
    /// a session for a moment could bind a factor of its own long after. Gives the factors as they stand before.
    async fn may_confirm(
        &self,
        record: &FactorRecord,
        sealed: &Sealed,
    ) -> Result<Vec<FactorRecord>, Error> {
        let (tenant, subject) = (&record.tenant, &record.subject);
        let records = self.0.factors.list(tenant, subject).await?;
        if !sealed.is_proven && records.iter().any(is_second) {
            let change = Change {
                tenant,
                subject,
                action: Self::ENROL,
                resource: None,
                life: self.0.step_up_life,
            };
            return Err(change.needs_step_up(Reason::GrantMissing));
        }
        Ok(records)
    }

    /// Of the second factors that nobody stepped up for, and that are confirmed at the same moment, one is bound: who takes the one
    /// claim in a minute, which is one step of a store, looks once more, and nobody else goes on. A call of a store ends long before
    /// that minute does.
    async fn claim_first(&self, record: &FactorRecord, sealed: &Sealed) -> Result<(), Error> {
        if sealed.is_proven || record.kind.class() != Some(FactorClass::Possession) {
            return Ok(());
        }
        let (tenant, subject) = (&record.tenant, &record.subject);
        let limit = IssueLimit {
            label: "first factor of",
            of: subject.as_str(),
            limit: 1,
            window: Duration::from_secs(60),
        };
        let what = "first factor";
        let taken = self.0.lockout.take(tenant, subject, what, &[limit]).await?;
        let Some(until) = taken else {
            return self.may_confirm(record, sealed).await.map(drop);
        };
        let retry_after = until.since(self.0.clock.now()).max(Duration::from_secs(1));
        let kind = RejectionKind::RateLimited { retry_after };
        Err(Rejection::new(kind, Reason::QuotaExceeded).into())
    }

    async fn bind(&self, record: &FactorRecord, mark: u64) -> Result<(), Error> {
        let actor = Actor::Subject(record.subject.clone());
        let event = self.about_factor(record, actor, AuditAction::FactorConfirmed)?;
        let now = event.at;
        let bound = self
            .0
            .factors
            .confirm(
                &record.tenant,
                &record.subject,
                &record.id,
                mark,
                now,
                event,
            )
            .await?;
        outcome(bound).map_err(refused)
    }

    async fn right(
        &self,
        subject: &Subject,
        attempts: impl IntoIterator<Item = CountedAttempt, IntoIter: Send>,
    ) -> Result<(), Error> {
        for attempt in attempts {
            let who = Actor::Subject(subject.clone());
            self.0.lockout.succeeded(attempt, who).await?;
        }
        Ok(())
    }
}

/// A factor whose code confirms it.
fn is_pending(record: &FactorRecord) -> Result<(), Reason> {
    match record {
        _ if record.disabled_at.is_some() => Err(Reason::FactorDisabled),
        _ if record.confirmed_at.is_some() => Err(Reason::CodeReplayed),
        _ => Ok(()),
    }
}
