//! The SQLite store: the conformance suite, and what only a file can go through.

mod conformance;
