//! Tokens of other issuers, verified with the key sets that those publish.

mod fetch;

pub use fetch::{FetchError, FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch};
