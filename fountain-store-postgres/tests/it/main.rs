//! The PostgreSQL store: the conformance suite, and what only a server can go through.
//!
//! They need servers: `eval "$(scripts/services start postgres pgbouncer)"`, or `scripts/test`, which does it. Without one they
//! fail and say so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod carried;
mod conformance;
mod corrupt;
mod dropped;
mod fault;
mod feed;
mod listener;
mod lockout;
mod login_corrupt;
mod login_race;
mod migration;
mod pgbouncer;
mod race;
mod roles;
mod server;
mod standby;
mod together;
mod workbench;
