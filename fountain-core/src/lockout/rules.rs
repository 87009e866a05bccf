use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AttemptOutcome;
use crate::clock::Timestamp;
use crate::error::Error;

/// How many attempts there are before a lock, and how long a lock lasts.
///
/// A lock begins with the last attempt that the threshold allows, for as long as that attempt did not turn out right: who
/// gets in clears what was counted. Each further lock lasts twice as long as the one before, up to the longest.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::lockout::LockoutRules;
///
/// let rules = LockoutRules::new(5, Duration::from_secs(900), Duration::from_secs(3_600))?;
/// assert_eq!(rules, LockoutRules::default());
/// assert_eq!(rules.length(1), Some(Duration::from_secs(900)));
/// assert_eq!(rules.length(2), Some(Duration::from_secs(1_800)));
/// assert_eq!(rules.length(9), Some(Duration::from_secs(3_600)));
/// assert_eq!(LockoutRules::for_good(100)?.length(1), None); // until somebody clears it
///
/// assert!(LockoutRules::new(0, Duration::from_secs(900), Duration::from_secs(3_600)).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LockoutRules {
    threshold: u32,
    lock: Option<Lock>,
    forget_after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Lock {
    first: Duration,
    longest: Duration,
}

impl LockoutRules {
    /// How long what was counted is kept after the last attempt, or after the end of a lock, unless told otherwise: a day.
    pub const DEFAULT_FORGET_AFTER: Duration = Duration::from_secs(24 * 3_600);

    /// `threshold` attempts (1 to 1,000), then a lock of `first`, each further one twice as long up to `longest`.
    ///
    /// # Errors
    /// `InvalidInput` when the threshold is out of bounds, the first lock is shorter than a second, the longest is shorter than
    /// the first or longer than 31 days.
    pub const fn new(threshold: u32, first: Duration, longest: Duration) -> Result<Self, Error> {
        const MONTH: u64 = 31 * 24 * 3_600;
        if threshold == 0 || threshold > 1_000 {
            return Err(Error::invalid(
                "lockout threshold",
                "give 1 to 1,000 attempts",
            ));
        }
        if first.as_secs() == 0
            || longest.as_micros() < first.as_micros()
            || longest.as_micros() > Duration::from_secs(MONTH).as_micros()
        {
            return Err(Error::invalid(
                "lockout length",
                "give a first lock of a second or more, and a longest one that is no shorter and at most 31 days",
            ));
        }
        Ok(Self {
            threshold,
            lock: Some(Lock { first, longest }),
            forget_after: Self::DEFAULT_FORGET_AFTER,
        })
    }

    /// `threshold` attempts (1 to 1,000) one after the other without one that is right, and then a lock that only
    /// [`clear`](super::LockoutStore::clear) ends; nothing is forgotten meanwhile. For an authenticator that is to be bound
    /// anew (R-51; at most 100 by SP 800-63B-4 section 3.2.2).
    ///
    /// # Errors
    /// `InvalidInput` when the threshold is out of bounds.
    pub const fn for_good(threshold: u32) -> Result<Self, Error> {
        if threshold == 0 || threshold > 1_000 {
            return Err(Error::invalid(
                "lockout threshold",
                "give 1 to 1,000 attempts",
            ));
        }
        Ok(Self {
            threshold,
            lock: None,
            forget_after: Duration::MAX,
        })
    }

    /// How long what was counted is kept after the last attempt, or after the end of a lock: 1 s to 31 days. It does not
    /// change rules that lock for good.
    ///
    /// # Errors
    /// `InvalidInput` when it is out of bounds.
    pub const fn forget_after(mut self, time: Duration) -> Result<Self, Error> {
        if time.as_secs() == 0 || time.as_secs() > 31 * 24 * 3_600 {
            return Err(Error::invalid("lockout memory", "give 1 second to 31 days"));
        }
        if self.lock.is_some() {
            self.forget_after = time;
        }
        Ok(self)
    }

