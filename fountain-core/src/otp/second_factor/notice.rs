use super::{SecondFactor, channel_of, is_usable};
use crate::error::{Error, ErrorKind};
use crate::identity::{Subject, Tenant};
use crate::otp::{
    Channel, DeliveryContent, DeliveryErrorKind, DeliveryMessage, FactorRecord, Notice, OtpDelivery,
};
use crate::text::random_id;

/// What became of a notice that was not simply sent.
enum Unsent {
    Limited,
    Failed(DeliveryErrorKind),
}

impl SecondFactor {
    /// Tells a subject of what was done: at each mailbox that was confirmed before it was, and where there is none at each
    /// phone. So nobody keeps a person from hearing of something by adding or removing an address. As well as can be: the act is
    /// done, and is not undone because nobody could be told.
    pub(super) async fn notify(&self, before: &[FactorRecord], notice: Notice) {
        let on = |channel| -> Vec<_> {
            let is_there = |record: &&FactorRecord| {
                is_usable(record) && channel_of(record.kind) == Some(channel)
            };
            let there = before.iter().filter(is_there);
            there.filter(|_| self.carries(channel)).collect()
        };
        let mut receivers = on(Channel::Email);
        if receivers.is_empty() {
            receivers = on(Channel::Sms);
        }
        let metrics = &self.0.metrics.notices;
        let Some(delivery) = self.0.delivery.as_ref().filter(|_| !receivers.is_empty()) else {
            return metrics.no_address();
        };
        for record in receivers {
            match self.tell(&**delivery, record, notice).await {
                Ok(Ok(())) => metrics.delivered(),
                Ok(Err(Unsent::Limited)) => metrics.limited(),
                Ok(Err(Unsent::Failed(kind))) => metrics.failed(kind),
                Err(error) => {
                    tracing::warn!(error = %error, "a notice was not sent");
                    metrics.not_sent();
                }
            }
        }
    }

    /// As [`notify`](Self::notify), at the addresses that are confirmed now.
    pub(super) async fn notify_now(&self, tenant: &Tenant, subject: &Subject, notice: Notice) {
        match self.0.factors.list(tenant, subject).await {
            Ok(records) => self.notify(&records, notice).await,
            Err(error) => {
                tracing::warn!(error = %error, "a notice was not sent");
                self.0.metrics.notices.not_sent();
            }
        }
    }

    async fn tell(
        &self,
        delivery: &dyn OtpDelivery,
        record: &FactorRecord,
        notice: Notice,
    ) -> Result<Result<(), Unsent>, Error> {
        let (tenant, subject) = (&record.tenant, &record.subject);
        let content = self.open(record).await?;
        let to = content
            .address()
            .ok_or_else(|| Error::new(ErrorKind::Corrupt))?;
        let of = to.canonical();
        let limits = self.0.budgets.of_notice(&of, subject);
        let taken = self.0.lockout.take(tenant, subject, "notice", &limits);
        if taken.await?.is_some() {
            return Ok(Err(Unsent::Limited));
        }
        let message = DeliveryMessage {
            id: random_id::<16>(&*self.0.random)?,
            tenant: tenant.clone(),
            to: to.clone(),
            content: DeliveryContent::Notice(notice),
        };
        let delivered = delivery.deliver(&message).await;
        Ok(match delivered {
            Ok(_) => Ok(()),
            Err(error) => Err(Unsent::Failed(error.kind())),
        })
    }
}
