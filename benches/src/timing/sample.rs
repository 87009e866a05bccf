//! Times one operation on two classes of inputs, in random order.

use std::fmt;
use std::hint::black_box;

use fountain_core::{Clock, OsRandom, Random, SystemClock};

use super::welch::{Class, Finding, THRESHOLD, Welch};
use crate::measure::median;

/// What a pair of classes must come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expected {
    /// The same times: |t| stays below the threshold.
    Same,
    /// The same times, give or take so many nanoseconds: only who holds a key that once was good could see it.
    Within(f64),
    /// Different times, since a leak was put there: |t| passes the threshold. Else the measuring is blind.
    Leak,
    /// Different times, for a reason that the README gives. Shown, not judged.
    Told,
}

/// An operation, and two classes of inputs that it must not tell apart by its time.
pub struct Pair {
    /// What is compared.
    pub name: String,
    /// What it must come to.
    pub expected: Expected,
    /// Makes the inputs, again and again: where one thing lies in a table and in memory takes time as well, and is an
    /// accident of that thing and no trait of its class.
    pub deal: Box<dyn FnMut() -> Deal>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair({:?}, {:?})", self.name, self.expected)
    }
}

/// What is timed, on one input.
pub type Operation = Box<dyn FnMut(&[u8])>;

/// One operation with inputs of both classes, as many of the one as of the other, all of one length.
pub struct Deal {
    /// Inputs of the one class.
    pub left: Vec<Vec<u8>>,
    /// Inputs of the other.
    pub right: Vec<Vec<u8>>,
    /// The operation.
    pub run: Operation,
}

impl fmt::Debug for Deal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deal({} inputs a class)", self.left.len())
    }
}

impl Deal {
    fn assert_fair(&self, name: &str) {
        let lengths = self.left.iter().chain(&self.right).map(Vec::len);
        let (shortest, longest) = (lengths.clone().min(), lengths.max());
        assert!(
            shortest.is_some() && shortest == longest,
            "{name}: inputs of one length"
        );
        assert_eq!(self.left.len(), self.right.len(), "{name}: as many of each");
    }
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// The statistic.
    pub finding: Finding,
    /// The median of all times, in nanoseconds; the clock's own, about 25, are among them.
    pub median: f64,
    /// What it had to come to.
    pub expected: Expected,
}

impl Measured {
    /// Whether it came to what was expected.
    #[must_use]
    pub fn is_met(&self) -> bool {
        let differs = self.finding.t.abs() >= THRESHOLD;
        match self.expected {
            Expected::Same => !differs,
            Expected::Within(bound) => !differs || self.finding.difference.abs() <= bound,
            Expected::Leak => differs,
            Expected::Told => true,
        }
    }
}

/// Inputs of one deal that are timed.
const BATCH: usize = 256;
/// Deals that say where to crop.
const CALIBRATION: usize = 128;

/// Times the operation on this many inputs, half of each class, more or less.
///
/// Each input is copied into a place of its own before any of a deal is timed, whichever class it is of, so that where
/// it lies in memory says nothing about its class.
///
/// # Panics
/// When the classes of a deal have different numbers of inputs or inputs of different lengths, or too few samples are
/// asked for to say anything: then a difference would be the measuring's.
#[must_use]
pub fn measure(pair: &mut Pair, samples: usize) -> Measured {
    let mut order = Order::new();
    let mut slots: Vec<(Class, Vec<u8>)> = vec![(Class::Left, Vec::new()); BATCH];
    let clock = SystemClock::new();
    let name = &pair.name;
    let deal = &mut pair.deal;
    let mut timed = |take: &mut dyn FnMut(Class, f64)| {
        let mut deal = deal();
        deal.assert_fair(name);
        for (class, input) in &mut slots {
            let number = order.draw();
            *class = if number >> 63 == 0 {
                Class::Left
            } else {
                Class::Right
            };
            let inputs = match class {
                Class::Left => &deal.left,
                Class::Right => &deal.right,
            };
            let at = usize::try_from(number >> 32 & 0xffff).unwrap() % inputs.len();
            input.clear();
            input.extend(inputs.get(at).into_iter().flatten());
        }
        // The first time, what was just made is fetched from afar.
        for (left, right) in deal.left.iter().zip(&deal.right) {
            (deal.run)(left);
            (deal.run)(right);
        }
        for (class, input) in &slots {
            let before = clock.monotonic();
            (deal.run)(black_box(input));
            let took = clock.monotonic().saturating_sub(before);
            take(*class, took.as_secs_f64() * 1e9);
        }
    };

    let mut times = Vec::new();
    for _ in 0..CALIBRATION {
        timed(&mut |_, time| times.push(time));
    }
    let median = median(times.clone());
    let mut welch = Welch::calibrated(times);
    for _ in 0..samples.div_ceil(BATCH) {
        timed(&mut |class, time| welch.push(class, time));
    }
    Measured {
        finding: welch.worst().unwrap(),
        median,
        expected: pair.expected,
    }
}

/// An order that no branch predictor learns: xorshift64*, begun anew for each pair.
#[derive(Debug)]
pub struct Order(u64);

impl Order {
    /// An order that nobody has seen before.
    #[must_use]
    pub fn new() -> Self {
        let mut seed = [0; 8];
        OsRandom.fill(&mut seed).unwrap();
        Self(u64::from_le_bytes(seed) | 1)
    }

    /// The next number; its high bits are the better ones.
    #[must_use]
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

impl Default for Order {
    fn default() -> Self {
        Self::new()
    }
}
