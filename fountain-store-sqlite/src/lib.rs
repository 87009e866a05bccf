#![doc = include_str!("../README.md")]

mod access;
mod api_key;
mod builder;
mod error;
mod file;
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
