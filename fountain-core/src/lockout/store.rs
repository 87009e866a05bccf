use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::LockoutRules;
use crate::audit::AuditEvent;
use crate::clock::Timestamp;
use crate::error::{Error, StoreError};
use crate::identity::Tenant;
use crate::secret::Digest;

/// What attempts are counted for: one kind of authenticator of one subject, say, or one address that codes are sent to.
///
/// It is a digest, so that names and addresses that nobody has registered are counted as well and none is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LockoutKey(Digest);

impl LockoutKey {
    /// A key of this digest: of a label, and of the canonical form of what is counted for.
    #[must_use]
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The digest, for a store.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

/// One attempt, about to be judged.
#[derive(Debug, Clone)]
pub struct LockoutAttempt {
    /// In which tenant.
    pub tenant: Tenant,
    /// What it counts for.
    pub key: LockoutKey,
    /// How many there are, and what comes then.
    pub rules: LockoutRules,
    /// When.
    pub now: Timestamp,
    /// Recorded when it is counted.
    pub on_counted: AuditEvent,
    /// Recorded, too, when a lock begins with it.
    pub on_locked: AuditEvent,
}

/// Whether an attempt may be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum AttemptOutcome {
    /// It was counted, and may be judged.
    Counted {
        /// Attempts up to this one since the last one that was right, or since the last lock ended.
        failures: u32,
        /// The end of the lock that began with this attempt, if one did: [`Timestamp::MAX`] when it lasts until it is cleared.
        locked_until: Option<Timestamp>,
    },
    /// It must not be judged. Nothing changed.
    Locked {
        /// The end of the lock.
        until: Timestamp,
    },
}

/// How many codes may be issued for one key within any window of some length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IssueBudget {
    key: LockoutKey,
    limit: u32,
    window: Duration,
}

impl IssueBudget {
    /// At most `limit` (1 to 1,000) within any `window` (1 s to 31 days). A limit of 1 is a cool-down.
    ///
    /// # Errors
    /// `InvalidInput` when one is out of bounds.
    pub const fn new(key: LockoutKey, limit: u32, window: Duration) -> Result<Self, Error> {
        if limit == 0 || limit > 1_000 {
            return Err(Error::invalid("budget", "give 1 to 1,000 codes"));
        }
        if window.as_secs() == 0
            || window.as_micros() > Duration::from_secs(31 * 24 * 3_600).as_micros()
        {
            return Err(Error::invalid("budget window", "give 1 second to 31 days"));
        }
        Ok(Self { key, limit, window })
    }

    /// What is counted for.
    #[must_use]
    pub const fn key(&self) -> &LockoutKey {
        &self.key
    }

    /// How many within the window.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// How long the window is.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// The first instant from `now` on at which one more may be taken after those that were `taken`, in any order; `now` itself
    /// when that is now. One that was taken at `t` counts until just before `t + window`; one that seems to be taken in the
    /// future counts as well, since another node's clock is ahead.
    #[must_use]
    pub fn free_at(&self, taken: &[Timestamp], now: Timestamp) -> Timestamp {
        let mut counting: Vec<_> = taken
            .iter()
            .map(|at| *at + self.window)
            .filter(|end| *end > now)
            .collect();
        counting.sort_unstable();
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        // With so many counting, one more may be taken when all but `limit - 1` of them have stopped to.
        counting
            .len()
            .checked_sub(limit)
            .and_then(|last| counting.get(last))
            .map_or(now, |end| *end)
    }
}

/// Whether a budget had something left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum BudgetOutcome {
    /// One was taken of each.
    Taken,
    /// At least one is used up. Nothing was taken.
    Exhausted {
        /// The first instant at which all of them have one left by [`IssueBudget::free_at`], if nobody takes any meanwhile.
        until: Timestamp,
    },
}

