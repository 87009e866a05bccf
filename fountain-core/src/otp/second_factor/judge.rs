use super::sealed::Content;
use super::{SecondFactor, channel_of, is_usable, lack_of, refused};
use crate::audit::AuditAction;
use crate::clock::Timestamp;
use crate::error::{Error, Reason};
use crate::identity::{Actor, Subject, Tenant};
use crate::lockout::CountedAttempt;
use crate::otp::{
    ChallengeRecord, DeliveredCode, FactorId, FactorKind, FactorOutcome, FactorRecord, HotpOutcome,
    Notice, TotpOutcome, TotpStep,
};
use crate::secret::Digest;

/// What was shown, and is taken.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) kind: FactorKind,
    pub(super) factor: Option<FactorId>,
    /// The attempts that turned out right with it.
    pub(super) attempts: Vec<CountedAttempt>,
    /// The digest that the challenge is to be consumed with, when the code was sent for it.
    pub(super) code: Option<Digest>,
    /// How many recovery codes are left, when one was shown.
    pub(super) left: Option<u32>,
}

impl SecondFactor {
    /// Holds a code against each authenticator of the subject, and takes its step or counter.
    ///
    /// The code is one attempt at each that it is held against. If it is that of any, it was no failure of the others, and what was
    /// counted for them is cleared as well: else who has two would disable the one by using the other.
    pub(super) async fn judge_authenticators(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        code: &str,
    ) -> Result<Shown, Error> {
        let records = self.0.factors.list(tenant, subject).await?;
        let is_authenticator = |record: &FactorRecord| channel_of(record.kind).is_none();
        let usable: Vec<_> = records
            .iter()
            .filter(|record| is_usable(record) && is_authenticator(record))
            .collect();
        if usable.is_empty() {
            return Err(refused(lack_of(&records, is_authenticator)));
        }
        let mut reason = Reason::CodeWrong;
        let mut looked_at = Vec::new();
        for record in usable {
            let Some(attempt) = self.count_at(record).await? else {
                reason = Reason::FactorDisabled;
                continue;
            };
            looked_at.push((record, attempt));
            let content = self.open(record).await?.content;
            match judge(&content, record, code, self.0.clock.now()) {
                Err(why) => reason = worse(reason, why),
                Ok(mark) => match self.take(record, mark).await? {
                    Err(why) => reason = worse(reason, why),
                    Ok(()) => {
                        return Ok(Shown {
                            kind: record.kind,
                            factor: Some(record.id.clone()),
                            attempts: looked_at.into_iter().map(|(_, attempt)| attempt).collect(),
                            code: None,
                            left: None,
                        });
                    }
                },
            }
        }
        for (record, attempt) in looked_at {
            self.failed_at(record, &attempt).await?;
        }
        Err(refused(reason))
    }

    /// Holds a code against the one that was sent for the challenge. It is taken when the challenge is consumed.
    pub(super) async fn judge_delivered(
        &self,
        asked: &ChallengeRecord,
        code: &str,
        is_meant: fn(&FactorRecord) -> Result<(), Reason>,
    ) -> Result<Shown, Error> {
        let sent = asked
            .code
            .as_ref()
            .ok_or_else(|| refused(Reason::CodeWrong))?;
        let found = self
            .0
            .factors
            .find(&asked.tenant, &asked.subject, &sent.factor)
            .await?;
        let record = found.ok_or_else(|| refused(Reason::FactorUnknown))?;
        is_meant(&record).map_err(refused)?;
        let Some(attempt) = self.count_at(&record).await? else {
            return Err(refused(Reason::FactorDisabled));
        };
        let now = self.0.clock.now();
        let is_live = now < sent.expires_at && self.0.codes.is_live(sent.issued_at, now);
        let submitted = DeliveredCode::parse(code, self.0.codes.digits())
            .map(|code| code.digest(&self.0.pepper, &asked.id))
            .filter(|digest| digest.matches(&sent.digest));
        match submitted {
            Some(digest) if is_live => Ok(Shown {
                kind: record.kind,
                factor: Some(record.id),
                attempts: vec![attempt],
                code: Some(digest),
                left: None,
            }),
            right => {
                self.failed_at(&record, &attempt).await?;
                Err(refused(match right {
                    Some(_) => Reason::CodeExpired,
                    None => Reason::CodeWrong,
                }))
            }
        }
    }

