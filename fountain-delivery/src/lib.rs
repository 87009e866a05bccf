#![doc = include_str!("../README.md")]

mod check;
mod console;
pub mod danger;
#[cfg(any(feature = "twilio", feature = "webhook"))]
mod http;
mod routed;
#[cfg(feature = "sender-check")]
pub mod sender;
#[cfg(feature = "smtp")]
pub mod smtp;
#[cfg(feature = "twilio")]
pub mod twilio;
#[cfg(feature = "webhook")]
pub mod webhook;
mod wording;

pub use routed::{Routed, RoutedBuilder};
#[cfg(feature = "smtp")]
pub use smtp::{Smtp, SmtpBuilder};
#[cfg(feature = "twilio")]
pub use twilio::{Twilio, TwilioBuilder};
#[cfg(feature = "webhook")]
pub use webhook::{Webhook, WebhookBuilder};
pub use wording::{EmailText, English, Wording};
