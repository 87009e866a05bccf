#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    reason = "a test library: it fails by panicking, which is how it tells"
)]

mod proxy;
mod server;
mod time;

pub use proxy::{Cut, Direction, Link, Proxy, Seen};
pub use server::{Server, ServerKind};
pub use time::{pause, within};
