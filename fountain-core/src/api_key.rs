//! API keys: issued once, verified by digest, rotated with overlap, revoked everywhere.

mod store;

pub use crate::identity::KeyId;
pub use store::{
    ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome, KeyCursor, KeyPage, KeyStore, OwnerLimit,
    RotateKeyOutcome, RotationSchedule,
};
