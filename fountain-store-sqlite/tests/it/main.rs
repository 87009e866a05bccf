//! The SQLite store: the conformance suite, and what only a file can go through.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod corrupt;
mod crash;
mod dropped;
mod fault;
mod migration;
mod secrets;
mod trail;
mod workbench;
