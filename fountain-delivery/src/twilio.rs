//! Codes by text message: [`Twilio`] hands them to Twilio's Messages API, [`Callbacks`] reads what it reports later.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fountain_core::otp::{
    Channel, DeliveryAddress, DeliveryContent, DeliveryError, DeliveryErrorKind, DeliveryMessage,
    DeliveryReceipt, OtpDelivery,
};
use fountain_core::{ConfigError, ConfigErrors, Secret};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Url};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::check::{bounded, misconfigured, says_the_code_once, takes};
use crate::http::{self, Answer, Transport};
use crate::wording::Wording;

mod callback;
pub use callback::{CallbackRefused, Callbacks, MessageStatus, StatusCallback};

/// How often a request is made that was surely not taken.
const TRIES: usize = 3;

/// Sends each message as an SMS through Twilio's Messages API.
///
/// A request is made again only when it was surely not taken: there was no connection, or Twilio answered 429 and named a time
/// to wait within the bound. What Twilio would not deliver before the code has expired, it drops (`ValidityPeriod`).
///
/// | what Twilio answers | error |
/// |---|---|
/// | 21211, 21214, 21265, 21408, 21610, 21612, 21614: the number | `Refused` |
/// | 401, 403, 404, and every other 4xx: the account, the sender, the request | `Misconfigured` |
/// | 429 | `Unavailable` |
/// | 5xx, nothing, or what is no answer | `Unknown` |
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::Secret;
/// use fountain_core::otp::{Channel, OtpDelivery};
/// use fountain_delivery::{English, Twilio};
///
/// let sms = Twilio::builder("AC0123456789abcdef0123456789abcdef")
///     .api_key("SK0123456789abcdef0123456789abcdef", Secret::from(String::from("from a secret source")))
///     .messaging_service("MG0123456789abcdef0123456789abcdef")
///     .wording(Arc::new(English::new("Example Shop")?))
///     .build()?;
/// assert!(sms.carries(Channel::Sms) && !sms.carries(Channel::Email));
///
/// // neither credentials, nor a sender, nor words
/// assert!(Twilio::builder("AC0123456789abcdef0123456789abcdef").build().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// An SMS is read by whoever takes over the number: NIST calls it restricted (R-56). Twilio keeps the text of messages unless
/// its redaction is switched on. An API key can be revoked alone; prefer one to the account's token.
#[derive(Clone)]
pub struct Twilio {
    client: Client,
    url: Url,
    authorization: HeaderValue,
    sender: Sender,
    status_callback: Option<String>,
    wording: Arc<dyn Wording>,
    bound: Duration,
}

/// Builds a [`Twilio`].
#[derive(Clone)]
pub struct TwilioBuilder {
    base: String,
    transport: Transport,
    account: String,
    login: Option<(String, Secret)>,
    senders: Vec<Sender>,
    status_callback: Option<String>,
    wording: Option<Arc<dyn Wording>>,
    bound: Duration,
    roots: Option<Vec<u8>>,
}

#[derive(Clone)]
enum Sender {
    From(String),
    Service(String),
}

impl Twilio {
    /// Starts with the account's SID.
    #[must_use]
    pub fn builder(account: impl Into<String>) -> TwilioBuilder {
        TwilioBuilder {
            base: "https://api.twilio.com".into(),
            transport: Transport::Https,
            account: account.into(),
            login: None,
            senders: Vec::new(),
            status_callback: None,
            wording: None,
            bound: Duration::from_secs(10),
            roots: None,
        }
    }
}

/// A [`Twilio`] whose API is at an address of the loopback interface, over plain http, for tests.
///
/// # Security
/// Whoever shares the machine may read the codes and the credentials.
#[must_use]
pub fn insecure_loopback_twilio(
    base: impl Into<String>,
    account: impl Into<String>,
) -> TwilioBuilder {
    TwilioBuilder {
        base: base.into(),
        transport: Transport::InsecureLoopback,
        ..Twilio::builder(account)
    }
}

impl TwilioBuilder {
    /// Logs in by the account's token. Of this and [`api_key`](Self::api_key) the last call counts.
    #[must_use]
    pub fn auth_token(mut self, token: Secret) -> Self {
        self.login = Some((self.account.clone(), token));
        self
    }

    /// Logs in by an API key: its SID and its secret.
    #[must_use]
    pub fn api_key(mut self, sid: impl Into<String>, secret: Secret) -> Self {
        self.login = Some((sid.into(), secret));
        self
    }

    /// The sender: a number of the account as E.164 has it, a short code, or an alphanumeric name of at most 11 characters.
    #[must_use]
    pub fn from(mut self, sender: impl Into<String>) -> Self {
        self.senders.push(Sender::From(sender.into()));
        self
    }

