//! What is unsafe outside development and tests. Every name says `Insecure` or `insecure_`, so that a search finds it.

pub use crate::console::InsecureConsole;

#[cfg(feature = "webhook")]
pub use crate::webhook::insecure_loopback_webhook;
