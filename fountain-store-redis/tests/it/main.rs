//! The Redis store: the conformance suite, and what only a server can go through.
//!
//! `FOUNTAIN_TEST_REDIS` names a server for the tests that need no more than one, `FOUNTAIN_TEST_REDIS_CLUSTER` the nodes of
//! a cluster; a test that has no server fails and says so. Tests that kill, restart or fill a server start their own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "cluster")]
mod cluster;
mod conformance;
mod corrupt;
mod dropped;
mod fault;
mod listener;
mod login;
mod records;
mod trail;
mod workbench;
