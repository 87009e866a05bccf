//! Faults of real servers, and what Fountain does about them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cancelled;
mod outage;
mod outcome;
mod redis;
mod standby;
mod stored;
mod transactions;
mod whole;
mod world;
