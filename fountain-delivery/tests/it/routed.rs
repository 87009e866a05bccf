use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fountain_core::otp::{
    Channel, DeliveryError, DeliveryErrorKind, DeliveryMessage, DeliveryReceipt, OtpDelivery,
};
use fountain_delivery::Routed;

use crate::conformance::{carries_only, code, deliver};

/// Carries one channel, and fails at it.
#[derive(Debug, Clone)]
struct Failing(Channel, Arc<Mutex<usize>>);

#[async_trait]
impl OtpDelivery for Failing {
    fn carries(&self, channel: Channel) -> bool {
        channel == self.0
    }
    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        if message.id.len() != 24 {
            return Err(DeliveryErrorKind::Misconfigured.into());
        }
        *self.1.lock().unwrap() += 1;
        Err(DeliveryErrorKind::Unknown.into())
    }
}

fn failing(channel: Channel) -> Failing {
    Failing(channel, Arc::default())
}

/// F-38: no second code by another way.
#[tokio::test]
async fn each_channel_has_its_adapter_and_none_stands_in_for_another() {
    let (sms, email) = (failing(Channel::Sms), failing(Channel::Email));
    let both = Routed::builder()
        .route(Channel::Sms, sms.clone())
        .route_shared(Channel::Email, Arc::new(email.clone()))
        .build()
        .unwrap();
    carries_only(&both, Channel::ALL).await;
    let outcome = deliver(&both, &code(Channel::Sms)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Unknown));
    assert_eq!((*sms.1.lock().unwrap(), *email.1.lock().unwrap()), (1, 0));

    let one = Routed::builder()
        .route(Channel::Email, email)
        .build()
        .unwrap();
    carries_only(&one, &[Channel::Email]).await;
}

#[test]
fn routes_that_lead_nowhere_are_refused() {
    let said = |builder: fountain_delivery::RoutedBuilder| builder.build().unwrap_err().to_string();
    assert!(said(Routed::builder()).contains("at least one channel"));
    let twice = Routed::builder()
        .route(Channel::Sms, failing(Channel::Sms))
        .route(Channel::Sms, failing(Channel::Sms));
    assert!(said(twice).contains("one adapter for each"));
    let wrong = Routed::builder().route(Channel::Sms, failing(Channel::Email));
    assert!(said(wrong).contains("carries this channel"));
}
