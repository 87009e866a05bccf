use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Weak};
use std::time::Duration;

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt};

use super::question::{Asking, Landed, Outcome, Question, When};
use super::{Mutex, Tally, Topic, lock};
use crate::change::{CacheTrust, Slot, Stamp};
use crate::clock::Clock;
use crate::error::StoreError;

/// The questions that are asked now, by what they are about; see the module.
pub(crate) struct Flights<K: Eq + Hash, V> {
    trust: Option<Arc<CacheTrust>>,
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    shards: [Mutex<HashMap<K, Held<V>>>; SHARDS],
    tally: Tally,
}

/// So many cores can look at once.
const SHARDS: usize = 16;

struct Held<V> {
    question: Arc<Question<V>>,
    /// How many calls share it. With the last one it goes.
    seats: usize,
}

/// What is asked, and what of the answer may be believed as if it had been remembered.
pub(crate) struct About<'a, K, V> {
    pub(crate) key: K,
    /// What the answer depends on.
    pub(crate) depends: &'a [Slot],
    /// Whether an older answer would do that a memory would have given; none when nothing but the store's own word does.
    pub(crate) memorable: Option<fn(&V) -> bool>,
}

/// What came of it.
pub(crate) enum Answer<'a, K: Eq + Hash + Clone, V, R> {
    /// It was remembered between the caller's look and the question.
    Recalled(R),
    /// The store's answer. Keep it until what follows from it is remembered: then no caller falls between the two.
    Landed(Seat<'a, K, V>),
}

/// A share in a question, and its answer.
pub(crate) struct Seat<'a, K: Eq + Hash + Clone, V> {
    flights: &'a Flights<K, V>,
    key: K,
    question: Arc<Question<V>>,
    is_own: bool,
    landed: Option<Arc<Landed<V>>>,
}

