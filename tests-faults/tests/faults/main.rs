//! Faults of real servers, and what Fountain does about them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod transactions;