    /// Counts an attempt at this factor, before it is judged; none when it has had as many as it may, and is disabled.
    pub(super) async fn count_at(
        &self,
        record: &FactorRecord,
    ) -> Result<Option<CountedAttempt>, Error> {
        let counted = self
            .0
            .lockout
            .attempt_at_authenticator(&record.tenant, &record.subject, record.id.as_str())
            .await?;
        if counted.is_none() {
            // Whoever counted the last one was dropped before it could.
            self.disable(record).await?;
        }
        Ok(counted)
    }

    /// The attempt was wrong: was it the last?
    pub(super) async fn failed_at(
        &self,
        record: &FactorRecord,
        attempt: &CountedAttempt,
    ) -> Result<(), Error> {
        if attempt.locked_until().is_some() {
            self.disable(record).await?;
        }
        Ok(())
    }

    async fn disable(&self, record: &FactorRecord) -> Result<(), Error> {
        let event = self
            .about_factor(record, Actor::System, AuditAction::FactorDisabled)?
            .detail("why", "too many attempts in a row");
        let now = event.at;
        let (tenant, subject) = (&record.tenant, &record.subject);
        let outcome = self
            .0
            .factors
            .disable(tenant, subject, &record.id, now, event)
            .await?;
        if outcome == FactorOutcome::Done && record.confirmed_at.is_some() {
            self.notify_now(tenant, subject, Notice::FactorDisabled)
                .await;
        }
        Ok(())
    }

    /// Takes a step or counter, once.
    pub(super) async fn take(
        &self,
        record: &FactorRecord,
        mark: u64,
    ) -> Result<Result<(), Reason>, Error> {
        let actor = Actor::Subject(record.subject.clone());
        let event = self.about_factor(record, actor, AuditAction::FactorUsed)?;
        let taken = self
            .0
            .factors
            .take(&record.tenant, &record.subject, &record.id, mark, event)
            .await?;
        Ok(outcome(taken))
    }
}

/// What a store said of a factor.
pub(super) fn outcome(outcome: FactorOutcome) -> Result<(), Reason> {
    Err(match outcome {
        FactorOutcome::Done => return Ok(()),
        FactorOutcome::Spent | FactorOutcome::AlreadyConfirmed => Reason::CodeReplayed,
        FactorOutcome::Pending | FactorOutcome::Expired => Reason::FactorPending,
        FactorOutcome::Disabled => Reason::FactorDisabled,
        FactorOutcome::NotFound => Reason::FactorUnknown,
    })
}

/// The mark that a code takes, or why it is none.
pub(super) fn judge(
    content: &Content,
    record: &FactorRecord,
    code: &str,
    now: Timestamp,
) -> Result<u64, Reason> {
    match content {
        Content::Totp(totp) => {
            // A step of 0 is of 1970: no step was taken yet.
            let last = (record.mark > 0).then(|| TotpStep::new(record.mark));
            match totp.verify(code, now, last) {
                TotpOutcome::Accepted { step } => Ok(step.number()),
                TotpOutcome::Replayed { .. } => Err(Reason::CodeReplayed),
                TotpOutcome::ClockBehind { last, now } => {
                    tracing::warn!(
                        factor = %record.id,
                        last = last.number(),
                        now = now.number(),
                        "the last step taken of a factor lies in the future: the clock of this node or of another has jumped"
                    );
                    Err(Reason::ClockBehind)
                }
                TotpOutcome::Wrong | TotpOutcome::Malformed => Err(Reason::CodeWrong),
            }
        }
        Content::Hotp(hotp) => match hotp.verify(code, record.mark) {
            HotpOutcome::Accepted { next } => Ok(next),
            HotpOutcome::Wrong | HotpOutcome::Malformed => Err(Reason::CodeWrong),
        },
        Content::Address(_) => Err(Reason::FactorUnknown),
    }
}

/// Of two reasons the one that tells an operator more.
fn worse(one: Reason, other: Reason) -> Reason {
    if one == Reason::CodeWrong { other } else { one }
}
