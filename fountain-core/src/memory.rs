//! [`MemoryStore`]: the reference implementation of every store trait, for tests, examples and hosts
//! that need nothing to survive a restart.

// Named here alone, so that the conformance suite's model checker can put its own in their place
// (`fountain-conformance/tests/locking`).
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

mod access;
mod api_key;
mod challenge;
mod credential;
mod factor;
mod lockout;
mod log;
mod signing;
#[cfg(test)]
pub(crate) mod slow;
mod store;
mod token;

pub use store::MemoryStore;
use store::State;
