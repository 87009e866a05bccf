//! Codes handed to a service of the host's own, as signed JSON: [`Webhook`] sends, [`verify`] is for who receives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fountain_core::otp::{
    Channel, DeliveryContent, DeliveryError, DeliveryErrorKind, DeliveryMessage, DeliveryReceipt,
    Notice, OtpDelivery,
};
use fountain_core::{Clock, ConfigErrors, SystemClock};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, StatusCode, Url};
use serde_json::json;

use crate::check::{Mistake, bounded, misconfigured, takes};
use crate::console::word;
use crate::http::{self, Transport};

mod signature;
pub use signature::{TOLERANCE, WebhookRefused, WebhookSecret, WebhookSecrets, verify};

/// POSTs each message as JSON to a service of the host's own, which puts it into words and sends it on.
///
/// The body is that of [Standard Webhooks](https://www.standardwebhooks.com/):
///
/// ```json
/// {"type": "otp.code", "timestamp": "2030-01-01T00:00:00Z",
///  "data": {"id": "…", "tenant": "default", "channel": "sms", "to": "+436641234567", "code": "271828", "purpose": "login",
///           "life_seconds": 300, "expires_at": "2030-01-01T00:05:00Z"}}
/// ```
///
/// or of the type `otp.notice`, where `data` holds `notice` (`recovery_code_used` with `left`, `recovery_codes_replaced`,
/// `factor_confirmed`, `factor_removed`, `factor_disabled`) instead of the last four. The headers are `webhook-id`,
/// which is the message's id and the same for every try at it, `webhook-timestamp` and `webhook-signature`
/// (`v1,` and the HMAC-SHA256 of `id.timestamp.body`; two of them, by a blank apart, while a secret is rotated). Any 2xx says
/// that the message was taken.
///
/// ```
/// use fountain_core::SecretBytes;
/// use fountain_core::otp::{Channel, OtpDelivery};
/// use fountain_delivery::webhook::{Webhook, WebhookSecret};
///
/// let secret = WebhookSecret::new(&SecretBytes::new(b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64".to_vec()))?;
/// let webhook = Webhook::builder("https://messages.example.com/otp", secret.clone()).build()?;
/// assert!(webhook.carries(Channel::Sms) && webhook.carries(Channel::Email));
///
/// assert!(Webhook::builder("http://messages.example.com/otp", secret).build().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// The receiver sees codes and addresses: it is as trusted as the host. It must check the signature with [`verify`], remember
/// ids for the [tolerance](TOLERANCE), so that a message sent twice by somebody else goes out once, and keep the contract's
/// part E, since it finds the words.
///
/// No redirect is followed, no proxy of the environment is used, and nothing is tried again.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    url: Url,
    secrets: WebhookSecrets,
    channels: Vec<Channel>,
    bound: Duration,
    clock: Arc<dyn Clock>,
}

