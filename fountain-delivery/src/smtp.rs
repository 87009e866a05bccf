//! Codes by mail: [`Smtp`] hands them to a mail server, with [`DkimKey`] signed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fountain_core::otp::{
    Channel, DeliveryAddress, DeliveryError, DeliveryErrorKind, DeliveryMessage, DeliveryReceipt,
    OtpDelivery,
};
use fountain_core::{Clock, ConfigError, ConfigErrors, Secret, SystemClock};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use crate::check::{misconfigured, says_the_code_once, takes};
use crate::wording::Wording;

mod connection;
mod dkim;
mod mail;

use connection::{Encryption, Server};
pub use dkim::DkimKey;
use mail::{Mail, Sender};

/// Sends each message to a mail server over SMTP.
///
/// The connection is encrypted and the server's certificate is verified: by TLS from the first byte
/// ([`implicit_tls`](Self::implicit_tls), which RFC 8314 recommends) or by a `STARTTLS` without which nothing is sent
/// ([`starttls`](Self::starttls)). Connections are used again for 30 s, after a `NOOP`.
///
/// | what happened | error |
/// |---|---|
/// | no connection, no TLS, 4xx before the message was through | `Unavailable` |
/// | the login or the sender is refused | `Misconfigured` |
/// | 5xx to the recipient | `Refused` |
/// | the connection broke, or time was up, after the message began | `Unknown` |
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::Secret;
/// use fountain_core::otp::{Channel, OtpDelivery};
/// use fountain_delivery::{English, Smtp};
///
/// let smtp = Smtp::implicit_tls("smtp.example.com")
///     .credentials("shop", Secret::from(String::from("from a secret source")))
///     .from("no-reply@example.com", "Example Shop")
///     .wording(Arc::new(English::new("Example Shop")?))
///     .build()?;
/// assert!(smtp.carries(Channel::Email) && !smtp.carries(Channel::Sms));
///
/// // neither a sender nor words
/// assert!(Smtp::starttls("smtp.example.com").build().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// A mail may travel on without encryption, and lies in a mailbox: a code by mail is no second factor (R-56). Whatever a
/// subscriber of `tracing` would hear of the exchange is silenced, since `lettre` can be made to trace each line.
///
/// With `STARTTLS`, what comes before the handshake is not authenticated. Prefer TLS from the first byte.
#[derive(Clone)]
pub struct Smtp {
    shared: Arc<Shared>,
}

struct Shared {
    server: Server,
    sender: Sender,
    keys: Vec<DkimKey>,
    wording: Arc<dyn Wording>,
    bound: Duration,
    clock: Arc<dyn Clock>,
}

/// Builds an [`Smtp`].
#[derive(Clone)]
pub struct SmtpBuilder {
    host: String,
    port: u16,
    encryption: Wish,
    credentials: Option<(String, Secret)>,
    from: Option<(String, String)>,
    hello: Option<String>,
    keys: Vec<DkimKey>,
    wording: Option<Arc<dyn Wording>>,
    bound: Duration,
    roots: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Implicit,
    StartTls,
    InsecureLoopback,
}

impl Smtp {
    /// A server that speaks TLS from the first byte, on port 465 unless said.
    #[must_use]
    pub fn implicit_tls(host: impl Into<String>) -> SmtpBuilder {
        SmtpBuilder::new(host.into(), 465, Wish::Implicit)
    }

    /// A server that speaks TLS after `STARTTLS`, on port 587 unless said. One that does not offer it is not used.
    #[must_use]
    pub fn starttls(host: impl Into<String>) -> SmtpBuilder {
        SmtpBuilder::new(host.into(), 587, Wish::StartTls)
    }
}

/// An [`Smtp`] without encryption to an address of the loopback interface, for tests. `build` refuses every other host.
///
/// # Security
/// Whoever shares the machine may read the codes.
#[must_use]
pub fn insecure_loopback_smtp(address: impl Into<String>, port: u16) -> SmtpBuilder {
    SmtpBuilder::new(address.into(), port, Wish::InsecureLoopback)
}

