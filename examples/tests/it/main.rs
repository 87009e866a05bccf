//! The reference service, driven over HTTP.

mod calls;
mod keys;
mod process;
mod support;
mod tokens;
