use std::sync::Arc;

use async_trait::async_trait;
use fountain_core::otp::{
    Channel, DeliveryError, DeliveryErrorKind, DeliveryMessage, DeliveryReceipt, OtpDelivery,
};
use fountain_core::{ConfigError, ConfigErrors};

/// Sends each channel's messages to the adapter that was named for it, and to no other.
///
/// There is no second try by another adapter: who did not answer may have sent the message (contract B).
///
/// ```
/// use fountain_core::otp::{Channel, OtpDelivery};
/// use fountain_delivery::Routed;
/// use fountain_delivery::danger::InsecureConsole;
///
/// let routed = Routed::builder().route(Channel::Email, InsecureConsole::to_stdout()).build()?;
/// assert!(routed.carries(Channel::Email));
/// assert!(!routed.carries(Channel::Sms));
///
/// assert!(Routed::builder().build().is_err());
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
#[derive(Debug, Clone)]
pub struct Routed {
    routes: Vec<(Channel, Arc<dyn OtpDelivery>)>,
}

/// Builds a [`Routed`].
#[derive(Debug, Clone, Default)]
pub struct RoutedBuilder {
    routes: Vec<(Channel, Arc<dyn OtpDelivery>)>,
}

impl Routed {
    /// Starts without a route.
    #[must_use]
    pub fn builder() -> RoutedBuilder {
        RoutedBuilder::default()
    }

    fn route(&self, channel: Channel) -> Option<&dyn OtpDelivery> {
        let (_, adapter) = self.routes.iter().find(|(of, _)| *of == channel)?;
        Some(&**adapter)
    }
}

impl RoutedBuilder {
    /// Messages of this channel go to this adapter.
    #[must_use]
    pub fn route(self, channel: Channel, adapter: impl OtpDelivery) -> Self {
        self.route_shared(channel, Arc::new(adapter))
    }

    /// As [`route`](Self::route), for an adapter that is used elsewhere too.
    #[must_use]
    pub fn route_shared(mut self, channel: Channel, adapter: Arc<dyn OtpDelivery>) -> Self {
        self.routes.push((channel, adapter));
        self
    }

    /// Builds it.
    ///
    /// # Errors
    /// When there is no route, two of one channel, or one to an adapter that does not carry its channel.
    pub fn build(self) -> Result<Routed, ConfigErrors> {
        let mut errors = Vec::new();
        let mut refuse = |hint| {
            errors.push(ConfigError::Invalid {
                setting: "route",
                hint,
            });
        };
        if self.routes.is_empty() {
            refuse("name the adapter of at least one channel");
        }
        for (at, (channel, adapter)) in self.routes.iter().enumerate() {
            if self.routes.iter().take(at).any(|(of, _)| of == channel) {
                refuse("name one adapter for each channel");
            }
            if !adapter.carries(*channel) {
                refuse("name an adapter that carries this channel");
            }
        }
        ConfigErrors::from_iter(errors).into_result()?;
        Ok(Routed {
            routes: self.routes,
        })
    }
}

#[async_trait]
impl OtpDelivery for Routed {
    fn carries(&self, channel: Channel) -> bool {
        self.route(channel).is_some()
    }

    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        match self.route(message.to.channel()) {
            Some(adapter) => adapter.deliver(message).await,
            None => Err(DeliveryErrorKind::Channel.into()),
        }
    }
}