    /// The sender: a messaging service, which picks a number.
    #[must_use]
    pub fn messaging_service(mut self, sid: impl Into<String>) -> Self {
        self.senders.push(Sender::Service(sid.into()));
        self
    }

    /// Where Twilio reports what becomes of a message: an https address of the host's, whose requests [`Callbacks`] checks.
    #[must_use]
    pub fn status_callback(mut self, url: impl Into<String>) -> Self {
        self.status_callback = Some(url.into());
        self
    }

    /// Who finds the words.
    #[must_use]
    pub fn wording(mut self, wording: Arc<dyn Wording>) -> Self {
        self.wording = Some(wording);
        self
    }

    /// How long a call takes at most, its tries and waits together: 1 to 60 s, 10 s unless said.
    #[must_use]
    pub const fn within(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Another https address of the API, such as that of a region.
    #[must_use]
    pub fn base_url(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// Trusts exactly the certificates of this PEM bundle, and none of the platform's.
    #[must_use]
    pub fn trust_only_pem(mut self, bundle: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(bundle.into());
        self
    }

    /// Builds it. Nothing is sent.
    ///
    /// # Errors
    /// When credentials, the sender or the words are missing, a value is of another form, an address is not https, or the
    /// certificates cannot be read.
    pub fn build(self) -> Result<Twilio, ConfigErrors> {
        let mut errors = Vec::new();
        let mut keep = |error| errors.push(error);
        let url = self.url().map_err(&mut keep).ok();
        let authorization = self.authorization().map_err(&mut keep).ok();
        let sender = self.sender().map_err(&mut keep).ok();
        if let Some(url) = &self.status_callback
            && let Err(error) = http::endpoint("status_callback", url, Transport::Https)
        {
            keep(error);
        }
        if self.wording.is_none() {
            keep(ConfigError::Missing {
                setting: "wording",
                hint: "write .wording(Arc::new(English::new(\"Example Shop\")?))",
            });
        }
        let bound = bounded(self.bound).map_err(&mut keep).ok();
        let client = http::client(self.transport, self.roots.as_deref(), self.bound);
        let client = client.map_err(&mut keep).ok();
        ConfigErrors::from_iter(errors).into_result()?;
        let (
            Some(url),
            Some(authorization),
            Some(sender),
            Some(bound),
            Some(client),
            Some(wording),
        ) = (url, authorization, sender, bound, client, self.wording)
        else {
            // Each of them that is missing has left an error above.
            return Err(invalid("twilio", "give what is missing").into());
        };
        Ok(Twilio {
            client,
            url,
            authorization,
            sender,
            status_callback: self.status_callback,
            wording,
            bound,
        })
    }

    fn url(&self) -> Result<Url, ConfigError> {
        let mut url = http::endpoint("base_url", &self.base, self.transport)?;
        if url.query().is_some() || url.path() != "/" {
            return Err(invalid("base_url", "write the address without a path"));
        }
        if !is_sid("AC", &self.account) {
            return Err(invalid("account", "write AC and 32 hexadecimal digits"));
        }
        url.set_path(&format!(
            "/2010-04-01/Accounts/{}/Messages.json",
            self.account
        ));
        Ok(url)
    }

    fn authorization(&self) -> Result<HeaderValue, ConfigError> {
        let Some((user, secret)) = &self.login else {
            return Err(ConfigError::Missing {
                setting: "api_key",
                hint: "write .api_key(\"SK…\", secret) or .auth_token(token)",
            });
        };
        if !(is_sid("AC", user) || is_sid("SK", user)) || secret.expose().is_empty() {
            return Err(invalid(
                "api_key",
                "write SK and 32 hexadecimal digits, and the key's secret",
            ));
        }
        let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut value = HeaderValue::from_str(&basic)
            .map_err(|_| invalid("api_key", "write the key's secret in ASCII"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn sender(&self) -> Result<Sender, ConfigError> {
        match self.senders.as_slice() {
            [] => Err(ConfigError::Missing {
                setting: "from",
                hint: "write .messaging_service(\"MG…\") or .from(\"+15005550006\")",
            }),
            [Sender::Service(sid)] if is_sid("MG", sid) => Ok(Sender::Service(sid.clone())),
            [Sender::From(from)] if is_sender(from) => Ok(Sender::From(from.clone())),
            [_] => Err(invalid(
                "from",
                "write a number such as +15005550006, a short code, a name of 1 to 11 letters and digits, or MG and 32 hexadecimal digits",
            )),
            _ => Err(invalid("from", "name one sender")),
        }
    }
}

const fn invalid(setting: &'static str, hint: &'static str) -> ConfigError {
    ConfigError::Invalid { setting, hint }
}

fn is_sid(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_sender(text: &str) -> bool {
    let short = (3..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let named = (1..=11).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
        && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    short || named || DeliveryAddress::new(Channel::Sms, text).is_ok()
}

/// What Twilio answered, in numbers: its words repeat the request's.
#[derive(Debug, thiserror::Error)]
#[error("Twilio answered {status}, error {code}")]
struct Fault {
    status: u16,
    /// Of <https://www.twilio.com/docs/api/errors>; 0 when it named none.
    code: u64,
}

impl Twilio {
    fn form(&self, message: &DeliveryMessage) -> Result<Zeroizing<String>, DeliveryError> {
        let text = self.wording.sms(&message.content);
        says_the_code_once(&text, 480, &message.content)?;
        let (sender, name) = match &self.sender {
            Sender::From(from) => (from, "From"),
            Sender::Service(sid) => (sid, "MessagingServiceSid"),
        };
        let mut form = Zeroizing::new(String::with_capacity(512));
        let mut put = |name: &str, value: &str| {
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(name);
            form.push('=');
            form.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        };
        put("To", message.to.expose());
        put(name, sender);
        put("Body", &text);
        if let DeliveryContent::Code { life, .. } = &message.content {
            put(
                "ValidityPeriod",
                &life.as_secs().clamp(30, 14_400).to_string(),
            );
        }
        if let Some(url) = &self.status_callback {
            put("StatusCallback", url);
        }
        Ok(form)
    }

    fn request(&self, form: &str) -> Request {
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        *request.body_mut() = Some(form.to_owned().into());
        request
    }

    /// Tries until the request was taken, or may have been, or is refused.
    async fn post(
        &self,
        form: &str,
        deadline: Instant,
        asked: &AtomicBool,
    ) -> Result<DeliveryReceipt, DeliveryError> {
        let mut left = TRIES;
        loop {
            left = left.saturating_sub(1);
            asked.store(true, Ordering::Relaxed);
            let (error, wait) = match http::send(&self.client, self.request(form)).await {
                Ok(answer) if answer.status.as_u16() == 429 => (
                    refused(DeliveryErrorKind::Unavailable, &answer),
                    retry_after(&answer),
                ),
                Ok(answer) => return judge(&answer),
                Err(error) if error.kind() == DeliveryErrorKind::Unavailable => {
                    (error, Some(Duration::ZERO))
                }
                Err(error) => return Err(error),
            };
            asked.store(false, Ordering::Relaxed);
            let Some(wait) = wait.filter(|wait| left > 0 && Instant::now() + *wait < deadline)
            else {
                return Err(error);
            };
            #[expect(
                clippy::disallowed_methods,
                reason = "Twilio said how long to wait, and the bound of the call is not over before that"
            )]
            tokio::time::sleep(wait).await;
        }
    }
}

/// Whole seconds only: a date would be Twilio's clock against ours.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.parse::<u32>().ok()?;
    Some(Duration::from_secs(u64::from(seconds.max(1))))
}

fn refused(kind: DeliveryErrorKind, answer: &Answer) -> DeliveryError {
    let code = code(answer);
    let status = answer.status.as_u16();
    DeliveryError::with_source(kind, Fault { status, code })
}

fn code(answer: &Answer) -> u64 {
    serde_json::from_slice::<serde_json::Value>(&answer.body)
        .ok()
        .and_then(|body| body.get("code")?.as_u64())
        .unwrap_or(0)
}

fn judge(answer: &Answer) -> Result<DeliveryReceipt, DeliveryError> {
    match answer.status.as_u16() {
        200 | 201 => {
            let body =
                serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
            let reference = body
                .get("sid")
                .and_then(serde_json::Value::as_str)
                .filter(|sid| is_sid("SM", sid) || is_sid("MM", sid))
                .map(str::to_owned);
            Ok(DeliveryReceipt { reference })
        }
        300..500 => {
            let kind = match code(answer) {
                21_211 | 21_214 | 21_265 | 21_408 | 21_610 | 21_612 | 21_614 => {
                    DeliveryErrorKind::Refused
                }
                _ => DeliveryErrorKind::Misconfigured,
            };
            Err(refused(kind, answer))
        }
        _ => Err(refused(DeliveryErrorKind::Unknown, answer)),
    }
}

#[async_trait]
impl OtpDelivery for Twilio {
    fn carries(&self, channel: Channel) -> bool {
        channel == Channel::Sms
    }

    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        takes(self, message)?;
        let form = self.form(message)?;
        let asked = AtomicBool::new(false);
        let deadline = Instant::now()
            .checked_add(self.bound)
            .ok_or_else(|| misconfigured("the bound is too long"))?;
        let call = self.post(&form, deadline, &asked);
        timeout_at(deadline, call).await.unwrap_or_else(|_| {
            Err(if asked.load(Ordering::Relaxed) {
                DeliveryErrorKind::Unknown.into()
            } else {
                DeliveryErrorKind::Unavailable.into()
            })
        })
    }
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TwilioBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TwilioBuilder(..)")
    }
}
