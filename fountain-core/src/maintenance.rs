//! What must happen now and then: read the change feed, take the signing keys' next step, note when keys were
//! last used, remove what has ended. The host schedules one call, [`Fountain::tick`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::api_key::KeyStore;
use crate::error::{Error, StoreError};
use crate::fountain::{Fountain, Services};
use crate::lockout::LockoutStore;
use crate::metrics;
use crate::otp::{ChallengeStore, FactorStore};
use crate::token::{RefreshTokenStore, RevocationStore};

/// The stores that are purged.
pub(crate) struct Purged {
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) families: Arc<dyn RefreshTokenStore>,
    pub(crate) revocations: Arc<dyn RevocationStore>,
    pub(crate) lockouts: Arc<dyn LockoutStore>,
    pub(crate) challenges: Arc<dyn ChallengeStore>,
    pub(crate) factors: Arc<dyn FactorStore>,
}

/// What is purged, and when the slower chores were last done.
pub(crate) struct Maintenance {
    purged: Purged,
    key_retention: Duration,
    chores_at: AtomicU64,
    feed_age: ::metrics::Gauge,
    followed: ::metrics::Counter,
}

/// What a tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tick {
    /// Changes that were read from the feed.
    pub followed: u64,
    /// Whether this tick also did the chores of every minute.
    pub chores: bool,
    /// Notes of last use that were written.
    pub uses: u64,
    /// Records that were removed because they ended.
    pub purged: u64,
}

impl Maintenance {
    /// How often the slower chores are done: once a minute.
    pub(crate) const CHORES: Duration = Duration::from_secs(60);
    /// Records that are removed from each table in one go at most (R-101).
    const BATCH: usize = 1_000;
    /// How long an ended family is kept, so that a replay of its tokens is still known as one: an hour.
    const FAMILY_RETENTION: Duration = Duration::from_secs(3_600);
    /// How long a revocation is kept after nothing that it is about can be alive, and attempts after they are forgotten: 12 hours. Tokens of a revoked
    /// credential would work again on every other node if one whose clock had jumped ahead forgot it early (F-30).
    const REVOCATION_RETENTION: Duration = Duration::from_secs(12 * 3_600);
    /// How long challenges and pending factors are kept after they have ended: an hour. One that is gone too early is refused.
    const SIGN_IN_RETENTION: Duration = Duration::from_secs(3_600);
    /// Batches in one tick at most, so that a tick is bounded.
    const BATCHES: usize = 20;

    pub(crate) fn new(purged: Purged, key_retention: Duration) -> Self {
        Self {
            purged,
            key_retention,
            chores_at: AtomicU64::new(0),
            feed_age: ::metrics::gauge!(metrics::CHANGE_FEED_AGE.name),
            followed: ::metrics::counter!(metrics::CHANGES_FOLLOWED.name),
        }
    }

    /// Whether the chores are due now; only one caller is told so.
    fn claim_chores(&self, monotonic: Duration) -> bool {
        // Seconds plus one, so that zero means never.
        let now = monotonic.as_secs().saturating_add(1);
        let last = self.chores_at.load(Ordering::Acquire);
        let due = last == 0 || now.saturating_sub(last) >= Self::CHORES.as_secs();
        due && self
            .chores_at
            .compare_exchange(last, now, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl std::fmt::Debug for Maintenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maintenance")
            .field("key_retention", &self.key_retention)
            .finish_non_exhaustive()
    }
}

impl Fountain {
    /// Does what is due. Call it about once a second, on every node; it does the slower chores once a minute.
    ///
    /// Every second: reads the change feed. Every minute: the signing keys' next step, notes of last use, and
    /// removal in bounded batches of what has ended: token families an hour after, revocations 12 hours after
    /// anything that they are about can be alive, API keys after their retention, challenges and factors that were never
    /// confirmed an hour after, forgotten attempts 12 hours after (R-101).
    ///
    /// ```no_run
    /// # async fn example(fountain: fountain_core::Fountain) {
    /// let mut every_second = tokio::time::interval(std::time::Duration::from_secs(1));
    /// tokio::spawn(async move {
    ///     loop {
    ///         every_second.tick().await;
    ///         if let Err(error) = fountain.tick().await {
    ///             tracing::warn!(%error, "maintenance failed; it is tried again");
    ///         }
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// # Errors
    /// The first failure, after everything else was tried: the feed is tried again by the next tick, a chore a minute later.
    ///
    /// # Cancel safety
    /// What was not done is done by a later tick.
    pub async fn tick(&self) -> Result<Tick, Error> {
        let services = self.services();
        let maintenance = &services.maintenance;
        let mut tick = Tick::default();
        let mut failure = None;

        match services.follower.catch_up().await {
            Ok(followed) => {
                maintenance.followed.increment(followed);
                tick.followed = followed;
            }
            Err(error) => failure = Some(error.into()),
        }
        let monotonic = services.clock.monotonic();
        if let Some(age) = services.follower.trust().age(monotonic) {
            maintenance.feed_age.set(age.as_secs_f64());
        }
        if maintenance.claim_chores(monotonic) {
            tick.chores = true;
            if let Err(error) = services.keyring.advance().await {
                failure.get_or_insert(error);
            }
            match services.api_keys.flush_uses().await {
                Ok(uses) => tick.uses = uses,
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
            match purge(services).await {
                Ok(purged) => tick.purged = purged,
                Err(error) => {
                    failure.get_or_insert(error.into());
                }
            }
        }
        failure.map_or(Ok(tick), Err)
    }
}

/// Removes what has ended, table by table: a store that fails keeps no other from being cleaned.
async fn purge(services: &Services) -> Result<u64, StoreError> {
    let maintenance = &services.maintenance;
    let now = services.clock.now();
    let mut purged = 0;
    let mut failure = None;
    // As long as a table gave up something in the batch before.
    let mut more = [true; 6];
    for _ in 0..Maintenance::BATCHES {
        let [keys, families, revocations, lockouts, challenges, factors] = &mut more;
        macro_rules! purge {
            ($table:ident, $retention:expr) => {
                if *$table {
                    let store = &maintenance.purged.$table;
                    let removed = store.purge(now - $retention, Maintenance::BATCH).await;
                    *$table = note(removed, &mut purged, &mut failure);
                }
            };
        }
        purge!(keys, maintenance.key_retention);
        purge!(families, Maintenance::FAMILY_RETENTION);
        purge!(revocations, Maintenance::REVOCATION_RETENTION);
        purge!(lockouts, Maintenance::REVOCATION_RETENTION);
        purge!(challenges, Maintenance::SIGN_IN_RETENTION);
        purge!(factors, Maintenance::SIGN_IN_RETENTION);
    }
    failure.map_or(Ok(purged), Err)
}

/// Keeps count and the first failure; whether there may be more to remove.
fn note(
    removed: Result<u64, StoreError>,
    purged: &mut u64,
    failure: &mut Option<StoreError>,
) -> bool {
    match removed {
        Ok(removed) => {
            *purged += removed;
            removed > 0
        }
        Err(error) => {
            failure.get_or_insert(error);
            false
        }
    }
}
