//! Runs a race under many schedules.

use std::panic::{AssertUnwindSafe, catch_unwind};

use shuttle::future::block_on;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// Schedules of each race by each scheduler.
const SCHEDULES: usize = 500;
/// How many preemptions a bug may need that the PCT scheduler looks for, with a probability that is known.
const DEPTH: usize = 3;
/// The same schedules in each run.
const SEED: u64 = 0x5eed_f0e7;

fn random() -> RandomScheduler {
    RandomScheduler::new_from_seed(SEED, SCHEDULES)
}

fn pct() -> PctScheduler {
    PctScheduler::new_from_seed(SEED, DEPTH, SCHEDULES)
}

/// The race holds under all of the schedules, which are as many as was said.
pub(crate) fn holds(race: fn()) {
    assert_eq!(run(random(), race), SCHEDULES);
    assert_eq!(run(pct(), race), SCHEDULES);
}

/// The race is lost under one of the schedules of either scheduler, with these words.
pub(crate) fn is_caught(race: fn(), words: &str) {
    fn caught(scheduler: impl Scheduler + 'static, race: fn()) -> String {
        let lost = catch_unwind(AssertUnwindSafe(|| run(scheduler, race)));
        let panic = lost.expect_err("no schedule shows the mistake");
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .expect("a panic has a text")
    }
    for said in [caught(random(), race), caught(pct(), race)] {
        assert!(said.contains(words), "{said}");
    }
}

fn run(scheduler: impl Scheduler + 'static, race: fn()) -> usize {
    let mut config = Config::new();
    // Unoptimised futures are large.
    config.stack_size = 256 * 1024;
    Runner::new(scheduler, config).run(race)
}

/// Starts `tasks` threads at once, and gives what came of each, by number.
pub(crate) fn race<F>(tasks: usize, mut make: impl FnMut(usize) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let threads: Vec<_> = (0..tasks)
        .map(|number| {
            let call = make(number);
            shuttle::thread::spawn(move || block_on(call))
        })
        .collect();
    let join = |thread: shuttle::thread::JoinHandle<F::Output>| thread.join().unwrap();
    threads.into_iter().map(join).collect()
}

/// How many of these there are.
pub(crate) fn count<T>(outcomes: &[T], is: impl Fn(&T) -> bool) -> usize {
    outcomes.iter().filter(|outcome| is(outcome)).count()
}