/// Counts attempts and issued codes, and holds locks.
///
/// # Contract
/// - A: `attempt` is one step: it counts the attempt and says whether it may be judged. Of any number of parallel attempts
///   of one key as many are `Counted` as the threshold has left, and all others are `Locked`.
/// - B: an attempt at or past `forget_at` finds nothing standing. One before the end of a lock is `Locked` and changes
///   nothing. Any other is `Counted`; the one that reaches the threshold begins a lock at its `now`, as long as
///   [`LockoutRules::length`] of its number says, and at or past the end of a lock counting begins at 1 again. What stands is
///   forgotten [`LockoutRules::kept_for`] after the attempt, or after the end of the lock that it began.
///   [`LockoutState::count`](super::LockoutState::count) is these rules.
/// - C: `on_counted` is recorded with the count, and behind it `on_locked` with the lock, in the same step, and neither without.
/// - D: `locked_until` is the latest end of a lock that stands at `now` among these keys of the tenant.
/// - E: `clear` removes all that was counted for these keys of the tenant with one event, and says whether there was anything;
///   if there was not, nothing is recorded. What `take` has taken stays taken.
/// - F: `take` is one step over all its budgets: each has one left by [`IssueBudget::free_at`], and one is taken of each key,
///   once for a key with several budgets; or nothing is taken and nothing recorded. Of any number of parallel calls no more
///   succeed than each budget allows. What was taken is there until its longest window has passed, of those that the call
///   named for its key; until then it counts for every budget of the key, of whatever window.
/// - G: keys of one tenant are not those of another; attempts and budgets do not share their counts.
/// - H: `purge` removes counts whose `forget_at` is before the given instant, and all takes of a key when each of them is
///   gone by then; at most `limit` of both together.
/// - I: nothing here is in the change feed.
/// - J: a call that names no key or budget, or more than 16, is a `Conflict` and changes nothing.
#[async_trait]
pub trait LockoutStore: Debug + Send + Sync + 'static {
    /// Counts an attempt, unless a lock stands.
    async fn attempt(&self, attempt: LockoutAttempt) -> Result<AttemptOutcome, StoreError>;

    /// The end of the lock that lasts longest at `now`, of these keys (1 to 16); none when none is locked.
    async fn locked_until(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// Forgets what was counted for these keys (1 to 16), and their locks. `false` when there was nothing.
    async fn clear(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        event: AuditEvent,
    ) -> Result<bool, StoreError>;

    /// Takes one of each of these budgets (1 to 16), or of none.
    async fn take(
        &self,
        tenant: &Tenant,
        budgets: &[IssueBudget],
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<BudgetOutcome, StoreError>;

    /// Removes what was forgotten before `before`, at most `limit` counts and keys of budgets; gives the number
    /// removed.
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_900_000_000 + seconds)
    }

    fn budget(limit: u32, window: u64) -> IssueBudget {
        let key = LockoutKey::new(Digest::of(b"x"));
        IssueBudget::new(key, limit, Duration::from_secs(window)).unwrap()
    }

    /// never more than the limit within any window.
    #[test]
    fn a_budget_is_free_when_fewer_than_its_limit_count() {
        let taken = [at(0), at(10), at(20)];
        let free = |limit, window, now| budget(limit, window).free_at(&taken, at(now));
        assert_eq!(free(3, 60, 30), at(60));
        assert_eq!(free(3, 60, 60), at(60));
        assert_eq!(free(4, 60, 30), at(30));
        assert_eq!(free(2, 60, 30), at(70));
        assert_eq!(free(1, 60, 30), at(80));
        assert_eq!(free(1, 5, 30), at(30));
        assert_eq!(budget(1, 60).free_at(&[], at(0)), at(0));
        // F-30: taken by a node whose clock is ahead
        assert_eq!(budget(1, 60).free_at(&[at(100)], at(0)), at(160));
        assert_eq!(
            budget(1, 60).free_at(&[Timestamp::MAX], at(0)),
            Timestamp::MAX
        );
    }

    #[test]
    fn budgets_out_of_bounds_are_refused() {
        let key = LockoutKey::new(Digest::of(b"x"));
        for (limit, window) in [
            (0, Duration::from_secs(1)),
            (1_001, Duration::from_secs(1)),
            (1, Duration::from_millis(999)),
            (1, Duration::MAX),
        ] {
            assert!(IssueBudget::new(key, limit, window).is_err());
        }
    }
}