impl SmtpBuilder {
    fn new(host: String, port: u16, encryption: Wish) -> Self {
        Self {
            host,
            port,
            encryption,
            credentials: None,
            from: None,
            hello: None,
            keys: Vec::new(),
            wording: None,
            bound: Duration::from_secs(20),
            roots: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Another port.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Logs in (PLAIN or LOGIN, inside TLS). A server that does not offer that is not used.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.credentials = Some((user.into(), password));
        self
    }

    /// Who the mails are from: a mailbox, and a name of at most 60 characters that is shown with it.
    #[must_use]
    pub fn from(mut self, mailbox: impl Into<String>, name: impl Into<String>) -> Self {
        self.from = Some((mailbox.into(), name.into()));
        self
    }

    /// The name by which the server is greeted; the domain of the sender unless said.
    #[must_use]
    pub fn hello(mut self, domain: impl Into<String>) -> Self {
        self.hello = Some(domain.into());
        self
    }

    /// Signs each mail with this key. Called twice, a mail has both signatures: Ed25519 beside RSA, for receivers that know only
    /// one of them.
    #[must_use]
    pub fn sign(mut self, key: DkimKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Who finds the words.
    #[must_use]
    pub fn wording(mut self, wording: Arc<dyn Wording>) -> Self {
        self.wording = Some(wording);
        self
    }

    /// How long a call takes at most: 1 to 60 s, 20 s unless said.
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

    /// The clock of `Date`; the system's unless said.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds it. Nothing is sent.
    ///
    /// # Errors
    /// When the sender or the words are missing, a value is of another form, a key signs for another domain than the
    /// sender's, there are more than two keys, credentials would travel in the clear, or the certificates cannot be read.
    pub fn build(self) -> Result<Smtp, ConfigErrors> {
        let mut errors = Vec::new();
        let mut keep = |error| errors.push(error);
        let sender = self.sender().map_err(&mut keep).ok();
        let encryption = self.encryption().map_err(&mut keep).ok();
        let bound = crate::check::bounded(self.bound).map_err(&mut keep).ok();
        if self.wording.is_none() {
            keep(ConfigError::Missing {
                setting: "wording",
                hint: "write .wording(Arc::new(English::new(\"Example Shop\")?))",
            });
        }
        if self.keys.len() > 2 {
            keep(invalid(
                "sign",
                "sign with one key, or with two of different kinds",
            ));
        }
        let aligned = |domain: &str| self.keys.iter().all(|key| key.is_aligned(domain));
        if sender
            .as_ref()
            .is_some_and(|sender| !aligned(sender.domain()))
        {
            keep(invalid(
                "sign",
                "a key's domain must be the sender's or one above it, or DMARC does not count the signature",
            ));
        }
        let hello = self
            .hello
            .clone()
            .or_else(|| sender.as_ref().map(|sender| sender.domain().to_owned()))
            .unwrap_or_default();
        if !is_domain(&hello) && self.hello.is_some() {
            keep(invalid("hello", "write a domain, such as app.example.com"));
        }
        ConfigErrors::from_iter(errors).into_result()?;
        let (Some(sender), Some(encryption), Some(bound), Some(wording)) =
            (sender, encryption, bound, self.wording)
        else {
            // Each of them that is missing has left an error above.
            return Err(invalid("smtp", "give what is missing").into());
        };
        let server = Server {
            host: self.host,
            port: self.port,
            encryption,
            hello: ClientId::Domain(hello),
            credentials: self
                .credentials
                .map(|(user, password)| Credentials::new(user, password.expose().to_owned())),
            idle: connection::Idle::default(),
        };
        Ok(Smtp {
            shared: Arc::new(Shared {
                server,
                sender,
                keys: self.keys,
                wording,
                bound,
                clock: self.clock,
            }),
        })
    }

    fn sender(&self) -> Result<Sender, ConfigError> {
        let Some((mailbox, name)) = &self.from else {
            return Err(ConfigError::Missing {
                setting: "from",
                hint: "write .from(\"no-reply@example.com\", \"Example Shop\")",
            });
        };
        DeliveryAddress::new(Channel::Email, mailbox)
            .ok()
            .and_then(|mailbox| Sender::new(&mailbox, name))
            .ok_or(invalid(
                "from",
                "write a mailbox in ASCII, and a name of 1 to 60 characters on one line",
            ))
    }

    fn encryption(&self) -> Result<Encryption, ConfigError> {
        if self.encryption == Wish::InsecureLoopback {
            let loopback = self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
            return match (loopback, &self.credentials) {
                (false, _) => Err(invalid(
                    "insecure_loopback_smtp",
                    "write 127.0.0.1 or ::1, or use Smtp::implicit_tls",
                )),
                (true, Some(_)) => Err(invalid(
                    "credentials",
                    "no password goes over a connection without encryption",
                )),
                (true, None) => Ok(Encryption::None),
            };
        }
        if !is_domain(&self.host) && self.host.parse::<std::net::IpAddr>().is_err() {
            return Err(invalid("host", "write a host, such as smtp.example.com"));
        }
        let mut tls = TlsParameters::builder(self.host.clone());
        let hint = if let Some(bundle) = &self.roots {
            let unreadable =
                "give PEM with at least one CERTIFICATE section, and nothing but X.509 in it";
            if !bundle
                .windows(27)
                .any(|part| part == b"-----BEGIN CERTIFICATE-----")
            {
                return Err(invalid("trust_only_pem", unreadable));
            }
            let roots =
                Certificate::from_pem(bundle).map_err(|_| invalid("trust_only_pem", unreadable))?;
            tls = tls
                .certificate_store(CertificateStore::None)
                .add_root_certificate(roots);
            unreadable
        } else {
            "this platform has no certificate store that can be read: install one (such as ca-certificates), or give your own"
        };
        let tls = tls.build().map_err(|_| invalid("trust_only_pem", hint))?;
        Ok(match self.encryption {
            Wish::StartTls => Encryption::StartTls(tls),
            _ => Encryption::Implicit(tls),
        })
    }
}

const fn invalid(setting: &'static str, hint: &'static str) -> ConfigError {
    ConfigError::Invalid { setting, hint }
}

fn is_domain(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

impl Shared {
    fn mail(&self, message: &DeliveryMessage) -> Result<Vec<u8>, DeliveryError> {
        let text = self.wording.email(&message.content);
        says_the_code_once(&text.body, 4000, &message.content)?;
        let subject = text.subject.trim();
        if subject.is_empty()
            || subject.chars().count() > 120
            || subject.chars().any(char::is_control)
        {
            return Err(misconfigured(
                "the wording's subject is not 1 to 120 characters on one line",
            ));
        }
        if let fountain_core::otp::DeliveryContent::Code { code, .. } = &message.content
            && subject.contains(code.expose())
        {
            return Err(misconfigured("the wording says the code in the subject"));
        }
        let now = self.clock.now();
        let mail = Mail::new(&self.sender, message, subject, &text.body, now)
            .ok_or_else(|| misconfigured("the clock is at a time that no mail can bear"))?;
        mail.signed(&self.keys, now)
            .ok_or_else(|| misconfigured("a DKIM key cannot sign"))
    }
}

#[async_trait]
impl OtpDelivery for Smtp {
    fn carries(&self, channel: Channel) -> bool {
        channel == Channel::Email
    }

    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        takes(self, message)?;
        let shared = &self.shared;
        let mail = shared.mail(message)?;
        let refused = |_| DeliveryError::new(DeliveryErrorKind::Refused);
        let to = message.to.expose().parse().map_err(refused)?;
        let from = shared
            .sender
            .mailbox()
            .parse()
            .map_err(|_| misconfigured("the sender's mailbox"))?;
        shared
            .server
            .send(from, to, &mail, shared.bound, &*shared.clock)
            .await
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("host", &self.shared.server.host)
            .field("port", &self.shared.server.port)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SmtpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpBuilder(..)")
    }
}
