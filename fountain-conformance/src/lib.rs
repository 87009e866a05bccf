//! The one suite that every Fountain store passes, ours and third parties'.
//!
//! Each sentence of each store trait's `# Contract` section is at least one test here, named for it:
//! `key_store_d_of_parallel_rotations_exactly_one_wins` proves sentence D of
//! [`KeyStore`](fountain_core::api_key::KeyStore). There are races of 64 tasks, instants one microsecond
//! before, at and after every boundary, paging with equal times and while inserts go on, futures dropped after
//! every number of polls (R-103), hostile identifiers (B-78), the atomicity of a change with its event and its
//! feed entry (R-92), and random sequences of calls held against the
//! [`MemoryStore`](fountain_core::memory::MemoryStore) (R-102). The suite's own tests break a store in a
//! different way for each test and show that the test notices.
//!
//! # In the tests of a store
//!
//! A [`Harness`] makes an empty store; [`conformance_tests!`] makes one `#[test]` of each case.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use fountain_conformance::{Harness, Rounds};
//! use fountain_core::Store;
//! use fountain_core::memory::MemoryStore;
//!
//! #[derive(Debug)]
//! struct Memory;
//!
//! #[async_trait]
//! impl Harness for Memory {
//!     async fn fresh(&self) -> Arc<dyn Store> {
//!         Arc::new(MemoryStore::new())
//!     }
//!
//!     // Only for a store whose calls take milliseconds; leave it out otherwise.
//!     fn rounds(&self) -> Rounds {
//!         Rounds::default().races(50).sequences(100)
//!     }
//! }
//!
//! fountain_conformance::conformance_tests!(Memory);
//! ```
//!
//! # In a host
//!
//! [`run_all`] runs the same cases against a store that is wired, and gives a [`Report`]; [`run`] runs one.
//!
//! # What it asks of a store
//!
//! Every case begins with an empty store. Cases run in parallel, each on a runtime of its own with two workers,
//! whose input, output and timers are enabled. A store that refuses a call with a
//! [`StoreError`](fountain_core::StoreError) fails the case: nothing is tried again and nothing is left out.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test library: a case fails by panicking, which is how it tells"
)]

mod asked;
mod audit_store;
mod case;
mod change_feed;
mod context;
mod fixtures;
mod hostile;
mod key_store;
mod ledger;
mod model;
mod mutation;
mod race;
mod refresh_token_store;
mod revocation_store;
mod signing_key_store;
mod subject_store;

pub use case::{Report, Verdict, names, run, run_all, run_on_own_runtime};
pub use context::{Harness, Rounds};
pub use fixtures::{Fixtures, NOW};
