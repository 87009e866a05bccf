//! Faults of real servers, and what Fountain does about them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apart;
mod bell;
mod cancelled;
mod clocks;
mod configured;
mod descriptors;
mod fail_over;
mod mixed;
mod outage;
mod outcome;
mod redis;
mod remembered;
mod secured;
mod standby;
mod stored;
mod transactions;
mod whole;
mod world;
