use std::fmt;
use std::sync::Arc;

/// What a principal may do: a set of the catalogue's permissions, resolved once, one bit each.
///
/// Made by a [`RoleCatalog`](crate::access::RoleCatalog); bit `n` is the catalogue's permission `n`.
/// An empty set permits nothing.
///
/// # Security
/// A number means a permission in one catalogue only, so that a set knows of which it is: by another catalogue it
/// permits nothing, and catalogues are the same when they declare the same permissions in the same order.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Of which catalogue; zero for the empty set, which is of all of them.
    catalog: u64,
    bits: Arc<[u64]>,
}

impl Grants {
    /// No permission at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The set of these bits, 64 to a word, lowest first.
    ///
    /// Equal sets have equal words: zeros at the end are left out.
    pub(crate) fn from_words(catalog: u64, mut words: Vec<u64>) -> Self {
        let used = words
            .iter()
            .rposition(|word| *word != 0)
            .map_or(0, |at| at + 1);
        words.truncate(used);
        Self {
            catalog: if used == 0 { 0 } else { catalog },
            bits: words.into(),
        }
    }

    /// Whether the numbers of this set are those of this catalogue.
    #[inline]
    pub(crate) const fn is_of(&self, catalog: u64) -> bool {
        self.catalog == catalog
    }

    /// Whether permission number `bit` of the catalogue is in the set.
    #[must_use]
    #[inline]
    pub fn contains(&self, bit: u16) -> bool {
        self.bits
            .get(usize::from(bit >> 6))
            .is_some_and(|word| word & (1 << (bit & 63)) != 0)
    }

    /// Whether every permission of `other` is in this set. Never, when they are of different catalogues.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other.is_empty()
            || (other.is_of(self.catalog)
                && other
                    .bits
                    .iter()
                    .enumerate()
                    .all(|(at, word)| word & !self.bits.get(at).copied().unwrap_or(0) == 0))
    }

    /// What this set or `other` permits; this set alone, when they are of different catalogues.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_superset(other) {
            return self.clone();
        }
        if other.is_superset(self) {
            return other.clone();
        }
        if !other.is_of(self.catalog) {
            return self.clone();
        }
        let (long, short) = if self.bits.len() >= other.bits.len() {
            (self, other)
        } else {
            (other, self)
        };
        let mut words = long.bits.to_vec();
        words
            .iter_mut()
            .zip(&*short.bits)
            .for_each(|(to, from)| *to |= from);
        Self::from_words(self.catalog, words)
    }

    /// What both this set and `other` permit; nothing, when they are of different catalogues.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_superset(other) {
            return other.clone();
        }
        if !other.is_of(self.catalog) {
            return Self::none();
        }
        Self::from_words(
            self.catalog,
            self.bits
                .iter()
                .zip(&*other.bits)
                .map(|(a, b)| a & b)
                .collect(),
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    ///
    #[test]
    fn no_bit_is_in_the_empty_set() {
        assert!(Grants::none().is_empty());
        assert!(
            [0, 63, 64, u16::MAX]
                .iter()
                .all(|bit| !Grants::none().contains(*bit))
        );
    }

    #[test]
    fn sets_of_different_length_compare_and_combine() {
        let low = Grants::from_words(1, vec![0b0110]);
        let high = Grants::from_words(1, vec![0b0011, 0, 1, 0, 0]);
        assert_eq!(low, Grants::from_words(1, vec![0b0110, 0]));
        assert!(!low.is_superset(&high) && !high.is_superset(&low));

        let both = low.union(&high);
        assert_eq!(both, high.union(&low));
        assert!(both.is_superset(&low) && both.is_superset(&high));
        assert!(both.contains(0) && both.contains(2) && both.contains(128) && !both.contains(3));

        let common = low.intersection(&high);
        assert_eq!(common, Grants::from_words(1, vec![0b0010]));
        assert_eq!(common, high.intersection(&low));
        assert_eq!(low.intersection(&Grants::none()), Grants::none());
    }

    #[test]
    fn sets_of_different_catalogues_have_nothing_in_common_but_the_empty_set() {
        let (ours, theirs) = (
            Grants::from_words(1, vec![3]),
            Grants::from_words(2, vec![3]),
        );
        assert_ne!(ours, theirs);
        assert!(!ours.is_superset(&theirs));
        assert_eq!(ours.intersection(&theirs), Grants::none());
        assert_eq!(ours.union(&theirs), ours);
        let nothing = Grants::from_words(2, vec![0]);
        assert_eq!(nothing, Grants::none());
        assert!(ours.is_superset(&nothing) && ours.union(&nothing) == ours);
    }
}
