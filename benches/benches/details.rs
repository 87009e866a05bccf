//! Criterion's details of every case: distributions, and changes since the last run.

use std::time::Duration;

use criterion::Criterion;
use fountain_benches::group;
use fountain_core::{Clock, SystemClock};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let clock = SystemClock::new();
    for (name, make) in group::all(true) {
        let group = make(name);
        let mut details = criterion.benchmark_group(group.name);
        for mut case in group.cases {
            let id = format!("{}: {}", case.role.as_str(), case.what);
            details.bench_function(id, |bencher| {
                bencher.iter_custom(|times| {
                    let mut left = u32::try_from(times).unwrap_or(u32::MAX);
                    let mut took = Duration::ZERO;
                    while left > 0 {
                        let block = left.min(case.at_most);
                        (case.prepare)();
                        let before = clock.monotonic();
                        (case.run)(block);
                        took += clock.monotonic().saturating_sub(before);
                        left -= block;
                    }
                    took
                });
            });
        }
        details.finish();
    }
    criterion.final_summary();
}
