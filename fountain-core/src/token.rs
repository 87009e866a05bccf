//! Tokens: strict JWTs, refresh families, revocation and introspection.

mod ask;
mod cache;
mod check;
mod claims;
mod codec;
mod date;
mod issue;
mod keys;
mod kind;
mod policy;
mod refresh;
mod refresh_rules;
mod refresh_text;
mod remote;
mod revoke;
mod rules;
mod sign;
mod store;
mod tokens;
mod verify;

pub use crate::change::RevocationKey;
pub use claims::AccessClaims;
pub use codec::{CompactToken, DEFAULT_TOKEN_BYTES, Header, MAX_TOKEN_BYTES};
pub use issue::{IssuedAccess, IssuedTokens, NewTokens};
pub use keys::{KeySet, KeySource, TrustedKey};
pub use kind::TokenKind;
pub use policy::{TokenPolicies, TokenPolicy};
pub use refresh::RefreshRequest;
pub use refresh_rules::{RefreshRules, RefreshRulesBuilder};
#[cfg(test)]
pub(crate) use remote::doubles as remote_doubles;
pub use remote::{
    FetchError, FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch, RemoteIssuer,
    RemoteIssuerBuilder,
};
pub use revoke::Introspection;
pub use rules::{TokenRules, TokenRulesBuilder};
pub use sign::TokenSigner;
pub use store::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, Revocation,
    RevocationQuery, RevocationStore, RevokeOutcome,
};
pub use tokens::{TokenParts, Tokens};
pub use verify::{SignedPayload, verify_access, verify_signed};
