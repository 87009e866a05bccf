use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::uses::LastUse;
use crate::change::{CacheTrust, Slot, Stamp};
use crate::clock::Timestamp;
use crate::identity::Principal;
use crate::secret::Digest;

/// Keys that were verified not long ago, by the digest of the whole key.
///
/// A hit needs the digest to be equal, the feed to be fresh, neither the key nor its owner to have changed, and the
/// key to be within its time. There are no negative entries.
pub(super) struct KeyCache {
    keys: Cache<Digest, Arc<Remembered>, UnitWeighter, RandomState>,
    trust: Arc<CacheTrust>,
}

/// What is remembered of a verified key.
pub(super) struct Remembered {
    pub(super) principal: Principal,
    pub(super) not_before: Timestamp,
    /// From when on it does not work: it expires or is superseded.
    pub(super) ends_at: Timestamp,
    /// Until when, on the monotonic clock, this may be believed at all.
    pub(super) until: Duration,
    /// The key's state before the store was asked for it.
    pub(super) key: Seen,
    /// The owner's state before the store was asked for it.
    pub(super) owner: Seen,
    pub(super) last_use: Option<LastUse>,
}

/// A thing and its state at some time.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) slot: Slot,
    pub(super) stamp: Stamp,
}

impl KeyCache {
    /// The longest time that an entry is believed: 30 s.
    pub(super) const LIFE: Duration = Duration::from_secs(30);

    pub(super) fn new(capacity: usize, trust: Arc<CacheTrust>) -> Self {
        let keys = Cache::with(
            capacity,
            u64::try_from(capacity).unwrap_or(u64::MAX),
            UnitWeighter,
            RandomState::default(),
            DefaultLifecycle::default(),
        );
        Self { keys, trust }
    }

    /// Where the state of a thing is.
    pub(super) fn slot<K: std::hash::Hash>(&self, key: &K) -> Slot {
        self.trust.slot(key)
    }

    /// Whether anything may be recalled at all.
    #[inline]
    pub(super) fn is_fresh(&self, monotonic: Duration) -> bool {
        self.trust.is_fresh(monotonic)
    }

    #[inline]
    pub(super) fn recall(
        &self,
        digest: &Digest,
        now: Timestamp,
        monotonic: Duration,
    ) -> Option<Arc<Remembered>> {
        if !self.is_fresh(monotonic) {
            return None;
        }
        let found = self.keys.get(digest)?;
        let stands = |seen: Seen| self.trust.stamp_of(&[seen.slot]) == seen.stamp;
        if monotonic < found.until
            && now >= found.not_before
            && now < found.ends_at
            && stands(found.key)
            && stands(found.owner)
        {
            return Some(found);
        }
        // It can never be believed again. Were it kept, a key that was good would be refused more slowly than one that
        // never was, each time.
        self.keys
            .remove_if(digest, |kept| Arc::ptr_eq(kept, &found));
        None
    }

    pub(super) fn remember(&self, digest: Digest, remembered: Remembered) {
        self.keys.insert(digest, Arc::new(remembered));
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyCache({})", self.keys.len())
    }
}
