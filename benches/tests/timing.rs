//! The statistic finds what differs and nothing else. On made-up times but for the last, since a clock has no place in a test.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share stops where it fails, as they do"
)]

use fountain_benches::timing::logins::{Cause, Part, measure};
use fountain_benches::timing::welch::THRESHOLD;
use fountain_benches::timing::{Class, Expected, Finding, Measured, Welch};
use fountain_core::Random;
use fountain_core::danger::InsecureSeededRandom;

const SAMPLES: usize = 200_000;

/// Times around 500, with a spread of about 20 and, one in a hundred, a pause of up to 100,000.
struct Times(InsecureSeededRandom);

impl Times {
    fn draw(&self) -> (Class, f64) {
        let mut bytes = [0; 16];
        self.0.fill(&mut bytes).unwrap();
        // Twelve uniform numbers make a bell that is near enough.
        let bell: f64 = bytes[..12].iter().map(|byte| f64::from(*byte)).sum();
        let pause = match bytes[12] {
            0..3 => f64::from(bytes[13]) * 400.0,
            _ => 0.0,
        };
        let class = if bytes[14] < 128 {
            Class::Left
        } else {
            Class::Right
        };
        (class, 500.0 + (bell - 1_530.0) / 12.0 + pause)
    }
}

/// What is found when the left class is slower by the factor.
fn found(seed: u64, factor: f64) -> Finding {
    let times = Times(InsecureSeededRandom::new(seed));
    let draw = || {
        let (class, time) = times.draw();
        let slower = if class == Class::Left { factor } else { 1.0 };
        (class, time * slower)
    };
    let mut welch = Welch::calibrated((0..20_000).map(|_| draw().1).collect());
    for _ in 0..SAMPLES {
        let (class, time) = draw();
        welch.push(class, time);
    }
    welch.worst().unwrap()
}

#[test]
fn classes_of_one_distribution_do_not_differ() {
    for seed in 0..8 {
        let found = found(seed, 1.0);
        assert!(found.t.abs() < THRESHOLD, "seed {seed}: {found:?}");
    }
}

#[test]
fn one_percent_is_found_among_pauses_two_hundred_times_as_long() {
    let slower = found(1, 1.01);
    assert!(slower.t > 30.0, "{slower:?}");
    assert!((3.0..7.0).contains(&slower.difference), "{slower:?}");
    let faster = found(2, 0.99);
    assert!(faster.t < -30.0, "{faster:?}");
}

#[test]
fn without_cropping_the_pauses_would_hide_it() {
    let times = Times(InsecureSeededRandom::new(1));
    // Calibrated with nothing, it has the one crop that leaves everything in.
    let mut welch = Welch::calibrated(Vec::new());
    for _ in 0..SAMPLES {
        let (class, time) = times.draw();
        let slower = if class == Class::Left { 1.01 } else { 1.0 };
        welch.push(class, time * slower);
    }
    assert!(welch.worst().unwrap().t.abs() < THRESHOLD);
}

#[test]
fn the_t_is_welchs() {
    // Of 1, 2 and of 2, 4, 4, 6, each many times over: means 1.5 and 4, squares around them 0.25 and 2 a value.
    let mut welch = Welch::calibrated(Vec::new());
    let times = 10_000_u32;
    for _ in 0..times {
        for time in [1.0, 2.0] {
            welch.push(Class::Left, time);
        }
        for time in [2.0, 4.0, 4.0, 6.0] {
            welch.push(Class::Right, time);
        }
    }
    let (n, m) = (2.0 * f64::from(times), 4.0 * f64::from(times));
    let uncertainty = 0.25 / (n - 1.0) + 2.0 / (m - 1.0);
    let found = welch.worst().unwrap();
    assert!((found.difference + 2.5).abs() < 1e-9, "{found:?}");
    assert!(
        (found.t + 2.5 / uncertainty.sqrt()).abs() < 1e-6,
        "{found:?}"
    );
}

#[test]
fn too_few_times_say_nothing() {
    let mut welch = Welch::calibrated(Vec::new());
    for _ in 0..4_999 {
        welch.push(Class::Left, 1.0);
        welch.push(Class::Right, 2.0);
    }
    assert_eq!(welch.worst(), None);
}

#[test]
fn a_leak_that_is_not_found_is_a_failure_and_so_is_a_difference_that_must_not_be() {
    let measured = |expected, t, difference| Measured {
        finding: Finding {
            t,
            samples: 1e6,
            difference,
        },
        median: 500.0,
        expected,
    };
    for (expected, t, difference, met) in [
        (Expected::Same, -4.9, -50.0, true),
        (Expected::Same, 5.0, 0.1, false),
        (Expected::Leak, 4.9, 50.0, false),
        (Expected::Leak, -5.1, -0.1, true),
        (Expected::Within(2.0), 4.9, 50.0, true),
        (Expected::Within(2.0), -50.0, -2.0, true),
        (Expected::Within(2.0), 50.0, 2.1, false),
        (Expected::Told, 5_000.0, 500.0, true),
    ] {
        let is_met = measured(expected, t, difference).is_met();
        assert_eq!(is_met, met, "{expected:?}, {t}, {difference}");
    }
}

/// the one difference that a busy machine cannot hide, between microseconds and a hash.
#[test]
fn a_login_that_is_refused_without_a_hash_is_found() {
    let (_, refused) = measure(Part::Whole, 160);
    let leak = refused
        .iter()
        .find(|one| one.cause == Cause::LeakNoHash)
        .unwrap();
    assert!(leak.finding.t < -THRESHOLD, "{leak:?}");
}
