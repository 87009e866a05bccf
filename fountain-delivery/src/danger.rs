//! What is unsafe outside development and tests. Every name says `Insecure` or `insecure_`, so that a search finds it.

pub use crate::console::InsecureConsole;

#[cfg(feature = "smtp")]
pub use crate::smtp::insecure_loopback_smtp;
#[cfg(feature = "twilio")]
pub use crate::twilio::insecure_loopback_twilio;
#[cfg(feature = "webhook")]
pub use crate::webhook::insecure_loopback_webhook;
