//! Fountain, its peers and the bare primitives, measured side by side in one process.
//!
//! A [`Group`] is one operation done in several ways: by the bare primitive (the limit), by a peer, by Fountain.
//! [`measure()`](measure::measure) alternates them in short blocks and takes medians, so that what disturbs one
//! disturbs all; [`table`] holds the ratios against what `Target` asks for. The programs are
//!
//! - `ratios`: the table, `ratios --quick` for a look that takes seconds;
//! - `growth`: how the cost of remembering grows from a thousand entries to a million;
//! - `redis`: the Redis store beside the bare script, on a server;
//! - `cargo bench`: criterion's details of the same operations.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a benchmark whose set-up fails has nothing better to do than to stop and say where"
)]

pub mod case;
pub mod group;
pub mod measure;
pub mod redis;
pub mod table;
pub mod timing;
pub mod world;

pub use case::{Case, Group, Role, Target};
