//! What is measured.

mod keys;
mod primitives;

use super::Pair;

/// Every pair, the leaks put there on purpose last.
#[must_use]
pub fn all() -> Vec<Pair> {
    let mut pairs = keys::all(false);
    pairs.extend(keys::all(true));
    pairs.extend(primitives::all());
    pairs
}
