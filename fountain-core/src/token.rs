//! Tokens: strict JWTs, refresh families, revocation and introspection.

mod cache;
mod claims;
mod codec;
mod date;
mod kind;
mod refresh_text;
mod store;

pub use crate::change::RevocationKey;
pub use claims::AccessClaims;
pub use codec::{CompactToken, DEFAULT_TOKEN_BYTES, Header, MAX_TOKEN_BYTES};
pub use kind::TokenKind;
pub use store::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, Revocation,
    RevocationQuery, RevocationStore, RevokeOutcome,
};
