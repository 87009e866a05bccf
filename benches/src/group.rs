//! The operations.

mod otp;
mod password;
mod permission;
mod recall;
mod request;
mod sign;
mod verify;

pub use recall::{Arrivals, Remembering};

use crate::Group;

/// A group's name, and what makes it.
pub type Entry = (&'static str, fn(&'static str) -> Group);

/// Every group, in the table's order. A quick run remembers fewer tokens.
#[must_use]
pub fn all(quick: bool) -> Vec<Entry> {
    let many: Entry = if quick {
        ("token seen before, 1k live", recall::thousand_tokens)
    } else {
        (
            "token seen before, 100k live",
            recall::hundred_thousand_tokens,
        )
    };
    vec![
        ("verify HS256", verify::hs256),
        ("verify ES256", verify::es256),
        ("verify EdDSA", verify::eddsa),
        ("verify RS256", verify::rs256),
        ("sign ES256", sign::es256),
        ("sign EdDSA", sign::eddsa),
        ("sign RS256", sign::rs256),
        ("token seen before, hot", recall::hot_token),
        many,
        ("API key seen before", recall::api_key),
        ("API key with a bad checksum", recall::bad_checksum),
        ("permission check", permission::check),
        ("TOTP check, right", otp::hit),
        ("TOTP check, wrong", otp::miss),
        ("Argon2id, 19 MiB, 2 passes", password::verify),
        ("request, token seen before", request::token_seen_before),
        ("request, API key seen before", request::api_key_seen_before),
    ]
}
