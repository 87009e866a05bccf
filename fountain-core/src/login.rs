//! Signing in: name and password, then a second factor, then tokens; and where names and password hashes are.
//!
//! ```
//! use fountain_core::login::LoginName;
//!
//! // One account, and one counter of attempts, however it is typed (B-72).
//! let name = LoginName::new("Alice@Example.com")?;
//! assert_eq!(name, LoginName::new(" alice@example.com ")?);
//! assert_eq!(name.as_str(), "alice@example.com");
//!
//! assert!(LoginName::new("alice\u{200b}").is_err()); // a blank that nobody sees
//! # Ok::<(), fountain_core::Error>(())
//! ```

mod attempt;
mod service;
mod sign_in;
mod store;

pub use attempt::{LoginAnswer, LoginAttempt, LoginOutcome, SignedIn};
pub use service::{Login, NewCredential};
pub(crate) use sign_in::Foundation;
pub use sign_in::{SignIn, SignInBuilder};

pub use crate::identity::LoginName;
pub use store::{CredentialRecord, CredentialStore, ReplaceOutcome};

#[cfg(test)]
mod tests;
