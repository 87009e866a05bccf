use super::{FactorMethod, SecondFactor, lack_of, refused};
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Reason};
use crate::identity::{Actor, Subject, Tenant};
use crate::otp::{ChallengeId, ChallengeOutcome, ChallengePurpose, ChallengeRecord};
use crate::secret::Digest;

/// A question for a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChallenge {
    /// In which tenant.
    pub tenant: Tenant,
    /// Who is asked.
    pub subject: Subject,
    /// What for.
    pub purpose: ChallengePurpose,
    /// The digest of what else the answer is bound to: a session, an act, a resource.
    pub binding: Digest,
    /// What is to come back with the answer, as bytes: at most 4,096, and no secret.
    pub context: Vec<u8>,
}

/// A question that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedChallenge {
    /// Its id, to be given with the answer.
    pub id: ChallengeId,
    /// How it can be answered: at least one way.
    pub methods: Vec<FactorMethod>,
    /// It cannot be answered from this instant on.
    pub expires_at: Timestamp,
}

impl SecondFactor {
    /// The purpose of challenges that confirm an address. No other challenge may have it.
    pub(super) const CONFIRM: &str = "factors:confirm";
    const MAX_CONTEXT: usize = 4_096;

    /// Asks a subject for a second factor.
    ///
    /// # Errors
    /// `Refused` when the subject has no way to answer: it has no factor, or those that it has are pending or disabled.
    /// `InvalidInput` when the context is too long or the purpose is `factors:confirm`; `Unavailable`, `Corrupt`, `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the challenge was stored or was not; nobody knows its id.
    pub async fn challenge(&self, new: NewChallenge) -> Result<IssuedChallenge, Error> {
        if new.purpose.as_str() == Self::CONFIRM {
            return Err(Error::invalid(
                "challenge purpose",
                "factors:confirm is for the confirmation of addresses: use `challenge_to_confirm`",
            ));
        }
        if new.context.len() > Self::MAX_CONTEXT {
            return Err(Error::invalid(
                "challenge context",
                "give at most 4,096 bytes",
            ));
        }
        let records = self.0.factors.list(&new.tenant, &new.subject).await?;
        let methods = self.methods_of(&new.tenant, &new.subject, &records).await?;
        if methods.is_empty() {
            return Err(refused(lack_of(&records, |_| true)));
        }
        self.issue(new, methods).await
    }

    /// Stores a new challenge.
    pub(super) async fn issue(
        &self,
        new: NewChallenge,
        methods: Vec<FactorMethod>,
    ) -> Result<IssuedChallenge, Error> {
        let now = self.0.clock.now();
        let record = ChallengeRecord {
            id: ChallengeId::generate(&*self.0.random)?,
            tenant: new.tenant,
            subject: new.subject,
            purpose: new.purpose,
            binding: new.binding,
            context: new.context,
            created_at: now,
            expires_at: now + self.0.challenge_life,
            attempts: 0,
            attempt_limit: self.0.attempts,
            code: None,
            consumed_at: None,
        };
        let event = self
            .about(&record, Actor::Anonymous, AuditAction::ChallengeIssued)?
            .detail("purpose", &record.purpose);
        let issued = IssuedChallenge {
            id: record.id.clone(),
            methods,
            expires_at: record.expires_at,
        };
        if self.0.challenges.insert(record, event).await? {
            Ok(issued)
        } else {
            Err(Error::new(ErrorKind::Conflict(
                "a challenge of this id exists",
            )))
        }
    }

    /// The challenge of this tenant, or a refusal.
    pub(super) async fn asked(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<ChallengeRecord, Error> {
        let found = self.0.challenges.find(tenant, id).await?;
        found.ok_or_else(|| refused(Reason::ChallengeUnknown))
    }

    /// Who is asked by a challenge of this tenant.
    pub(crate) async fn asked_subject(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<Option<Subject>, Error> {
        let found = self.0.challenges.find(tenant, id).await?;
        Ok(found.map(|record| record.subject))
    }

    /// Counts an answer to it; gives the challenge as it stands then.
    pub(super) async fn count_answer(
        &self,
        asked: &ChallengeRecord,
    ) -> Result<ChallengeRecord, Error> {
        let event = self.about(asked, Actor::Anonymous, AuditAction::ChallengeAttempted)?;
        let (tenant, now) = (&asked.tenant, event.at);
        done(
            self.0
                .challenges
                .count(tenant, &asked.id, now, event)
                .await?,
        )
    }

    /// Takes it, once.
    pub(super) async fn consume(
        &self,
        asked: &ChallengeRecord,
        kind: &'static str,
        code: Option<&Digest>,
    ) -> Result<(), Error> {
        let actor = Actor::Subject(asked.subject.clone());
        let event = self
            .about(asked, actor, AuditAction::ChallengeAnswered)?
            .detail("kind", kind);
        let (tenant, now) = (&asked.tenant, event.at);
        let consumed = self
            .0
            .challenges
            .consume(tenant, &asked.id, code, now, event)
            .await?;
        done(consumed).map(drop)
    }

    pub(super) fn about(
        &self,
        asked: &ChallengeRecord,
        actor: Actor,
        action: AuditAction,
    ) -> Result<AuditEvent, Error> {
        Ok(self
            .event(&asked.tenant, actor, action)?
            .target("challenge", &asked.id)
            .detail("subject", &asked.subject))
    }
}

/// The challenge that was changed, or why it could not be answered.
pub(super) fn done(outcome: ChallengeOutcome) -> Result<ChallengeRecord, Error> {
    Err(refused(match outcome {
        ChallengeOutcome::Done(record) => return Ok(*record),
        ChallengeOutcome::Superseded => Reason::CodeExpired,
        ChallengeOutcome::Exhausted => Reason::ChallengeExhausted,
        ChallengeOutcome::Expired | ChallengeOutcome::Consumed => Reason::ChallengeEnded,
        ChallengeOutcome::NotFound => Reason::ChallengeUnknown,
    }))
}
