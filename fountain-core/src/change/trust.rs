use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::quality::RandomState;

use super::ChangeBell;

/// Whether what a node remembers may still be believed.
///
/// A memory is believed only when both hold: the change feed was read to its end no longer than the bound ago
/// ([`CacheTrust::is_fresh`]), and nothing that concerns the remembered thing changed since it was read from the
/// store (its [`Stamp`] still is [`CacheTrust::stamp`]). Until the feed is followed, nothing is believed, and
/// every question goes to the store.
///
/// Calls that ask about one key, owner or token at the same time share a question. An answer to one that began before a
/// call is shared with it only under the same two conditions, so a revocation that was acknowledged here before the call
/// began is seen by it. A crowd is one question while the feed is fresh, and two while it is not: those who came while the
/// first was under way wait for a second, which all of them share.
///
/// ```
/// use fountain_core::change::CacheTrust;
/// use std::time::Duration;
///
/// let trust = CacheTrust::new(Duration::from_secs(5));
/// let now = Duration::from_secs(100);
/// assert!(!trust.is_fresh(now));
/// trust.confirm(now);
/// assert!(trust.is_fresh(now + Duration::from_secs(5)));
/// assert!(!trust.is_fresh(now + Duration::from_millis(5_001)));
///
/// let before = trust.stamp(&"key 1");
/// trust.forget(&"key 1");
/// assert_ne!(trust.stamp(&"key 1"), before);
/// ```
#[derive(Debug)]
pub struct CacheTrust {
    bound: Duration,
    /// Monotonic microseconds of the last confirmation, plus one; zero when there was none.
    confirmed: AtomicU64,
    hasher: RandomState,
    shards: Box<[AtomicU64]>,
    bell: Option<Arc<dyn ChangeBell>>,
}

/// Where the counter of a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u16);

/// The state of things when something was read. Compare with the current one before believing what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64);

impl CacheTrust {
    const SHARDS: usize = 4096;

    /// Nothing is believed yet; later, at most `bound` after a confirmation (L-13; 5 s unless the host says less).
    #[must_use]
    pub fn new(bound: Duration) -> Self {
        Self {
            bound,
            confirmed: AtomicU64::new(0),
            hasher: RandomState::default(),
            shards: (0..Self::SHARDS).map(|_| AtomicU64::new(0)).collect(),
            bell: None,
        }
    }

    /// Rings this bell after each change that this node makes itself.
    #[must_use]
    pub fn bell(mut self, bell: Arc<dyn ChangeBell>) -> Self {
        self.bell = Some(bell);
        self
    }

    /// The longest time that a change elsewhere can stay unnoticed.
    #[must_use]
    pub const fn bound(&self) -> Duration {
        self.bound
    }

    /// The feed was read to its end by a call that began at `monotonic`.
    pub fn confirm(&self, monotonic: Duration) {
        self.confirmed
            .fetch_max(micros(monotonic).saturating_add(1), Ordering::AcqRel);
    }

    /// How old the last confirmation is; none before the first.
    #[must_use]
    pub fn age(&self, monotonic: Duration) -> Option<Duration> {
        let confirmed = self.confirmed.load(Ordering::Acquire).checked_sub(1)?;
        Some(monotonic.saturating_sub(Duration::from_micros(confirmed)))
    }

    /// Whether memories may be believed at `monotonic`. With a bound of zero they never are.
    #[must_use]
    #[inline]
    pub fn is_fresh(&self, monotonic: Duration) -> bool {
        !self.bound.is_zero() && self.age(monotonic).is_some_and(|age| age <= self.bound)
    }

    /// The current stamp of a thing. Take it before reading the thing from the store.
    #[must_use]
    #[inline]
    pub fn stamp<K: Hash + ?Sized>(&self, key: &K) -> Stamp {
        Stamp(self.count(self.slot(key)))
    }

    /// Where the counter of a thing is, so that a remembered entry need not hash it again.
    #[must_use]
    pub fn slot<K: Hash + ?Sized>(&self, key: &K) -> Slot {
        let shards = u64::try_from(self.shards.len()).unwrap_or(u64::MAX).max(1);
        Slot(u16::try_from(self.hasher.hash_one(key) % shards).unwrap_or(0))
    }

