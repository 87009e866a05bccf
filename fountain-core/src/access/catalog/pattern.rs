use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A [`Scope`](crate::identity::Scope) has at most this many segments.
const MAX_SEGMENTS: usize = 8;

/// Answers which permissions a pattern stands for, without looking at each of them.
///
/// For every place and segment it holds the set of permissions with that segment there; a pattern is the
/// intersection of a few such sets. A token full of hostile patterns costs what it is long, whatever the
/// size of the catalogue.
#[derive(Debug)]
pub(super) struct PatternIndex {
    /// Words in a set.
    words: usize,
    /// By place, then by segment.
    segments: [HashMap<Box<str>, Box<[u64]>, RandomState>; MAX_SEGMENTS],
    /// `longer_than[n]`: the permissions with more than `n` segments.
    longer_than: [Box<[u64]>; MAX_SEGMENTS + 1],
}

impl PatternIndex {
    /// The index of these permissions; permission `n` is bit `n`.
    pub(super) fn new<'a>(permissions: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let words = permissions.len().div_ceil(64);
        let empty = || vec![0_u64; words].into_boxed_slice();
        let mut index = Self {
            words,
            segments: std::array::from_fn(|_| HashMap::default()),
            longer_than: std::array::from_fn(|_| empty()),
        };
        for (bit, permission) in permissions.enumerate() {
            for ((segment, by_segment), longer) in permission
                .split(':')
                .zip(&mut index.segments)
                .zip(&mut index.longer_than)
            {
                set(by_segment.entry(segment.into()).or_insert_with(empty), bit);
                set(longer, bit);
            }
        }
        index
    }

    /// A set without any permission, to add to.
    pub(super) fn none(&self) -> Vec<u64> {
        vec![0; self.words]
    }

    /// Adds to `found` every permission that `pattern` stands for. What is not a pattern stands for none.
    pub(super) fn add_matching(&self, pattern: &str, found: &mut [u64]) {
        let mut fixed: [&[u64]; MAX_SEGMENTS] = [&[]; MAX_SEGMENTS];
        let mut count = 0;
        let mut open = false;
        for (at, segment) in pattern.split(':').enumerate() {
            let Some(slot) = fixed.get_mut(at) else {
                return;
            };
            open = segment == "*";
            count = at + 1;
            if !open {
                match self.segments.get(at).and_then(|by| by.get(segment)) {
                    Some(set) => *slot = set,
                    None => return,
                }
            }
        }
        // A trailing `*` stands for one segment or more; anything else ends the permission there.
        let enough = count.checked_sub(1).and_then(|n| self.longer_than.get(n));
        let (Some(enough), Some(too_long)) = (enough, self.longer_than.get(count)) else {
            return;
        };
        for (word, to) in found.iter_mut().enumerate() {
            let of = |set: &[u64]| set.get(word).copied().unwrap_or(0);
            let length = if open {
                of(enough)
            } else {
                of(enough) & !of(too_long)
            };
            *to |= fixed
                .iter()
                .filter(|set| !set.is_empty())
                .fold(length, |left, set| left & of(set));
        }
    }
}

fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}
