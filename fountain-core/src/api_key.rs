//! API keys: issued once, verified by digest, rotated with overlap, revoked everywhere.
//!
//! A key is 256 random bits in a form that scanners find and that carries a checksum ([`KeyFormat`]); a store holds
//! its digest only. [`ApiKeys`] is the service; [`KeyStore`] is what a store implements.

mod cache;
mod format;
mod keys;
mod new;
mod store;
mod uses;
mod verify;

pub use crate::identity::KeyId;
pub use format::{KeyFormat, KeyFormatError, KeyInspection, KeyParts};
pub use keys::{ApiKeys, ApiKeysBuilder};
pub use new::{IssuedApiKey, NewApiKey, RotatedApiKey, Rotation};
pub use store::{
    ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome, KeyCursor, KeyPage, KeyStore, OwnerLimit,
    RotateKeyOutcome, RotationSchedule,
};
pub use verify::KeyVerdict;

#[cfg(test)]
mod tests;
