//! What every adapter looks at before a carrier is asked.

#[cfg(any(feature = "smtp", feature = "twilio", feature = "webhook"))]
use std::time::Duration;

#[cfg(any(feature = "smtp", feature = "twilio", feature = "webhook"))]
use fountain_core::ConfigError;
#[cfg(any(feature = "smtp", feature = "twilio"))]
use fountain_core::otp::DeliveryContent;
use fountain_core::otp::{Channel, DeliveryError, DeliveryErrorKind, DeliveryMessage, OtpDelivery};

/// A mistake of the host's, found before anything was sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mistake(pub(crate) &'static str);

pub(crate) fn misconfigured(what: &'static str) -> DeliveryError {
    DeliveryError::with_source(DeliveryErrorKind::Misconfigured, Mistake(what))
}

/// Contract A: a message of a channel that is not carried goes no further. And its id, which is written to headers, has the form
/// that it promises.
pub(crate) fn takes(
    adapter: &impl OtpDelivery,
    message: &DeliveryMessage,
) -> Result<Channel, DeliveryError> {
    let channel = message.to.channel();
    if !adapter.carries(channel) {
        return Err(DeliveryErrorKind::Channel.into());
    }
    let id = &message.id;
    let valid = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    if valid {
        Ok(channel)
    } else {
        Err(misconfigured(
            "the message's id is not 1 to 64 of A-Z, a-z, 0-9, '.', '-'",
        ))
    }
}

/// Contract E, also for a wording of the host's: at most `max` characters, the code once, no link, nothing that a person cannot see.
#[cfg(any(feature = "smtp", feature = "twilio"))]
pub(crate) fn says_the_code_once(
    text: &str,
    max: usize,
    content: &DeliveryContent,
) -> Result<(), DeliveryError> {
    if text.trim().is_empty() || text.chars().count() > max {
        return Err(misconfigured("the wording gave no text, or a long one"));
    }
    if text.chars().any(|char| char.is_control() && char != '\n') {
        return Err(misconfigured("the wording gave control characters"));
    }
    let lower = text.to_ascii_lowercase();
    if lower.contains("://") || lower.contains("www.") {
        return Err(misconfigured(
            "the wording gave a link, which teaches people to follow links in messages about codes",
        ));
    }
    match content {
        DeliveryContent::Code { code, .. } if text.matches(code.expose()).count() != 1 => Err(
            misconfigured("the wording does not say the code exactly once"),
        ),
        _ => Ok(()),
    }
}

/// The bound of a call: 1 to 60 s.
#[cfg(any(feature = "smtp", feature = "twilio", feature = "webhook"))]
pub(crate) fn bounded(bound: Duration) -> Result<Duration, ConfigError> {
    if (Duration::from_secs(1)..=Duration::from_secs(60)).contains(&bound) {
        Ok(bound)
    } else {
        Err(ConfigError::Invalid {
            setting: "within",
            hint: "write 1 to 60 seconds: a person is waiting",
        })
    }
}
