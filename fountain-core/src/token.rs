//! Tokens: strict JWTs, refresh families, revocation and introspection.

mod cache;
mod claims;
mod codec;
mod date;
mod keys;
mod kind;
mod policy;
mod refresh_text;
mod remote;
mod rules;
mod sign;
mod store;
mod verify;

pub use crate::change::RevocationKey;
pub use claims::AccessClaims;
pub use codec::{CompactToken, DEFAULT_TOKEN_BYTES, Header, MAX_TOKEN_BYTES};
pub use keys::{KeySet, KeySource, TrustedKey};
pub use kind::TokenKind;
pub use policy::{TokenPolicies, TokenPolicy};
#[cfg(test)]
pub(crate) use remote::doubles as remote_doubles;
pub use remote::{
    FetchError, FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch, RemoteIssuer,
    RemoteIssuerBuilder,
};
pub use rules::{TokenRules, TokenRulesBuilder};
pub use sign::TokenSigner;
pub use store::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, Revocation,
    RevocationQuery, RevocationStore, RevokeOutcome,
};
pub use verify::{SignedPayload, verify_access, verify_signed};
