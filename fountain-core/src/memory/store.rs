use std::fmt;

use super::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use super::{access, api_key, challenge, credential, factor, lockout, log, signing, token};
use crate::error::{StoreError, StoreErrorKind};

/// Holds everything in memory, in one lock, so that each step is atomic by construction.
///
/// Bounded: a full table refuses the change with [`StoreErrorKind::Full`]; nothing is evicted, so that no
/// flood can push a revocation out (R-69). Everything is lost when the process ends.
///
/// ```
/// use fountain_core::identity::{Issuer, KeyId};
/// use fountain_core::api_key::KeyStore;
/// use fountain_core::memory::MemoryStore;
///
/// # futures_block_on(async {
/// let store = MemoryStore::new();
/// let keys: &dyn KeyStore = &store;
/// assert!(keys.find(&KeyId::new("7Kq3nX0aVb2LmZ9T")?).await?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # fn futures_block_on<F: Future>(f: F) -> F::Output {
/// #     let mut f = std::pin::pin!(f);
/// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop { if let std::task::Poll::Ready(v) = f.as_mut().poll(&mut cx) { return v } }
/// # }
/// ```
pub struct MemoryStore {
    state: RwLock<State>,
    capacity: usize,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) keys: api_key::Keys,
    pub(super) rings: signing::Rings,
    pub(super) tokens: token::Tokens,
    pub(super) revocations: token::Revocations,
    pub(super) subjects: access::Subjects,
    pub(super) credentials: credential::Credentials,
    pub(super) factors: factor::Factors,
    pub(super) challenges: challenge::Challenges,
    pub(super) lockouts: lockout::Lockouts,
    pub(super) log: log::Log,
}

impl MemoryStore {
    /// How many entries a table holds unless told otherwise: 4,194,304.
    pub const DEFAULT_CAPACITY: usize = 1 << 22;

    /// An empty store with the default capacity.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// An empty store whose tables hold at most `entries` each.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        Self {
            state: RwLock::default(),
            capacity: entries,
        }
    }

    // A panic while the lock is held cannot leave a step half done that matters here: the steps below do not
    // panic. Going on with the state is right; refusing for ever would not be.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for `more` entries in a table of `used`.
    pub(super) fn room(&self, used: usize, more: usize) -> Result<(), StoreError> {
        if used.saturating_add(more) > self.capacity {
            Err(StoreErrorKind::Full.into())
        } else {
            Ok(())
        }
    }

    /// Room for `events` more events: asked before a change, so that there is none without its trace.
    pub(super) fn room_for_events(&self, state: &State, events: usize) -> Result<(), StoreError> {
        self.room(state.log.len(), events)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
