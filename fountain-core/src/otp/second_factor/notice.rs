use super::{SecondFactor, channel_of, is_usable};
use crate::error::{Error, ErrorKind};
use crate::identity::{Subject, Tenant};
use crate::otp::{
    Channel, DeliveryContent, DeliveryErrorKind, DeliveryMessage, FactorRecord, Notice,
};
use crate::text::random_id;

/// What became of a notice that was not simply sent.
enum Unsent {
    NoAddress,
    Limited,
    Failed(DeliveryErrorKind),
}

impl SecondFactor {
    /// Tells a subject of what was done: at its confirmed mailbox, and else at its confirmed phone. As well as can be: the
    /// act is done, and is not undone because nobody could be told.
    pub(super) async fn notify(&self, tenant: &Tenant, subject: &Subject, notice: Notice) {
        let metrics = &self.0.metrics.notices;
        match self.told(tenant, subject, notice).await {
            Ok(Ok(())) => metrics.delivered(),
            Ok(Err(Unsent::NoAddress)) => metrics.no_address(),
            Ok(Err(Unsent::Limited)) => metrics.limited(),
            Ok(Err(Unsent::Failed(kind))) => metrics.failed(kind),
            Err(error) => {
                tracing::warn!(error = %error, "a notice was not sent");
                metrics.not_sent();
            }
        }
    }

    async fn told(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        notice: Notice,
    ) -> Result<Result<(), Unsent>, Error> {
        let Some(delivery) = &self.0.delivery else {
            return Ok(Err(Unsent::NoAddress));
        };
        let records = self.0.factors.list(tenant, subject).await?;
        let on = |channel| {
            let is_on_channel = |record: &&FactorRecord| {
                is_usable(record) && channel_of(record.kind) == Some(channel)
            };
            let found = records.iter().filter(is_on_channel);
            found
                .max_by_key(|record| record.confirmed_at)
                .filter(|_| delivery.carries(channel))
        };
        let Some(record) = on(Channel::Email).or_else(|| on(Channel::Sms)) else {
            return Ok(Err(Unsent::NoAddress));
        };
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
