//! Signing keys: bound to one algorithm each, rotated by a state machine whose clocks are enforced.

mod algorithm;
#[cfg(feature = "jsonwebtoken")]
mod convert;
mod jwk;
mod jwks;
mod key;
mod ring;
mod store;

use algorithm::{Curve, Family};

pub use crate::identity::Kid;
pub use algorithm::Algorithm;
pub use jwk::Jwk;
pub use jwks::Jwks;
pub use key::{InvalidSignature, KeyError, KeyFormat, KeyKind, SigningKey, VerifyingKey};
pub use ring::{
    Advance, Keyring, KeyringConfig, KeyringConfigBuilder, KeyringParts, PublishedJwks, Revoked,
    Rotation,
};
pub use store::{
    KeyRing, KeyTransition, SigningKeyRecord, SigningKeyState, SigningKeyStore, TransitionOutcome,
};
