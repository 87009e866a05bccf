use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use super::lag::Lag;
use super::{CacheTrust, Change, ChangeCursor, ChangeFeed};
use crate::clock::Clock;
use crate::error::StoreError;

/// Reads the change feed and makes this node's caches forget.
///
/// The host calls [`ChangeFollower::catch_up`] at least once a second (through
/// `Fountain::tick`, usually). A node that does not, or whose feed does not answer, stops
/// trusting its caches by itself: see [`CacheTrust`].
///
/// How late it heard of each change is recorded in [`CHANGE_LAG`](crate::metrics::CHANGE_LAG) (L-13): from the time that the
/// change carries to its reading, by this node's wall clock, and so with the two clocks' difference as its error. Never
/// below zero; a change more than 5 s ahead of this node's clock is counted in
/// [`CHANGES_AHEAD`](crate::metrics::CHANGES_AHEAD). What is not read one by one, at the start and behind a gap,
/// is not measured; what two calls at once read is measured twice. A host installs its recorder before it makes this.
#[derive(Debug)]
pub struct ChangeFollower {
    feed: Arc<dyn ChangeFeed>,
    clock: Arc<dyn Clock>,
    trust: Arc<CacheTrust>,
    cursor: Mutex<Option<ChangeCursor>>,
    lag: Lag,
}

impl ChangeFollower {
    const BATCH: usize = 1000;

    /// A follower that has read nothing.
    #[must_use]
    pub fn new(feed: Arc<dyn ChangeFeed>, clock: Arc<dyn Clock>, trust: Arc<CacheTrust>) -> Self {
        Self {
            feed,
            clock,
            trust,
            cursor: Mutex::new(None),
            lag: Lag::new(),
        }
    }

    /// Reads the feed to its end, forgets what changed, and then believes the caches again.
    ///
    /// Gives the number of changes.
    ///
    /// # Errors
    /// The feed's; the caches are then trusted only until their bound runs out.
    ///
    /// # Cancel safety
    /// When dropped, what was not yet forgotten is read again by the next call.
    pub async fn catch_up(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        loop {
            // Before the question: the answer is at least as new as this.
            let asked = self.clock.monotonic();
            let Some(cursor) = self.cursor() else {
                let head = self.feed.head().await?;
                self.trust.forget_everything();
                self.advance(head);
                self.trust.confirm(asked);
                return Ok(count);
            };
            let batch = self.feed.since(cursor, Self::BATCH).await?;
            if batch.gap {
                self.trust.forget_everything();
            }
            // First of all, so that measuring makes nothing later.
            for entry in &batch.changes {
                self.forget(&entry.change);
                count += 1;
            }
            self.lag.measure(self.clock.now(), &batch.changes);
            self.advance(batch.cursor);
            if batch.gap || batch.changes.len() < Self::BATCH {
                self.trust.confirm(asked);
                return Ok(count);
            }
        }
    }

    /// What this follower confirms.
    #[must_use]
    pub fn trust(&self) -> &Arc<CacheTrust> {
        &self.trust
    }

    fn forget(&self, change: &Change) {
        match change {
            Change::ApiKey { id } => self.trust.forget(id),
            Change::SigningKeys { issuer } => self.trust.forget(issuer),
            Change::Revocation { key } => self.trust.forget(key),
            Change::Subject { tenant, subject } => self.trust.forget(&(tenant, subject)),
        }
    }

    fn cursor(&self) -> Option<ChangeCursor> {
        *self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Two calls at once may read the same batch; forgetting twice is harmless. The cursor follows the last one to
    // finish, which at worst reads a batch again. It may go back, since a store that was restored has a lower head.
    fn advance(&self, cursor: ChangeCursor) {
        *self.cursor.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audit::{AuditAction, AuditEvent};
    use crate::change::RevocationKey;
    use crate::clock::{ManualClock, Timestamp};
    use crate::identity::{Actor, Subject, Tenant};
    use crate::memory::MemoryStore;
    use crate::random::OsRandom;
    use crate::token::{Revocation, RevocationStore};

    fn parts() -> (Arc<MemoryStore>, Arc<ManualClock>, ChangeFollower) {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_000)));
        let trust = Arc::new(CacheTrust::new(Duration::from_secs(5)));
        let follower = ChangeFollower::new(store.clone(), clock.clone(), trust);
        (store, clock, follower)
    }

    async fn revoke(store: &MemoryStore, subject: &str, at: i64) -> RevocationKey {
        let key = RevocationKey::Subject {
            tenant: Tenant::default(),
            subject: Subject::new(subject).unwrap(),
        };
        let now = Timestamp::from_unix_seconds(at);
        let event = AuditEvent::new(
            &OsRandom,
            now,
            Tenant::default(),
            Actor::System,
            AuditAction::TokenRevoked,
        )
        .unwrap();
        let revocation = Revocation {
            key: key.clone(),
            not_before: now,
            expires_at: now + Duration::from_secs(600),
        };
        store.revoke(revocation, event).await.unwrap();
        key
    }

    /// L-13: a node that does not hear from its feed stops trusting its caches.
    #[tokio::test]
    async fn caches_are_believed_only_while_the_feed_is_followed() {
        let (_store, clock, follower) = parts();
        assert!(!follower.trust().is_fresh(clock.monotonic()));
        follower.catch_up().await.unwrap();
        assert!(follower.trust().is_fresh(clock.monotonic()));
        clock.advance(Duration::from_micros(5_000_001));
        assert!(!follower.trust().is_fresh(clock.monotonic()));
    }

    #[tokio::test]
    async fn a_change_moves_the_stamp_of_what_it_is_about() {
        let (store, _clock, follower) = parts();
        follower.catch_up().await.unwrap();
        let key = RevocationKey::Subject {
            tenant: Tenant::default(),
            subject: Subject::new("alice").unwrap(),
        };
        let before = follower.trust().stamp(&key);
        assert_eq!(follower.catch_up().await.unwrap(), 0);
        assert_eq!(follower.trust().stamp(&key), before);
        assert_eq!(revoke(&store, "alice", 1).await, key);
        assert_eq!(follower.catch_up().await.unwrap(), 1);
        assert_ne!(follower.trust().stamp(&key), before);
    }

    #[tokio::test]
    async fn a_long_feed_is_read_to_its_end_in_one_call() {
        let (store, _clock, follower) = parts();
        follower.catch_up().await.unwrap();
        for n in 0..2_500 {
            revoke(&store, &format!("s{n}"), 1).await;
        }
        assert_eq!(follower.catch_up().await.unwrap(), 2_500);
        assert_eq!(follower.catch_up().await.unwrap(), 0);
    }
}
