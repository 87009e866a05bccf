//! What each fuzz target does with its input, and what must hold afterwards.
//!
//! Every module is one target and has three functions: `check` takes any bytes and panics when an invariant is
//! broken; `seeds` are the inputs that a run begins with; `controls` checks, before a run, that the seeds whose names
//! begin with `accepted` are accepted and that the others are not. A target that accepts nothing proves nothing.

#![forbid(unsafe_code)]

pub mod api_key;
pub mod audit;
pub mod authorization;
pub mod claims;
pub mod header;
pub mod jwk;
pub mod jwks;
pub mod otp;
pub mod otpauth;
pub mod password_hash;
pub mod sealed;
pub mod signed;
pub mod token;

mod peer;
mod plain;
mod world;

/// What came of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Refused,
}

/// An input to begin with: its file's name, and its bytes.
pub type Seed = (&'static str, Vec<u8>);

/// A target's name and its seeds.
pub type Target = (&'static str, fn() -> Vec<Seed>);

/// Every target.
pub const TARGETS: &[Target] = &[
    ("api_key", api_key::seeds),
    ("audit", audit::seeds),
    ("authorization", authorization::seeds),
    ("claims", claims::seeds),
    ("header", header::seeds),
    ("jwk", jwk::seeds),
    ("jwks", jwks::seeds),
    ("otp", otp::seeds),
    ("otpauth", otpauth::seeds),
    ("password_hash", password_hash::seeds),
    ("sealed", sealed::seeds),
    ("signed", signed::seeds),
    ("token", token::seeds),
];

fn hold(seeds: Vec<Seed>, check: fn(&[u8]) -> Verdict) {
    for (name, input) in seeds {
        let expected = if name.starts_with("accepted") {
            Verdict::Accepted
        } else {
            Verdict::Refused
        };
        assert_eq!(check(&input), expected, "the seed {name}");
    }
}
