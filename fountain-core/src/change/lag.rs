use std::fmt;
use std::time::Duration;

use metrics::{Counter, Histogram};

use super::RecordedChange;
use crate::clock::Timestamp;
use crate::metrics::{CHANGE_LAG, CHANGES_AHEAD};

/// How far a change may lie ahead of this node's clock before the two clocks count as apart: 5 s.
const DRIFT: Duration = Duration::from_secs(5);

/// Measures how late changes are read.
pub(super) struct Lag {
    seconds: Histogram,
    ahead: Counter,
}

impl Lag {
    pub(super) fn new() -> Self {
        Self {
            seconds: metrics::histogram!(CHANGE_LAG.name),
            ahead: metrics::counter!(CHANGES_AHEAD.name),
        }
    }

    /// Records changes that were read at `now`. One without a time says nothing.
    pub(super) fn measure(&self, now: Timestamp, read: &[RecordedChange]) {
        for at in read.iter().filter_map(|entry| entry.at) {
            self.seconds.record(now.since(at).as_secs_f64());
            if at.since(now) > DRIFT {
                self.ahead.increment(1);
            }
        }
    }
}

impl fmt::Debug for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lag")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use metrics::{
        CounterFn, Gauge, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;
    use crate::change::{
        CacheTrust, Change, ChangeBatch, ChangeCursor, ChangeFeed, ChangeFollower,
    };
    use crate::clock::ManualClock;
    use crate::error::StoreError;
    use crate::identity::KeyId;

    /// What was recorded under the two names.
    #[derive(Default)]
    struct Recorded {
        lags: Mutex<Vec<f64>>,
        ahead: AtomicU64,
    }

    impl HistogramFn for Recorded {
        fn record(&self, value: f64) {
            self.lags.lock().unwrap().push(value);
        }
    }

    impl CounterFn for Recorded {
        fn increment(&self, value: u64) {
            self.ahead.fetch_add(value, Ordering::Relaxed);
        }

        fn absolute(&self, _: u64) {
            unreachable!("changes are counted one by one");
        }
    }

    struct Recording(Arc<Recorded>);

    impl Recorder for Recording {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            assert_eq!(key.name(), "fountain_changes_ahead_total");
            Counter::from_arc(self.0.clone())
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            assert_eq!(key.name(), "fountain_change_lag_seconds");
            Histogram::from_arc(self.0.clone())
        }
    }

    /// A feed whose entries have these times, which ends at its last one and drops its first `dropped`.
    #[derive(Debug, Default)]
    struct Feed {
        times: Mutex<Vec<Option<Timestamp>>>,
        dropped: AtomicU64,
    }

    impl Feed {
        fn add(&self, times: &[Option<Timestamp>]) {
            self.times.lock().unwrap().extend(times);
        }
    }

    #[async_trait]
    impl ChangeFeed for Feed {
        async fn head(&self) -> Result<ChangeCursor, StoreError> {
            let count = self.times.lock().unwrap().len();
            Ok(ChangeCursor(count.try_into().unwrap()))
        }

        async fn since(&self, from: ChangeCursor, _: usize) -> Result<ChangeBatch, StoreError> {
            let cursor = self.head().await?;
            let gap = from.0 < self.dropped.load(Ordering::Relaxed);
            let entry = |at: &Option<Timestamp>| RecordedChange {
                change: Change::ApiKey {
                    id: KeyId::new("7Kq3nX0aVb2LmZ9T").unwrap(),
                },
                at: *at,
            };
            let skip = usize::try_from(from.0).unwrap();
            let times = self.times.lock().unwrap();
            let changes = if gap {
                Vec::new()
            } else {
                times.iter().skip(skip).map(entry).collect()
            };
            Ok(ChangeBatch {
                changes,
                cursor,
                gap,
            })
        }
    }

    fn parts() -> (Arc<Recorded>, Arc<Feed>, Arc<ManualClock>, ChangeFollower) {
        let recorded = Arc::new(Recorded::default());
        let feed = Arc::new(Feed::default());
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_000)));
        let trust = Arc::new(CacheTrust::new(Duration::from_secs(5)));
        let follower = metrics::with_local_recorder(&Recording(recorded.clone()), || {
            ChangeFollower::new(feed.clone(), clock.clone(), trust)
        });
        (recorded, feed, clock, follower)
    }

    fn at(micros: i64) -> Option<Timestamp> {
        Some(Timestamp::from_unix_micros(micros))
    }

    /// L-13: from the change to its reading, once for each change that is read.
    #[tokio::test]
    async fn each_change_that_is_read_is_measured_from_the_time_that_it_carries() {
        let (recorded, feed, clock, follower) = parts();
        follower.catch_up().await.unwrap();
        feed.add(&[at(999_750_000), at(1_000_000_000), None, at(940_000_000)]);
        follower.catch_up().await.unwrap();
        assert_eq!(*recorded.lags.lock().unwrap(), [0.25, 0.0, 60.0]);

        // Nothing is measured twice, and the clock is read anew.
        clock.advance(Duration::from_secs(3));
        follower.catch_up().await.unwrap();
        feed.add(&[at(1_001_000_000)]);
        follower.catch_up().await.unwrap();
        assert_eq!(*recorded.lags.lock().unwrap(), [0.25, 0.0, 60.0, 2.0]);
        assert_eq!(recorded.ahead.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_was_there_at_the_start_or_lies_in_a_gap_gives_no_lag() {
        let (recorded, feed, _clock, follower) = parts();
        feed.add(&[at(1), at(2)]);
        follower.catch_up().await.unwrap();
        feed.add(&[at(3), at(4)]);
        feed.dropped.store(3, Ordering::Relaxed);
        follower.catch_up().await.unwrap();
        assert!(recorded.lags.lock().unwrap().is_empty());
        feed.add(&[at(999_000_000)]);
        follower.catch_up().await.unwrap();
        assert_eq!(*recorded.lags.lock().unwrap(), [1.0]);
    }

    /// clocks that are more than 5 s apart show; a lag is never below zero.
    #[tokio::test]
    async fn a_change_more_than_five_seconds_ahead_is_counted() {
        let (recorded, feed, _clock, follower) = parts();
        follower.catch_up().await.unwrap();
        feed.add(&[at(1_005_000_000), at(1_005_000_001), at(i64::MAX)]);
        follower.catch_up().await.unwrap();
        assert_eq!(*recorded.lags.lock().unwrap(), [0.0, 0.0, 0.0]);
        assert_eq!(recorded.ahead.load(Ordering::Relaxed), 2);
    }
}
