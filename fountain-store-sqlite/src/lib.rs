#![doc = include_str!("../README.md")]

mod access;
mod api_key;
mod budget;
mod builder;
mod challenge;
mod credential;
mod error;
mod factor;
mod file;
mod lockout;
mod migration;
mod readers;
mod revocation;
mod signing;
mod sql;
mod store;
mod token;
mod trail;
mod writer;

pub use builder::SqliteStoreBuilder;
pub use migration::{MIGRATIONS, Migration};
pub use store::SqliteStore;
