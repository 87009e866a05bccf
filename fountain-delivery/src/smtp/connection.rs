//! One exchange with a mail server, step by step: an error says how far it came.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fountain_core::Clock;
use fountain_core::otp::{DeliveryError, DeliveryErrorKind, DeliveryReceipt};
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

/// How many connections wait for the next message, and how long.
const IDLE: usize = 4;
const IDLE_LIFE: Duration = Duration::from_secs(30);
/// How long a waiting connection has to show that it is alive.
const NOOP: Duration = Duration::from_secs(2);

pub(super) enum Encryption {
    Implicit(TlsParameters),
    StartTls(TlsParameters),
    None,
}

pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) hello: ClientId,
    pub(super) credentials: Option<Credentials>,
    pub(super) idle: Idle,
}

/// Connections that wait, each with the time since when.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<(AsyncSmtpConnection, Duration)>>);

impl Idle {
    fn take(&self, now: Duration) -> Option<AsyncSmtpConnection> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(_, since)| now.saturating_sub(*since) < IDLE_LIFE);
        waiting.pop().map(|(connection, _)| connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection, now: Duration) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < IDLE {
            waiting.push((connection, now));
        }
    }
}

/// What went wrong and where. Not what the server wrote, since servers repeat addresses in their answers.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the mail server answered {0} to {1}")]
    Status(u16, &'static str),
    #[error("the mail server broke off at {0}")]
    Broken(&'static str),
    #[error("the mail server does not offer {0}")]
    Missing(&'static str),
    #[error("the time was up")]
    Late,
}

fn fault(kind: DeliveryErrorKind, fault: Fault) -> DeliveryError {
    DeliveryError::with_source(kind, fault)
}

/// An error of a step: what a 5xx means there. Everything else means that nothing was sent.
fn at(step: &'static str, refusal: DeliveryErrorKind) -> impl FnOnce(Error) -> DeliveryError {
    move |error| match error.status().map(u16::from) {
        // Asked to log in, which no later try will do of itself.
        Some(status @ 530) => fault(
            DeliveryErrorKind::Misconfigured,
            Fault::Status(status, step),
        ),
        Some(status @ 500..) => fault(refusal, Fault::Status(status, step)),
        Some(status) => fault(DeliveryErrorKind::Unavailable, Fault::Status(status, step)),
        None => fault(DeliveryErrorKind::Unavailable, Fault::Broken(step)),
    }
}

impl Server {
    /// Hands over one mail.
    ///
    /// # Errors
    /// Why it was not, or not surely, handed over.
    pub(super) async fn send(
        &self,
        from: Address,
        to: Address,
        mail: &[u8],
        bound: Duration,
        clock: &dyn Clock,
    ) -> Result<DeliveryReceipt, DeliveryError> {
        let begun = AtomicBool::new(false);
        // lettre's feature `tracing`, which any crate of a build may switch on, writes each line to the log.
        let exchange = self
            .exchange(from, to, mail, bound, clock, &begun)
            .with_subscriber(NoSubscriber::new());
        timeout(bound, exchange).await.unwrap_or_else(|_| {
            let kind = if begun.load(Ordering::Relaxed) {
                DeliveryErrorKind::Unknown
            } else {
                DeliveryErrorKind::Unavailable
            };
            Err(fault(kind, Fault::Late))
        })
    }

    async fn exchange(
        &self,
        from: Address,
        to: Address,
        mail: &[u8],
        bound: Duration,
        clock: &dyn Clock,
        begun: &AtomicBool,
    ) -> Result<DeliveryReceipt, DeliveryError> {
        let mut connection = match self.waiting(clock).await {
            Some(connection) => connection,
            None => self.connect(bound).await?,
        };
        // The mail is ASCII: no extension is asked for.
        connection
            .command(Mail::new(Some(from), Vec::new()))
            .await
            .map_err(at("the sender", DeliveryErrorKind::Misconfigured))?;
        connection
            .command(Rcpt::new(to, Vec::new()))
            .await
            .map_err(at("the recipient", DeliveryErrorKind::Refused))?;
        connection.command(Data).await.map_err(at(
            "the announcement of the message",
            DeliveryErrorKind::Misconfigured,
        ))?;
        begun.store(true, Ordering::Relaxed);
        let response = connection.message(mail).await.map_err(judged)?;
        self.idle.keep(connection, clock.monotonic());
        Ok(DeliveryReceipt {
            reference: queued_as(&response),
        })
    }

    /// A connection that was used before and is alive.
    async fn waiting(&self, clock: &dyn Clock) -> Option<AsyncSmtpConnection> {
        while let Some(mut connection) = self.idle.take(clock.monotonic()) {
            if let Ok(true) = timeout(NOOP, connection.test_connected()).await {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self, bound: Duration) -> Result<AsyncSmtpConnection, DeliveryError> {
        let implicit = match &self.encryption {
            Encryption::Implicit(tls) => Some(tls.clone()),
            Encryption::StartTls(_) | Encryption::None => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(bound), &self.hello, implicit, None)
                .await
                .map_err(at("the greeting", DeliveryErrorKind::Unavailable))?;
        if let Encryption::StartTls(tls) = &self.encryption {
            if !connection.can_starttls() {
                return Err(fault(
                    DeliveryErrorKind::Misconfigured,
                    Fault::Missing("STARTTLS"),
                ));
            }
            connection
                .starttls(tls.clone(), &self.hello)
                .await
                .map_err(at("STARTTLS", DeliveryErrorKind::Unavailable))?;
        }
        if let Some(credentials) = &self.credentials {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .await
                .map_err(|error| {
                    if error.is_client() {
                        fault(
                            DeliveryErrorKind::Misconfigured,
                            Fault::Missing("a login by PLAIN or LOGIN"),
                        )
                    } else {
                        at("the login", DeliveryErrorKind::Misconfigured)(error)
                    }
                })?;
        }
        Ok(connection)
    }
}

/// What an error means once the message was under way: only an answer says that it was not taken.
fn judged(error: Error) -> DeliveryError {
    const STEP: &str = "the message";
    match error.status().map(u16::from) {
        Some(status @ 400..500) => {
            fault(DeliveryErrorKind::Unavailable, Fault::Status(status, STEP))
        }
        // No such mailbox, or a full one. 554 and the like are about what was sent, and by whom.
        Some(status @ 550..=553) => fault(DeliveryErrorKind::Refused, Fault::Status(status, STEP)),
        Some(status) => fault(
            DeliveryErrorKind::Misconfigured,
            Fault::Status(status, STEP),
        ),
        None => fault(DeliveryErrorKind::Unknown, Fault::Broken(STEP)),
    }
}

/// The id of `250 2.0.0 Ok: queued as 4ZbX7f0`, as Postfix and others write it.
fn queued_as(response: &Response) -> Option<String> {
    let line = response.first_line()?;
    let (_, id) = line.rsplit_once("queued as ")?;
    let valid = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    valid.then(|| id.to_owned())
}
