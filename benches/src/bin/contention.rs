//! Whether hashing passwords leaves room for verifying tokens (F-40): the slowest hundredth of verifications, idle and
//! with 500 passwords waiting to be hashed.
//!
//! `contention [rounds]`, 5 unless told otherwise, prints a line for each number of workers, the medians of the rounds.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures, and stops where it cannot get them"
)]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use fountain_benches::measure::median;
use fountain_benches::world::Keys;
use fountain_core::password::Passwords;
use fountain_core::signing::Algorithm;
use fountain_core::token::verify_access;
use fountain_core::{Clock, Secret, SystemClock};

const HASHES: usize = 500;
const VERIFICATIONS: usize = 20_000;

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .map_or(5, |rounds| rounds.parse().unwrap());
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    println!(
        "| workers | p50 idle, µs | p50 hashing | p99 idle, µs | p99 hashing | p99 ratio | at most 2x |"
    );
    println!("|--:|--:|--:|--:|--:|--:|---|");
    let mut workers: Vec<usize> = vec![processors.saturating_sub(1).max(1), processors];
    workers.dedup();
    for workers in workers {
        let measured: Vec<[f64; 4]> = (0..rounds).map(|_| round(workers)).collect();
        let column =
            |at: usize| median(measured.iter().filter_map(|m| m.get(at)).copied().collect());
        let (idle, hashing) = (column(2), column(3));
        let ratio = hashing / idle;
        let verdict = if ratio <= 2.0 { "met" } else { "**missed**" };
        println!(
            "| {workers} of {processors} | {:.1} | {:.1} | {idle:.1} | {hashing:.1} | {ratio:.2}x | {verdict} |",
            column(0),
            column(1),
        );
    }
}

/// Medians and 99th percentiles in microseconds: `p50` idle and hashing, `p99` idle and hashing.
fn round(workers: usize) -> [f64; 4] {
    let keys = Keys::new(Algorithm::EdDsa);
    let clock = SystemClock::new();
    let token = keys.token(clock.now());
    let verify = || {
        let before = clock.monotonic();
        verify_access(&token, &keys.rules, &keys.set, clock.now()).unwrap();
        clock.monotonic().saturating_sub(before).as_secs_f64() * 1e6
    };
    let idle: Vec<f64> = (0..VERIFICATIONS).map(|_| verify()).collect();

    let passwords = Passwords::builder()
        .workers(workers)
        .queue(HASHES)
        .build()
        .unwrap();
    let password = Secret::from(String::from("correct horse battery staple"));
    let done = Arc::new(Done::default());
    let waker = Waker::from(done.clone());
    let mut hashes: Vec<_> = (0..HASHES)
        .map(|_| Box::pin(passwords.verify(&password, None)))
        .collect();
    for hash in &mut hashes {
        assert!(
            hash.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    let mut hashing = Vec::new();
    while hashing.len() < VERIFICATIONS && done.0.load(Ordering::Relaxed) < HASHES {
        hashing.push(verify());
    }
    [
        quantile(&idle, 50),
        quantile(&hashing, 50),
        quantile(&idle, 99),
        quantile(&hashing, 99),
    ]
}

/// How many passwords were hashed.
#[derive(Default)]
struct Done(AtomicUsize);

impl Wake for Done {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn quantile(times: &[f64], percent: usize) -> f64 {
    let mut sorted = times.to_owned();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len() * percent / 100)
        .copied()
        .unwrap_or(f64::NAN)
}
