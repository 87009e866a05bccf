use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::fast::RandomState;
use metrics::Counter;

use super::{KeyId, KeyStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::metrics::API_KEY_USES_DROPPED;

/// When keys were last seen, kept in memory until it is written in one go: never a write per request.
///
/// A key's cell is shared with the cache, so that noting a use of a remembered key is one atomic. Nothing is lost
/// when the store fails; it is tried again. At most `capacity` keys wait; the use of one more is
/// counted as dropped.
pub(super) struct Uses {
    cells: Mutex<HashMap<KeyId, Noted, RandomState>>,
    capacity: usize,
    dropped: OnceLock<Counter>,
}

/// When a key was last seen, in microseconds.
pub(super) type LastUse = Arc<AtomicI64>;

struct Noted {
    seen: LastUse,
    written: i64,
}

impl Uses {
    /// Keys in one call to the store.
    const BATCH: usize = 1_000;

    pub(super) fn new(capacity: usize) -> Self {
        Self {
            cells: Mutex::default(),
            capacity,
            dropped: OnceLock::new(),
        }
    }

    /// Notes a use, and gives the cell in which to note the next ones; none when no more keys can wait.
    pub(super) fn note(&self, id: &KeyId, now: Timestamp) -> Option<LastUse> {
        let mut cells = self.cells();
        if let Some(noted) = cells.get(id) {
            see(&noted.seen, now);
            return Some(noted.seen.clone());
        }
        if cells.len() >= self.capacity {
            self.dropped
                .get_or_init(|| metrics::counter!(API_KEY_USES_DROPPED.name))
                .increment(1);
            return None;
        }
        let seen = Arc::new(AtomicI64::new(now.as_unix_micros()));
        let noted = Noted {
            seen: seen.clone(),
            written: i64::MIN,
        };
        cells.insert(id.clone(), noted);
        Some(seen)
    }

    /// Writes what was not written yet; gives the number of keys.
    ///
    /// When the store fails, or the future is dropped, what was not written stays and is tried again.
    pub(super) async fn flush(&self, store: &dyn KeyStore) -> Result<u64, StoreError> {
        let mut count = 0;
        let waiting = self.waiting();
        for batch in waiting.chunks(Self::BATCH) {
            store.record_use(batch).await?;
            self.mark_written(batch);
            count += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        }
        self.cells().retain(|_, noted| {
            // A cell that is in nobody else's hands can only be reached through this lock.
            Arc::strong_count(&noted.seen) > 1 || is_waiting(noted)
        });
        Ok(count)
    }

    fn waiting(&self) -> Vec<(KeyId, Timestamp)> {
        self.cells()
            .iter()
            .filter(|(_, noted)| is_waiting(noted))
            .map(|(id, noted)| {
                let seen = noted.seen.load(Ordering::Relaxed);
                (id.clone(), Timestamp::from_unix_micros(seen))
            })
            .collect()
    }

    fn mark_written(&self, batch: &[(KeyId, Timestamp)]) {
        let mut cells = self.cells();
        for (id, at) in batch {
            if let Some(noted) = cells.get_mut(id) {
                noted.written = noted.written.max(at.as_unix_micros());
            }
        }
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<KeyId, Noted, RandomState>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes a use of a key whose cell is at hand.
#[inline]
pub(super) fn see(cell: &AtomicI64, now: Timestamp) {
    let now = now.as_unix_micros();
    // Mostly another thread has noted a later use already: reading is cheaper than writing.
    if cell.load(Ordering::Relaxed) < now {
        cell.fetch_max(now, Ordering::Relaxed);
    }
}

fn is_waiting(noted: &Noted) -> bool {
    noted.seen.load(Ordering::Relaxed) > noted.written
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uses")
            .field("waiting", &self.cells().len())
            .field("capacity", &self.capacity)
            .finish()
    }
}
