#![doc = include_str!("../README.md")]

mod access;
mod api_key;
mod bell;
mod builder;
mod carried;
mod challenge;
mod credential;
mod error;
mod factor;
mod link;
mod listener;
mod lockout;
mod migration;
mod revocation;
mod rotation;
mod signing;
mod sql;
mod store;
mod together;
mod token;
mod trail;

pub use builder::PostgresStoreBuilder;
pub use carried::Carried;
pub use listener::ChangeListener;
pub use migration::{MIGRATIONS, Migration};
pub use store::PostgresStore;
