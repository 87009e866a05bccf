//! Adapters against carriers that do as they are told, on the loopback interface.

mod conformance;
mod console;
#[cfg(feature = "webhook")]
mod http;
mod routed;
#[cfg(feature = "webhook")]
mod webhook;
mod wording;
