//! Adapters against carriers that do as they are told, on the loopback interface, and a real mail server, which
//! `FOUNTAIN_TEST_MAIL_PYTHON` is needed for (see `scripts/test`).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod conformance;
mod console;
#[cfg(all(feature = "sender-check", feature = "twilio", feature = "webhook"))]
mod hostile;
#[cfg(any(feature = "twilio", feature = "webhook"))]
mod http;
#[cfg(feature = "smtp")]
mod mail;
mod routed;
#[cfg(feature = "sender-check")]
mod sender;
#[cfg(feature = "smtp")]
mod smtp;
#[cfg(feature = "twilio")]
mod twilio;
#[cfg(feature = "webhook")]
mod webhook;
mod wording;
