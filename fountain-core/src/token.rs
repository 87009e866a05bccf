//! Tokens: strict JWTs, refresh families, revocation and introspection.

mod cache;
mod refresh_text;
mod store;

pub use crate::change::RevocationKey;
pub use store::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, Revocation,
    RevocationQuery, RevocationStore, RevokeOutcome,
};