impl<K: Eq + Hash + Clone, V> Flights<K, V> {
    /// Without `trust` no older answer is shared.
    pub(crate) fn new(topic: Topic, trust: Option<Arc<CacheTrust>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            trust,
            clock,
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
            tally: Tally::new(topic),
        }
    }

    /// Asks, or shares what others ask.
    ///
    /// `recall` looks once more at what is remembered: who asked before may have been answered since the caller looked.
    /// `question` makes the call of the store; it may not begin it.
    pub(crate) async fn ask<R>(
        &self,
        about: About<'_, K, V>,
        recall: impl FnOnce() -> Option<R> + Send,
        question: impl Fn() -> Asking<V> + Send + Sync,
    ) -> Answer<'_, K, V, R>
    where
        R: Send,
    {
        let mut seat = self.sit(&about, None, &question);
        // Who joins looks as well: whoever made the question may find the answer here, and not ask it.
        if let Some(found) = recall() {
            return Answer::Recalled(found);
        }
        let mut began_before = !seat.is_own;
        loop {
            let landed = match seat.landed.take() {
                Some(later) => Some(later),
                None => match seat.question.answer().await {
                    Outcome::Landed(landed) => {
                        (!began_before || self.stands(&about, &landed)).then_some(landed)
                    }
                    Outcome::Later(landed) => Some(landed),
                    Outcome::Lost => None,
                },
            };
            if landed.is_some() {
                if !seat.is_own {
                    self.tally.shared();
                }
                seat.landed = landed;
                return Answer::Landed(seat);
            }
            // Every other question began after this call did.
            began_before = false;
            seat = self.sit(&about, Some(&seat.question), &question);
        }
    }

    /// Joins the question that is asked about this, if it is worth it and not the `useless` one, or makes one; takes the
    /// answer to the one that was asked in the place of the `useless` one, if it is there.
    fn sit(
        &self,
        about: &About<'_, K, V>,
        useless: Option<&Arc<Question<V>>>,
        question: &impl Fn() -> Asking<V>,
    ) -> Seat<'_, K, V> {
        // Before the question: the answer is at least as new.
        let when = When {
            asked_at: self.clock.monotonic(),
            stamp: self
                .trust
                .as_ref()
                .map(|trust| trust.stamp_of(about.depends)),
        };
        let seat = |question, is_own, landed| Seat {
            flights: self,
            key: about.key.clone(),
            question,
            is_own,
            landed,
        };
        let mut shard = lock(self.shard(&about.key));
        // With the lock held: whoever takes an answer out of the table has put it here before.
        if let Some(useless) = useless
            && let Some(later) = useless.later()
        {
            return seat(Arc::clone(useless), false, Some(later));
        }
        let mut earlier = useless.map_or_else(Weak::new, Arc::downgrade);
        if let Some(held) = shard.get_mut(&about.key) {
            let is_useless = useless.is_some_and(|it| Arc::ptr_eq(it, &held.question));
            if !is_useless && held.question.is_worth_joining(when.asked_at) {
                held.seats = held.seats.saturating_add(1);
                return seat(Arc::clone(&held.question), false, None);
            }
            earlier = Arc::downgrade(&held.question);
        }
        let asked = Arc::new(Question::new(when, question(), earlier));
        let held = Held {
            question: Arc::clone(&asked),
            seats: 1,
        };
        let before = shard.insert(about.key.clone(), held);
        drop(shard);
        // The call of a store may end here: with the lock free.
        drop(before);
        seat(asked, true, None)
    }

    /// Whether an answer to a question that began before the caller came may be believed now, as a memory may.
    fn stands(&self, about: &About<'_, K, V>, landed: &Landed<V>) -> bool {
        let (Some(memorable), Some(trust), Ok(answer)) =
            (about.memorable, &self.trust, &landed.answer)
        else {
            return false;
        };
        memorable(answer)
            && trust.is_fresh(self.clock.monotonic())
            && landed.when.stamp == Some(trust.stamp_of(about.depends))
    }

    fn shard(&self, key: &K) -> &Mutex<HashMap<K, Held<V>>> {
        let count = u64::try_from(SHARDS).unwrap_or(1);
        let index = usize::try_from(self.hasher.hash_one(key) % count).unwrap_or(0);
        let [first, ..] = &self.shards;
        self.shards.get(index).unwrap_or(first)
    }

    /// How many calls share the question about this.
    #[cfg(test)]
    pub(super) fn seats(&self, key: &K) -> usize {
        lock(self.shard(key)).get(key).map_or(0, |held| held.seats)
    }

    /// How many things are asked about now.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }
}

impl<K: Eq + Hash + Clone, V> Seat<'_, K, V> {
    /// The answer.
    pub(crate) fn answer(&self) -> Result<&V, StoreError> {
        match self.landed.as_deref() {
            Some(landed) => landed.answer.as_ref().map_err(|error| {
                let shared = Arc::clone(error);
                StoreError::with_source(error.kind(), shared)
            }),
            None => Err(crate::error::StoreErrorKind::Unavailable.into()),
        }
    }

    /// When the question began, at the earliest, on the monotonic clock.
    pub(crate) fn asked_at(&self) -> Duration {
        let landed = self.landed.as_ref();
        landed.map_or(Duration::ZERO, |landed| landed.when.asked_at)
    }

    /// The state, before the question began, of what the answer depends on; none without a `trust`.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.landed.as_ref()?.when.stamp
    }
}

impl<K: Eq + Hash + Clone, V> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut shard = lock(self.flights.shard(&self.key));
        let Some(held) = shard.get_mut(&self.key) else {
            return;
        };
        if !Arc::ptr_eq(&held.question, &self.question) {
            return;
        }
        held.seats = held.seats.saturating_sub(1);
        if held.seats == 0 {
            let gone = shard.remove(&self.key);
            drop(shard);
            drop(gone);
        }
    }
}

impl<K: Eq + Hash + Clone, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flights({})", self.len())
    }
}
