#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test library: a case fails by panicking, which is how it tells"
)]

mod asked;
mod audit_store;
mod case;
mod challenge_store;
mod change_feed;
mod context;
mod credential_store;
mod factor_store;
mod fixtures;
mod hostile;
mod key_store;
mod ledger;
mod lockout_store;
mod login;
mod model;
mod mutation;
mod race;
mod refresh_token_store;
mod revocation_store;
mod second_factor;
mod signing_key_store;
mod step_up;
mod subject_store;

pub use case::{Report, Verdict, names, run, run_all, run_on_own_runtime};
pub use context::{Harness, Rounds};
pub use fixtures::{Fixtures, NOW};