    /// The current stamp of several things: it changes when any of theirs does.
    #[must_use]
    #[inline]
    pub fn stamp_of(&self, slots: &[Slot]) -> Stamp {
        // Every counter only rises, so an equal sum means that none has moved.
        Stamp(
            slots
                .iter()
                .fold(0, |sum, slot| sum.wrapping_add(self.count(*slot))),
        )
    }

    /// What was remembered of a thing is not believed any more.
    ///
    /// Things that share a counter with it are forgotten too; that costs a question to the store, no more.
    pub fn forget<K: Hash + ?Sized>(&self, key: &K) {
        if let Some(shard) = self.shards.get(usize::from(self.slot(key).0)) {
            shard.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Nothing that was remembered is believed any more.
    pub fn forget_everything(&self) {
        for shard in &self.shards {
            shard.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// This node has changed a thing, or may have: forgets it, and rings the bell for the other nodes.
    pub fn changed<K: Hash + ?Sized>(&self, key: &K) {
        self.forget(key);
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }

    /// Takes a thing for [`changed`](Self::changed) when dropped: hold it across the store call that changes the thing,
    /// so that a dropped future forgets as well.
    #[must_use]
    pub fn forget_on_drop<'a, K: Hash>(&'a self, key: &'a K) -> impl Drop + 'a {
        ForgetOnDrop { trust: self, key }
    }

    #[inline]
    fn count(&self, slot: Slot) -> u64 {
        self.shards
            .get(usize::from(slot.0))
            .map_or(0, |shard| shard.load(Ordering::Acquire))
    }
}

struct ForgetOnDrop<'a, K: Hash> {
    trust: &'a CacheTrust,
    key: &'a K,
}

impl<K: Hash> Drop for ForgetOnDrop<'_, K> {
    fn drop(&mut self) {
        self.trust.changed(self.key);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_never_goes_back() {
        let trust = CacheTrust::new(Duration::from_secs(5));
        trust.confirm(Duration::from_secs(10));
        trust.confirm(Duration::from_secs(3));
        assert_eq!(
            trust.age(Duration::from_secs(11)),
            Some(Duration::from_secs(1))
        );
    }

    #[test]
    fn the_guard_forgets_when_it_is_dropped_and_not_before() {
        let trust = CacheTrust::new(Duration::ZERO);
        let before = trust.stamp(&7);
        let guard = trust.forget_on_drop(&7);
        assert_eq!(trust.stamp(&7), before);
        drop(guard);
        assert_ne!(trust.stamp(&7), before);
    }

    #[derive(Debug, Default)]
    struct Rings(AtomicU64);

    impl ChangeBell for Rings {
        fn ring(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_bell_rings_for_what_this_node_changes_and_not_for_what_it_hears_of() {
        let rings = Arc::new(Rings::default());
        let trust = CacheTrust::new(Duration::ZERO).bell(rings.clone());
        trust.forget(&7);
        trust.forget_everything();
        let guard = trust.forget_on_drop(&7);
        assert_eq!(rings.0.load(Ordering::SeqCst), 0);
        drop(guard);
        assert_eq!(rings.0.load(Ordering::SeqCst), 1);
        trust.changed(&7);
        assert_eq!(rings.0.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_stamp_of_several_moves_with_each_of_them() {
        let trust = CacheTrust::new(Duration::ZERO);
        let slots = [trust.slot("a"), trust.slot("b"), trust.slot("c")];
        for key in ["a", "b", "c"] {
            let before = trust.stamp_of(&slots);
            trust.forget(key);
            assert_ne!(trust.stamp_of(&slots), before);
        }
    }

    #[test]
    fn forgetting_everything_moves_every_stamp() {
        let trust = CacheTrust::new(Duration::ZERO);
        let before: Vec<_> = (0..1000).map(|n| trust.stamp(&n)).collect();
        trust.forget_everything();
        assert!(
            (0..1000)
                .zip(before)
                .all(|(n, stamp)| trust.stamp(&n) != stamp)
        );
    }
}
