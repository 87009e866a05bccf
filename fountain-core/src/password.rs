//! Passwords: what may be one, how it is hashed, and by whom (R-76).
//!
//! [`Passwords`] hashes and verifies by Argon2id (RFC 9106) on workers of its own, so that no request's thread ever
//! spends tens of milliseconds on one. At most as many run at once as there are workers, each in memory that it keeps; at most
//! so many wait as the queue is long, and who comes after that is refused with 503, at once.
//!
//! ```
//! use fountain_core::Secret;
//! use fountain_core::password::{PasswordCheck, PasswordHash, Passwords};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let passwords = Passwords::builder().build()?;
//! let chosen = Secret::from(String::from("correct horse battery staple"));
//! let stored: String = passwords.hash(&chosen).await?.expose().to_owned(); // into the host's table
//!
//! let found = PasswordHash::parse(&stored)?;
//! let wrong = Secret::from(String::from("correct horse battery stable"));
//! assert_eq!(passwords.verify(&chosen, Some(&found)).await?, PasswordCheck::Match);
//! assert_eq!(passwords.verify(&wrong, Some(&found)).await?, PasswordCheck::Mismatch);
//! // nobody of that name: the same work, and never a match
//! assert_eq!(passwords.verify(&chosen, None).await?, PasswordCheck::Mismatch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What may be chosen as a password is for [`PasswordRules`] to say, as NIST SP 800-63B-4 section 3.1.1.2 has it: length
//! and blocklists, and no rules of composition.

mod blocklist;
mod blocks;
mod cost;
mod expected;
mod hash;
mod normal;
mod passwords;
mod pool;
mod rules;

pub use blocklist::{FileBlocklist, PasswordBlocklist, WordBlocklist};
pub use cost::HashCost;
pub use hash::{PasswordHash, PasswordHashError};
pub use passwords::{PasswordCheck, Passwords, PasswordsBuilder};
pub use rules::{PasswordRules, PasswordRulesBuilder, PasswordVerdict};

/// What the tests of these modules share.
#[cfg(test)]
mod testing {
    pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }
}