/// Builds a [`Webhook`].
#[derive(Clone)]
pub struct WebhookBuilder {
    url: String,
    transport: Transport,
    secrets: WebhookSecrets,
    channels: Vec<Channel>,
    bound: Duration,
    roots: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// Starts with the receiver's https address and the secret that is shared with it.
    #[must_use]
    pub fn builder(url: impl Into<String>, secret: WebhookSecret) -> WebhookBuilder {
        WebhookBuilder {
            url: url.into(),
            transport: Transport::Https,
            secrets: WebhookSecrets::from(secret),
            channels: Channel::ALL.to_vec(),
            bound: Duration::from_secs(10),
            roots: None,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

/// A [`Webhook`] over plain http to an address of the loopback interface, for tests.
///
/// # Security
/// Whoever shares the machine may read the codes.
#[must_use]
pub fn insecure_loopback_webhook(url: impl Into<String>, secret: WebhookSecret) -> WebhookBuilder {
    WebhookBuilder {
        transport: Transport::InsecureLoopback,
        ..Webhook::builder(url, secret)
    }
}

impl WebhookBuilder {
    /// Signs with this secret too: the one before, until the receiver knows the new one.
    #[must_use]
    pub fn also_sign_with(mut self, secret: WebhookSecret) -> Self {
        self.secrets = self.secrets.and(secret);
        self
    }

    /// Carries this channel only. Called again, the last call counts; without it, every channel.
    #[must_use]
    pub fn only(mut self, channel: Channel) -> Self {
        self.channels = vec![channel];
        self
    }

    /// How long a call takes at most: 1 to 60 s, 10 s unless said.
    #[must_use]
    pub const fn within(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Trusts exactly the certificates of this PEM bundle, and none of the platform's.
    #[must_use]
    pub fn trust_only_pem(mut self, bundle: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(bundle.into());
        self
    }

    /// The clock of `webhook-timestamp`; the system's unless said.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds it. Nothing is sent.
    ///
    /// # Errors
    /// When the address is not https, has a user in it, the bound is out of its range, or the certificates cannot be read.
    pub fn build(self) -> Result<Webhook, ConfigErrors> {
        let url = http::endpoint("url", &self.url, self.transport);
        let bound = bounded(self.bound);
        let client = http::client(self.transport, self.roots.as_deref(), self.bound);
        match (url, bound, client) {
            (Ok(url), Ok(bound), Ok(client)) => Ok(Webhook {
                client,
                url,
                secrets: self.secrets,
                channels: self.channels,
                bound,
                clock: self.clock,
            }),
            (url, bound, client) => Err([url.err(), bound.err(), client.err()]
                .into_iter()
                .flatten()
                .collect::<ConfigErrors>()),
        }
    }
}

impl Webhook {
    fn request(&self, message: &DeliveryMessage) -> Result<Request, DeliveryError> {
        let now = self.clock.now();
        let body = body(message, now);
        let signature = self.secrets.sign(&message.id, now.as_unix_seconds(), &body);
        let header = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| misconfigured("a header cannot be written"))
        };
        let mut signature = header(&signature)?;
        signature.set_sensitive(true);
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(signature::ID, header(&message.id)?);
        headers.insert(
            signature::TIMESTAMP,
            header(&now.as_unix_seconds().to_string())?,
        );
        headers.insert(signature::SIGNATURE, signature);
        *request.body_mut() = Some(body.into());
        Ok(request)
    }
}

fn body(message: &DeliveryMessage, now: fountain_core::Timestamp) -> Vec<u8> {
    let mut data = json!({
        "id": message.id,
        "tenant": message.tenant,
        "channel": message.to.channel().as_str(),
        "to": message.to.expose(),
    });
    let mut put = |name: &str, value: serde_json::Value| {
        if let Some(data) = data.as_object_mut() {
            data.insert(name.into(), value);
        }
    };
    let kind = match &message.content {
        DeliveryContent::Code {
            code,
            purpose,
            life,
            expires_at,
        } => {
            put("code", code.expose().into());
            put("purpose", purpose.as_str().into());
            put("life_seconds", life.as_secs().into());
            put("expires_at", expires_at.to_string().into());
            "otp.code"
        }
        DeliveryContent::Notice(notice) => {
            put("notice", word(*notice).into());
            if let Notice::RecoveryCodeUsed { left } = notice {
                put("left", (*left).into());
            }
            "otp.notice"
        }
        _ => "otp.other",
    };
    json!({"type": kind, "timestamp": now.to_string(), "data": data})
        .to_string()
        .into_bytes()
}

/// What an answer of the receiver says.
fn judge(status: StatusCode) -> Result<DeliveryReceipt, DeliveryError> {
    let error = |kind, what| DeliveryError::with_source(kind, Mistake(what));
    match status.as_u16() {
        200..300 => Ok(DeliveryReceipt::default()),
        300..400 => Err(error(
            DeliveryErrorKind::Misconfigured,
            "the receiver redirects; write the address that it redirects to",
        )),
        // Standard Webhooks: the receiver is gone for good.
        401 | 403 | 404 | 405 | 410 | 415 => Err(error(
            DeliveryErrorKind::Misconfigured,
            "the receiver refuses the request",
        )),
        429 => Err(error(
            DeliveryErrorKind::Unavailable,
            "the receiver takes no more for now",
        )),
        400..500 => Err(error(
            DeliveryErrorKind::Refused,
            "the receiver refuses the message",
        )),
        _ => Err(error(
            DeliveryErrorKind::Unknown,
            "the receiver failed, or answered what is no answer",
        )),
    }
}

#[async_trait]
impl OtpDelivery for Webhook {
    fn carries(&self, channel: Channel) -> bool {
        self.channels.contains(&channel)
    }

    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        takes(self, message)?;
        let request = self.request(message)?;
        let answer = http::within(self.bound, http::send(&self.client, request)).await?;
        judge(answer.status)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.url.host_str())
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookBuilder(..)")
    }
}