    /// How many attempts are judged before a lock.
    #[must_use]
    pub const fn threshold(self) -> u32 {
        self.threshold
    }

    /// How long lock number `number` lasts, 1 being the first; none when it lasts until it is cleared.
    #[must_use]
    pub fn length(self, number: u32) -> Option<Duration> {
        let Lock { first, longest } = self.lock?;
        let doubled = 1_u32
            .checked_shl(number.saturating_sub(1))
            .and_then(|times| first.checked_mul(times));
        Some(doubled.map_or(longest, |length| length.min(longest)))
    }

    /// How long what was counted is kept; [`Duration::MAX`] when it is kept until it is cleared.
    #[must_use]
    pub const fn kept_for(self) -> Duration {
        self.forget_after
    }
}

impl Default for LockoutRules {
    /// 5 attempts, then 15 minutes, doubled up to an hour; forgotten after a day (R-61).
    fn default() -> Self {
        Self {
            threshold: 5,
            lock: Some(Lock {
                first: Duration::from_secs(900),
                longest: Duration::from_secs(3_600),
            }),
            forget_after: Self::DEFAULT_FORGET_AFTER,
        }
    }
}

/// What a store holds of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LockoutState {
    /// Attempts since the last one that was right, or since the last lock ended.
    pub failures: u32,
    /// Locks since the last attempt that was right.
    pub locks: u32,
    /// The end of the lock that was begun last: [`Timestamp::MAX`] for one that lasts until it is cleared.
    pub locked_until: Option<Timestamp>,
    /// From this instant on all of it is as if it had never been.
    pub forget_at: Timestamp,
}

impl LockoutState {
    /// The rules of [`LockoutStore::attempt`](super::LockoutStore::attempt), as a pure function: the state that stands after an
    /// attempt at `now`, or none when nothing changes, and what to answer. For stores that judge in Rust.
    pub fn count(
        standing: Option<Self>,
        rules: LockoutRules,
        now: Timestamp,
    ) -> (Option<Self>, AttemptOutcome) {
        let standing = standing.filter(|state| now < state.forget_at);
        let lock = standing.and_then(|state| state.locked_until);
        if let Some(until) = lock.filter(|until| now < *until) {
            return (None, AttemptOutcome::Locked { until });
        }
        // A lock that has ended: counting begins anew, and the next lock is longer.
        let counted = standing
            .filter(|_| lock.is_none())
            .map_or(0, |state| state.failures);
        let failures = counted.saturating_add(1);
        let mut locks = standing.map_or(0, |state| state.locks);
        let mut locked_until = None;
        if failures >= rules.threshold() {
            locks = locks.saturating_add(1);
            locked_until = Some(
                rules
                    .length(locks)
                    .map_or(Timestamp::MAX, |length| now + length),
            );
        }
        let state = Self {
            failures,
            locks,
            locked_until,
            forget_at: locked_until.unwrap_or(now) + rules.kept_for(),
        };
        let outcome = AttemptOutcome::Counted {
            failures,
            locked_until,
        };
        (Some(state), outcome)
    }

