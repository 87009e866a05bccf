use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::StoreError;
use redis::aio::ConnectionLike;

use crate::builder::RedisStoreBuilder;
use crate::fields::count;
use crate::link::Link;
use crate::script::{Call, Script};

/// How many records one step of a purge removes: everybody else waits for it.
const RECORDS_IN_A_PURGE: usize = 500;

/// The most that a page or a batch holds, as the traits' contracts bound it: everybody else waits for it.
pub(crate) const LONGEST_PAGE: usize = 1_000;

/// Every store trait of Fountain, in one Redis.
///
/// Cheap to clone; all clones are one store. See the [crate's documentation](crate) for what it promises.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) link: Box<dyn Link>,
    /// What every key begins with: the hash tag.
    pub(crate) tag: String,
    pub(crate) channel: String,
    pub(crate) patience: Duration,
    pub(crate) feed_length: NonZeroU32,
}

impl RedisStore {
    /// What to decide before opening, over a connection of the host's: a `ConnectionManager`, a multiplexed or a cluster
    /// connection.
    ///
    /// One connection is enough: its clones share one socket, on which calls do not wait for each other.
    pub fn builder<C>(connection: C) -> RedisStoreBuilder
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        RedisStoreBuilder::new(Box::new(connection))
    }

    /// The channel on which every change is announced, by its place in the feed: subscribe to it to read the feed at once.
    ///
    /// Redis keeps no message for who is not listening, so that a message is a reason to read and none is no reason not
    /// to: go on reading the feed at least once a second.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.shared.channel
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        self.shared.patience
    }

    pub(crate) fn call(&self, script: &'static Script) -> Call<'_> {
        Call::new(&self.shared, script)
    }

    /// Removes at most `limit` records by a script that removes at most as many as it is told, a bounded number in each
    /// step, so that nobody waits long behind it.
    pub(crate) async fn purge_in_batches(
        &self,
        limit: usize,
        remove: impl for<'s> Fn(&'s Self, usize) -> Call<'s> + Send + Sync,
    ) -> Result<u64, StoreError> {
        let mut left = limit;
        let mut removed: u64 = 0;
        while left > 0 {
            let batch = left.min(RECORDS_IN_A_PURGE);
            let gone = count(&remove(self, batch).write().await?)?;
            if gone == 0 {
                break;
            }
            removed = removed.saturating_add(gone);
            left = left.saturating_sub(usize::try_from(gone).unwrap_or(usize::MAX));
        }
        Ok(removed)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("tag", &self.shared.tag)
            .finish_non_exhaustive()
    }
}
