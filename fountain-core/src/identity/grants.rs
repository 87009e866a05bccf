use std::fmt;
use std::sync::Arc;

/// What a principal may do: a set of the catalogue's permissions, resolved once, one bit each.
///
/// Made by a `RoleCatalog`; bit `n` is the catalogue's permission `n`.
/// An empty set permits nothing.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Grants {
    bits: Arc<[u64]>,
}

impl Grants {
    /// No permission at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The set of these bits, 64 to a word, lowest first.
    pub(crate) fn from_words(words: Vec<u64>) -> Self {
        Self { bits: words.into() }
    }

    /// The words, 64 permissions each.
    pub(crate) fn words(&self) -> &[u64] {
        &self.bits
    }

    /// Whether permission number `bit` of the catalogue is in the set.
    #[must_use]
    #[inline]
    pub fn contains(&self, bit: u16) -> bool {
        self.bits
            .get(usize::from(bit >> 6))
            .is_some_and(|word| word & (1 << (bit & 63)) != 0)
    }

    /// Whether every permission of `other` is in this set.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other
            .bits
            .iter()
            .enumerate()
            .all(|(at, word)| word & !self.bits.get(at).copied().unwrap_or(0) == 0)
    }

    /// Whether nothing is permitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: u32 = self.bits.iter().map(|word| word.count_ones()).sum();
        write!(f, "Grants({count})")
    }
}