    /// The end of the lock that stands at `now`, if one does.
    #[must_use]
    pub fn lock_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.locked_until
            .filter(|until| now < *until && now < self.forget_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_900_000_000 + seconds)
    }

    fn rules() -> LockoutRules {
        let seconds = Duration::from_secs;
        LockoutRules::new(3, seconds(10), seconds(35)).unwrap()
    }

    /// Attempts at these instants; what was answered, and what stands.
    fn run(rules: LockoutRules, times: &[i64]) -> (Vec<AttemptOutcome>, Option<LockoutState>) {
        let mut standing = None;
        let answers = times
            .iter()
            .map(|time| {
                let (next, answer) = LockoutState::count(standing, rules, at(*time));
                standing = next.or(standing);
                answer
            })
            .collect();
        (answers, standing)
    }

    fn counted(failures: u32, lock: Option<i64>) -> AttemptOutcome {
        AttemptOutcome::Counted {
            failures,
            locked_until: lock.map(at),
        }
    }

    fn locked(until: i64) -> AttemptOutcome {
        AttemptOutcome::Locked { until: at(until) }
    }

    /// R-61, R-62
    #[test]
    fn locks_double_up_to_the_longest_and_end_on_time() {
        let (answers, _) = run(
            rules(),
            &[0, 0, 0, 0, 9, 10, 10, 10, 10, 29, 30, 30, 30, 64, 65],
        );
        assert_eq!(
            answers,
            [
                counted(1, None),
                counted(2, None),
                counted(3, Some(10)),
                locked(10),
                locked(10),
                counted(1, None),
                counted(2, None),
                counted(3, Some(30)),
                locked(30),
                locked(30),
                counted(1, None),
                counted(2, None),
                counted(3, Some(65)),
                locked(65),
                counted(1, None),
            ]
        );
    }

    #[test]
    fn what_was_counted_is_forgotten_some_time_after_the_last_attempt_or_lock() {
        let rules = rules().forget_after(Duration::from_secs(100)).unwrap();
        assert_eq!(run(rules, &[0, 0, 99]).0[2], counted(3, Some(109)));
        assert_eq!(run(rules, &[0, 0, 100]).0[2], counted(1, None));
        // Behind the lock until 10, the next one is a second one for 100 s, and then a first one again.
        assert_eq!(
            run(rules, &[0, 0, 0, 109, 109, 109]).0[5],
            counted(3, Some(129))
        );
        assert_eq!(
            run(rules, &[0, 0, 0, 110, 110, 110]).0[5],
            counted(3, Some(120))
        );
    }

    /// R-51: bound anew, or never again.
    #[test]
    fn a_lock_for_good_is_never_forgotten() {
        let rules = LockoutRules::for_good(2).unwrap();
        let (answers, state) = run(rules, &[0, 0, 1_000_000_000, 2_000_000_000]);
        assert_eq!(
            answers[1],
            AttemptOutcome::Counted {
                failures: 2,
                locked_until: Some(Timestamp::MAX)
            }
        );
        for answer in &answers[2..] {
            assert_eq!(
                *answer,
                AttemptOutcome::Locked {
                    until: Timestamp::MAX
                }
            );
        }
        let state = state.unwrap();
        assert_eq!(state.forget_at, Timestamp::MAX);
        assert_eq!(state.lock_at(at(3_000_000_000)), Some(Timestamp::MAX));
        assert_eq!(rules.forget_after(Duration::from_secs(1)).unwrap(), rules);
    }

    /// F-30: a clock that goes back makes a lock longer, never shorter, and nothing panics at the ends of time.
    #[test]
    fn clocks_that_jump_unlock_nothing_early() {
        assert_eq!(run(rules(), &[0, 0, 0, -3_600]).0[3], locked(10));
        for now in [Timestamp::MIN, Timestamp::MAX] {
            for rules in [rules(), LockoutRules::for_good(1).unwrap()] {
                let (state, _) = LockoutState::count(None, rules, now);
                let _ = LockoutState::count(state, rules, now);
            }
        }
        assert_eq!(rules().length(u32::MAX), Some(Duration::from_secs(35)));
        assert_eq!(rules().length(0), Some(Duration::from_secs(10)));
    }

    #[test]
    fn rules_out_of_bounds_are_refused() {
        let seconds = Duration::from_secs;
        for (threshold, first, longest) in [
            (0, seconds(1), seconds(1)),
            (1_001, seconds(1), seconds(1)),
            (1, Duration::from_millis(999), seconds(1)),
            (1, seconds(2), seconds(1)),
            (1, seconds(1), Duration::MAX),
        ] {
            assert!(LockoutRules::new(threshold, first, longest).is_err());
        }
        assert!(LockoutRules::for_good(0).is_err() && LockoutRules::for_good(1_001).is_err());
        assert!(rules().forget_after(Duration::ZERO).is_err());
        assert!(rules().forget_after(Duration::MAX).is_err());
    }
}
