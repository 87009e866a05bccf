#![doc = include_str!("../README.md")]

mod access;
mod api_key;
mod bell;
mod builder;
mod challenge;
mod credential;
mod error;
mod factor;
mod fields;
mod link;
mod listener;
mod lockout;
mod revocation;
mod script;
mod server;
mod signing;
mod store;
mod token;
mod trail;
mod words;

/// The client that this crate is built on, for the connection to hand in.
pub use redis;

pub use bell::RedisBell;
pub use builder::{OpenError, RedisStoreBuilder};
pub use listener::ChangeListener;
pub use store::RedisStore;
