//! Time is an argument: [`Timestamp`], and the [`Clock`] that a host or a test injects (R-109).

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// An instant of wall-clock time, in whole microseconds since 1970-01-01T00:00:00Z.
///
/// Ranges from year -9999 to 9999; arithmetic saturates at those ends, so that a hostile duration
/// can neither panic nor wrap. Serialises as the integer.
///
/// ```
/// use fountain_core::Timestamp;
/// use std::time::Duration;
///
/// let t = Timestamp::from_unix_seconds(1_700_000_000);
/// assert_eq!(t.to_string(), "2023-11-14T22:13:20Z");
/// assert!(t + Duration::from_micros(1) > t);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

const MICROS: i64 = 1_000_000;

impl Timestamp {
    /// The first instant that can be named, in the year -9999.
    pub const MIN: Self = Self(-377_705_023_201 * MICROS);
    /// The last instant that can be named: the whole second 9999-12-30T22:00:00Z.
    pub const MAX: Self = Self(253_402_207_200 * MICROS);

    /// The instant this many seconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self::from_unix_micros(seconds.saturating_mul(MICROS))
    }

    /// The instant this many microseconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_unix_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_unix_seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// The first whole second after this instant: what was issued now, with whole seconds, lies before it.
    #[must_use]
    pub const fn next_second(self) -> Self {
        Self::from_unix_seconds(self.as_unix_seconds() + 1)
    }

    /// How long after `earlier` this instant is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        if micros <= 0 {
            Duration::ZERO
        } else {
            Duration::from_micros(micros.unsigned_abs())
        }
    }

    /// Reads an RFC 3339 time.
    ///
    /// # Errors
    /// `InvalidInput` when the text is not an RFC 3339 time with an offset.
    pub fn parse(text: &str) -> Result<Self, crate::Error> {
        text.parse::<jiff::Timestamp>()
            .map(|t| Self::from_unix_micros(t.as_microsecond()))
            .map_err(|_| {
                crate::Error::invalid("time", "write it as RFC 3339, such as 2030-01-31T12:00:00Z")
            })
    }
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self::from_unix_micros(self.0.saturating_add(micros_of(duration)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self::from_unix_micros(self.0.saturating_sub(micros_of(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(t) => fmt::Display::fmt(&t, f),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where time comes from. Injected everywhere; nothing else in Fountain reads a clock.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock: for the lives of tokens and keys. It may jump.
    fn now(&self) -> Timestamp;
    /// A clock that never goes back, from an arbitrary start: for time-outs, staleness and local limits.
    fn monotonic(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts at zero now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one home of ambient time"
    )]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one home of ambient time"
    )]
    fn now(&self) -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp::from_unix_micros(micros_of(after)),
            Err(before) => {
                Timestamp::from_unix_micros(micros_of(before.duration()).saturating_neg())
            }
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that a test moves by hand.
///
/// ```
/// use fountain_core::{Clock, ManualClock, Timestamp};
/// use std::time::Duration;
///
/// let clock = ManualClock::at(Timestamp::from_unix_seconds(100));
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now().as_unix_seconds(), 105);
/// assert_eq!(clock.monotonic(), Duration::from_secs(5));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self {
            state: Mutex::new((now, Duration::ZERO)),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.0 = state.0 + by;
        state.1 = state.1.saturating_add(by);
    }

    /// Makes the wall clock jump, as NTP or an operator may; the monotonic clock stays.
    pub fn jump_to(&self, now: Timestamp) {
        self.state().0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().0
    }
    fn monotonic(&self) -> Duration {
        self.state().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::MIN - Duration::MAX, Timestamp::MIN);
        assert_eq!(Timestamp::from_unix_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
    }

    #[test]
    fn the_ends_can_be_written_and_read() {
        for end in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(Timestamp::parse(&end.to_string()).unwrap(), end);
        }
    }

    #[test]
    fn seconds_round_down_and_the_next_one_follows_on_both_sides_of_the_epoch() {
        let t = Timestamp::from_unix_micros(-1);
        assert_eq!(t.as_unix_seconds(), -1);
        assert_eq!(t.next_second().as_unix_seconds(), 0);
        let t = Timestamp::from_unix_micros(1);
        assert_eq!(t.as_unix_seconds(), 0);
        assert_eq!(t.next_second().as_unix_seconds(), 1);
    }

    /// F-30: the wall clock jumps back; durations stay non-negative and the monotonic clock stands.
    #[test]
    fn a_jump_of_the_wall_clock_leaves_the_monotonic_clock_alone() {
        let clock = ManualClock::at(Timestamp::from_unix_seconds(7_200));
        clock.jump_to(Timestamp::from_unix_seconds(3_600));
        assert_eq!(clock.monotonic(), Duration::ZERO);
        assert_eq!(
            clock.now().since(Timestamp::from_unix_seconds(7_200)),
            Duration::ZERO
        );
    }
}
