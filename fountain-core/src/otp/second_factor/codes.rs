use std::sync::Arc;
use std::time::Duration;

use super::{SecondFactor, channel_of, is_usable, lack_of, refused};
use crate::audit::AuditAction;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Reason, Rejection, RejectionKind};
use crate::identity::{Actor, Tenant};
use crate::lockout::KnownDevice;
use crate::metrics::{Labelled, Metric};
use crate::otp::{
    ChallengeId, ChallengePurpose, ChallengeRecord, Channel, DeliveredCode, DeliveryAddress,
    DeliveryContent, DeliveryErrorKind, DeliveryMessage, FactorRecord, OtpDelivery, PendingCode,
};

use super::challenge::done;

/// A code that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentCode {
    /// The challenge that it answers.
    pub challenge: ChallengeId,
    /// How it was sent.
    pub channel: Channel,
    /// Where to: enough for its owner to know it again.
    pub to_masked: String,
    /// It is not good from this instant on.
    pub expires_at: Timestamp,
}

impl SecondFactor {
    /// Sends a code for a challenge: to the address that was confirmed last on this channel, or to the one that the challenge is to
    /// confirm. A code that was sent before for the challenge is good no more, and what was counted stays counted.
    ///
    /// In this order: the challenge can still be answered, no lock stands, there is an address; one is taken of each budget
    /// the code's digest is stored; the carrier is asked.
    ///
    /// # Errors
    /// `Refused`: with [`RateLimited`](RejectionKind::RateLimited) and the time to wait when a budget is used up, and as an answer to
    /// the challenge would be refused else. `Unavailable` when the carrier did not, or not surely, take the message: the code stands,
    /// since it may have arrived, and nothing is sent again by itself. `Unavailable`, `Corrupt`, `Crypto`, `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the budget may be spent and the code may be on its way; the one before it may be good no more.
    pub async fn send_code(
        &self,
        tenant: &Tenant,
        challenge: &ChallengeId,
        purpose: &ChallengePurpose,
        channel: Channel,
        device: Option<&KnownDevice>,
    ) -> Result<SentCode, Error> {
        let asked = self.asked(tenant, challenge).await?;
        if asked.purpose != *purpose {
            return Err(refused(Reason::ChallengeUnknown));
        }
        self.unlocked(tenant, &asked.subject, device).await?;
        if asked.consumed_at.is_some() || self.0.clock.now() >= asked.expires_at {
            return Err(refused(Reason::ChallengeEnded));
        }
        if asked.attempts >= asked.attempt_limit {
            return Err(refused(Reason::ChallengeExhausted));
        }
        let (record, delivery) = self.receiver(&asked, channel).await?;
        let content = self.open(&record).await?;
        let to = content
            .address()
            .ok_or_else(|| Error::new(ErrorKind::Corrupt))?;
        self.spend(&asked, to).await?;

        let code = DeliveredCode::generate(&*self.0.random, self.0.codes.digits())?;
        let now = self.0.clock.now();
        let expires_at = self.0.codes.expires_at(now).min(asked.expires_at);
        let pending = PendingCode {
            factor: record.id.clone(),
            digest: code.digest(&self.0.pepper, &asked.id),
            issued_at: now,
            expires_at,
        };
        let event = self
            .about(&asked, Actor::Anonymous, AuditAction::CodeIssued)?
            .detail("channel", channel.as_str())
            .detail("factor", &record.id);
        // Its id is drawn anew for each code, so it names this message and no other.
        let id = event.id.as_str().to_owned();
        done(
            self.0
                .challenges
                .put_code(tenant, &asked.id, pending, now, event)
                .await?,
        )?;
        let message = DeliveryMessage {
            id,
            tenant: tenant.clone(),
            to: to.clone(),
            content: DeliveryContent::Code {
                code,
                purpose: asked.purpose.clone(),
                life: expires_at.since(now),
                expires_at,
            },
        };
        match delivery.deliver(&message).await {
            Ok(_) => self.0.metrics.codes.delivered(),
            Err(error) => {
                self.0.metrics.codes.failed(error.kind());
                return Err(Error::with_source(ErrorKind::Unavailable, error));
            }
        }
        Ok(SentCode {
            challenge: asked.id,
            channel,
            to_masked: to.masked(),
            expires_at,
        })
    }

    /// The factor that a code is sent to, and who carries it there.
    async fn receiver(
        &self,
        asked: &ChallengeRecord,
        channel: Channel,
    ) -> Result<(FactorRecord, &Arc<dyn OtpDelivery>), Error> {
        let delivery = self.0.delivery.as_ref();
        let delivery = delivery
            .filter(|delivery| delivery.carries(channel))
            .ok_or_else(|| refused(Reason::FactorUnknown))?;
        let records = self.0.factors.list(&asked.tenant, &asked.subject).await?;
        let is_on_channel = |record: &FactorRecord| channel_of(record.kind) == Some(channel);
        let found = if asked.purpose.as_str() == Self::CONFIRM {
            let now = self.0.clock.now();
            records.iter().find(|record| {
                is_on_channel(record)
                    && Self::confirmation_of(&record.id) == asked.binding
                    && record.confirmed_at.is_none()
                    && record.disabled_at.is_none()
                    && now < record.confirm_by
            })
        } else {
            records
                .iter()
                .filter(|record| is_on_channel(record) && is_usable(record))
                .max_by_key(|record| record.confirmed_at)
        };
        match found {
            Some(record) => Ok((record.clone(), delivery)),
            None => Err(refused(lack_of(&records, is_on_channel))),
        }
    }

    /// Takes one of each budget, or refuses.
    async fn spend(&self, asked: &ChallengeRecord, to: &DeliveryAddress) -> Result<(), Error> {
        let of = to.canonical();
        let limits = self.0.budgets.of_code(&of, &asked.subject);
        let taken = self
            .0
            .lockout
            .take(&asked.tenant, &asked.subject, "code", &limits)
            .await?;
        let Some(until) = taken else {
            return Ok(());
        };
        self.0.metrics.codes.limited();
        // Of at least a second: a client that is told 0 comes back at once.
        let retry_after = until.since(self.0.clock.now()).max(Duration::from_secs(1));
        let kind = RejectionKind::RateLimited { retry_after };
        Err(Rejection::new(kind, Reason::QuotaExceeded).into())
    }
}

/// A counter of messages by what became of them.
#[derive(Debug)]
pub(super) struct Carried(Labelled);

impl Carried {
    const OUTCOMES: usize = 9;

    pub(super) fn new(metric: Metric) -> Self {
        Self(Labelled::new(metric, Self::OUTCOMES))
    }

    pub(super) fn delivered(&self) {
        self.0.increment(0, "delivered");
    }

    pub(super) fn limited(&self) {
        self.0.increment(1, "limited");
    }

    pub(super) fn no_address(&self) {
        self.0.increment(2, "no_address");
    }

    /// Before the carrier was asked.
    pub(super) fn not_sent(&self) {
        self.0.increment(3, "failed");
    }

    pub(super) fn failed(&self, kind: DeliveryErrorKind) {
        let (index, label) = match kind {
            DeliveryErrorKind::Refused => (4, "refused"),
            DeliveryErrorKind::Unavailable => (5, "unavailable"),
            DeliveryErrorKind::Unknown => (6, "unknown"),
            DeliveryErrorKind::Misconfigured => (7, "misconfigured"),
            DeliveryErrorKind::Channel => (8, "channel"),
        };
        self.0.increment(index, label);
    }
}
