//! The domain of Fountain: API keys, rotating signing keys, strict JWTs, refresh families, roles, and
//! the traits that a host can implement. No HTTP, no runtime, no driver.
//!
//! A host wires a store and gets services; a request's credential becomes a [`Principal`] once, and a principal
//! meets a requirement once:
//!
//! ```
//! use std::sync::Arc;
//! use fountain_core::access::{Authority, Require, Requirement, RoleCatalog};
//! use fountain_core::api_key::NewApiKey;
//! use fountain_core::authenticate::PresentedCredential;
//! use fountain_core::{Fountain, OsRandom, Tenant, memory::MemoryStore, seal::LocalKeys};
//!
//! struct ReadOrders;
//! impl Require for ReadOrders {
//!     fn requirement() -> Requirement { Requirement::permission("orders:read") }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let fountain = Fountain::builder(Arc::new(MemoryStore::new()))
//!     .issuer("https://auth.example.com")
//!     .audience("orders")
//!     .roles(RoleCatalog::builder().permission("orders:read").require::<ReadOrders>().build()?)
//!     .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom))?))
//!     .build().await?;
//! let new = NewApiKey::for_service("billing").scope("orders:read");
//! let issued = fountain.api_keys().issue(Authority::System, &Tenant::default(), new).await?;
//!
//! let credential = PresentedCredential::ApiKey(issued.key.expose());
//! let principal = fountain.authenticate(credential).await?;
//! let proof = fountain.authorize::<ReadOrders>(principal)?; // an `Authorized<ReadOrders>`: hand it to the handler
//! # drop(proof); Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rooms
//!
//! | module | what is in it |
//! |---|---|
//! | [`api_key`] | [`ApiKeys`](api_key::ApiKeys): issued once, verified by digest, rotated with overlap, revoked everywhere |
//! | [`signing`] | [`Keyring`](signing::Keyring): keys bound to one algorithm, rotated by clocks that the store enforces, published as a JWKS |
//! | [`token`] | [`Tokens`](token::Tokens): strict JWTs, refresh families, revocation, introspection; other issuers' tokens |
//! | [`access`] | [`RoleCatalog`](access::RoleCatalog), requirements by value and by type, [`Subjects`](access::Subjects) |
//! | [`authenticate`] | a credential in, a [`Principal`] or a [`Rejection`] out |
//! | [`seal`] | what a store must keep but may not read |
//! | [`audit`], [`change`], [`metrics`] | what happened, what caches must forget, what is counted |
//! | [`maintenance`] | the one call that a host schedules |
//! | [`memory`] | [`MemoryStore`](memory::MemoryStore), the reference of every store trait |
//! | [`danger`] | what is unsafe outside tests |
//!
//! # The traits, and who implements them
//!
//! | trait | holds or decides | implementations |
//! |---|---|---|
//! | [`Store`] | all of the following store traits | `MemoryStore`, `SqliteStore` of `fountain-store-sqlite` |
//! | [`KeyStore`](api_key::KeyStore) | API-key records: digests, never keys | |
//! | [`SigningKeyStore`](signing::SigningKeyStore) | sealed signing keys and which one is active | |
//! | [`RefreshTokenStore`](token::RefreshTokenStore), [`RevocationStore`](token::RevocationStore) | token families; what was revoked | |
//! | [`SubjectStore`](access::SubjectStore) | subjects, their roles, whether they are enabled | |
//! | [`AuditStore`](audit::AuditStore), [`ChangeFeed`](change::ChangeFeed) | the trail; what changed since a cursor | |
//! | [`TokenPolicy`](token::TokenPolicy) | a host's own say on tokens; it can only refuse | yours |
//! | [`KeyEncryption`](seal::KeyEncryption) | who wraps data keys | [`LocalKeys`](seal::LocalKeys) |
//! | [`JwksFetch`](token::JwksFetch) | how other issuers' key sets are fetched | `HttpsFetch` of `fountain-jwks-client` |
//! | [`Authenticator`](authenticate::Authenticator) | credentials into principals | [`Fountain`] |
//! | [`Clock`], [`Random`] | time and randomness | [`SystemClock`], [`OsRandom`]; [`ManualClock`] for tests |
//!
//! # Cryptography
//!
//! aws-lc through `aws-lc-rs`. `Fountain` never installs or needs a process-wide provider: a host that uses
//! `jsonwebtoken` or `rustls` beside it chooses theirs freely.

pub mod access;
pub mod api_key;
pub mod audit;
pub mod authenticate;
pub mod change;
mod clock;
pub mod danger;
mod error;
mod fountain;
pub mod identity;
mod json;
pub mod maintenance;
pub mod memory;
pub mod metrics;
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
