//! The measuring loop: short blocks of every case in turn, and medians.

use std::time::Duration;

use fountain_core::{Clock, SystemClock};

use crate::{Case, Group, Role};

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Blocks of each case.
    pub rounds: u32,
    /// How long a block takes, about.
    pub block: Duration,
}

impl Effort {
    /// For figures: about a second a case.
    pub const FULL: Self = Self {
        rounds: 401,
        block: Duration::from_millis(2),
    };
    /// To see that everything runs.
    pub const QUICK: Self = Self {
        rounds: 5,
        block: Duration::from_micros(200),
    };
}

/// The medians of one group.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Nanoseconds of one operation, for each role that the group has.
    pub times: Vec<(Role, f64)>,
    /// Fountain's time divided by the limit's, the median over the rounds.
    pub over_limit: Option<f64>,
    /// Fountain's time divided by the peer's, the median over the rounds.
    pub over_peer: Option<f64>,
}

impl Measured {
    /// Nanoseconds of one operation.
    #[must_use]
    pub fn time(&self, role: Role) -> Option<f64> {
        let found = self.times.iter().find(|(other, _)| *other == role);
        found.map(|(_, time)| *time)
    }
}

/// Measures all cases of a group in turn.
#[must_use]
pub fn measure(group: &mut Group, effort: Effort) -> Measured {
    let clock = SystemClock::new();
    let sizes: Vec<u32> = group
        .cases
        .iter_mut()
        .map(|case| block_size(&clock, case, effort.block))
        .collect();
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); group.cases.len()];
    for _ in 0..effort.rounds {
        for ((case, size), times) in group.cases.iter_mut().zip(&sizes).zip(&mut rounds) {
            (case.prepare)();
            times.push(nanoseconds(&clock, &mut case.run, *size));
        }
    }
    let of = |role| {
        let found = group.cases.iter().position(|case| case.role == role);
        found.and_then(|at| rounds.get(at))
    };
    let ratio = |other: Role| {
        let pairs = of(Role::Ours)?.iter().zip(of(other)?);
        Some(median(pairs.map(|(ours, theirs)| ours / theirs).collect()))
    };
    Measured {
        over_limit: ratio(Role::Limit),
        over_peer: ratio(Role::Peer),
        times: group
            .cases
            .iter()
            .zip(&rounds)
            .map(|(case, times)| (case.role, median(times.clone())))
            .collect(),
    }
}

/// Nanoseconds of one operation, from a block of them.
pub fn nanoseconds(clock: &SystemClock, run: &mut dyn FnMut(u32), times: u32) -> f64 {
    let before = clock.monotonic();
    run(times);
    let took = clock.monotonic().saturating_sub(before);
    took.as_secs_f64() * 1e9 / f64::from(times)
}

/// How many operations fill a block; also warms up.
fn block_size(clock: &SystemClock, case: &mut Case, block: Duration) -> u32 {
    let mut times = 1_u32;
    loop {
        (case.prepare)();
        let before = clock.monotonic();
        (case.run)(times);
        let took = clock.monotonic().saturating_sub(before);
        if took >= block || times >= case.at_most.min(1 << 24) {
            return times;
        }
        times = (times * 2).min(case.at_most);
    }
}

/// The middle one of these.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
