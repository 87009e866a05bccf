//! The reference service, driven over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics fails, which is what it is for; clippy knows test functions but not their helpers"
)]

mod boss;
mod calls;
mod keys;
mod login;
mod nodes;
mod process;
mod support;
mod tokens;
mod transport;
