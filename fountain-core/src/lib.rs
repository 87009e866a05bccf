#![doc = include_str!("../README.md")]
//!
//! [`ApiKeys`]: api_key::ApiKeys
//! [`AuditStore`]: audit::AuditStore
//! [`Authenticator`]: authenticate::Authenticator
//! [`ChallengeStore`]: otp::ChallengeStore
//! [`ChangeFeed`]: change::ChangeFeed
//! [`CredentialStore`]: login::CredentialStore
//! [`FactorStore`]: otp::FactorStore
//! [`FileBlocklist`]: password::FileBlocklist
//! [`Hotp`]: otp::Hotp
//! [`JwksFetch`]: token::JwksFetch
//! [`KeyEncryption`]: seal::KeyEncryption
//! [`KeyStore`]: api_key::KeyStore
//! [`Keyring`]: signing::Keyring
//! [`LocalKeys`]: seal::LocalKeys
//! [`Lockout`]: lockout::Lockout
//! [`LockoutStore`]: lockout::LockoutStore
//! [`Login`]: login::Login
//! [`MemoryStore`]: memory::MemoryStore
//! [`OtpDelivery`]: otp::OtpDelivery
//! [`PasswordBlocklist`]: password::PasswordBlocklist
//! [`PasswordRules`]: password::PasswordRules
//! [`Passwords`]: password::Passwords
//! [`RefreshTokenStore`]: token::RefreshTokenStore
//! [`RevocationStore`]: token::RevocationStore
//! [`RoleCatalog`]: access::RoleCatalog
//! [`SecondFactor`]: otp::SecondFactor
//! [`SignIn`]: login::SignIn
//! [`SigningKeyStore`]: signing::SigningKeyStore
//! [`StepUp`]: otp::StepUp
//! [`SubjectStore`]: access::SubjectStore
//! [`Subjects`]: access::Subjects
//! [`TokenPolicy`]: token::TokenPolicy
//! [`Tokens`]: token::Tokens
//! [`Totp`]: otp::Totp
//! [`WordBlocklist`]: password::WordBlocklist
//! [`assess`]: otp::assess

pub mod access;
pub mod api_key;
pub mod audit;
pub mod authenticate;
pub mod change;
mod clock;
pub mod danger;
mod error;
mod flight;
mod fountain;
pub mod identity;
mod json;
pub mod lockout;
pub mod login;
pub mod maintenance;
pub mod memory;
pub mod metrics;
pub mod otp;
pub mod password;
mod random;
pub mod seal;
mod secret;
pub mod signing;
mod store;
mod text;
pub mod token;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::{
    ConfigError, ConfigErrors, Error, ErrorKind, Reason, Rejection, RejectionKind, StoreError,
    StoreErrorKind,
};
pub use fountain::{Fountain, FountainBuilder};
pub use identity::{Actor, Assurance, Principal, Subject, Tenant};
pub use random::{OsRandom, Random};
pub use secret::{Digest, Pepper, Secret, SecretBytes};
pub use store::Store;
