//! The source of `MemoryStore`, with shuttle's locks.

#![expect(unreachable_pub, reason = "it is public where it belongs")]

use shuttle::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::sync::PoisonError;

#[path = "../../../fountain-core/src/memory/access.rs"]
mod access;
#[path = "../../../fountain-core/src/memory/api_key.rs"]
mod api_key;
#[path = "../../../fountain-core/src/memory/challenge.rs"]
mod challenge;
#[path = "../../../fountain-core/src/memory/credential.rs"]
mod credential;
#[path = "../../../fountain-core/src/memory/factor.rs"]
mod factor;
#[path = "../../../fountain-core/src/memory/lockout.rs"]
mod lockout;
#[path = "../../../fountain-core/src/memory/log.rs"]
mod log;
#[path = "../../../fountain-core/src/memory/signing.rs"]
mod signing;
#[path = "../../../fountain-core/src/memory/store.rs"]
mod store;
#[path = "../../../fountain-core/src/memory/token.rs"]
mod token;

pub use store::MemoryStore;
use store::State;
