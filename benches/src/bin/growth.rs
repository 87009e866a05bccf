//! How the cost of remembering grows: 1k, 100k and 1M verified tokens and API keys in one process.
//!
//! `growth` measures all of it, each size in a process of its own; `growth <token|key> <entries>` measures one. Memory
//! is what the kernel counts as resident, so it needs Linux, and includes what the allocator wastes.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures, and stops where it cannot get them"
)]

use std::process::Command;
use std::sync::Arc;

use fountain_benches::group::{Arrivals, Remembering};
use fountain_benches::measure::{median, nanoseconds};
use fountain_core::SystemClock;

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
/// Blocks of look-ups for one figure: several seconds.
const BLOCKS: usize = 10_001;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [kind, entries] => one(kind, entries.parse().unwrap()),
        _ => every(),
    }
}

/// The figures of one size.
struct Figures {
    nanoseconds: f64,
    remembered: f64,
    stored: f64,
    two_threads: f64,
}

fn every() {
    println!("| remembered | entries | ns | bytes each | bytes each in the store | two threads |");
    println!("|---|--:|--:|--:|--:|--:|");
    for kind in ["token", "key"] {
        let figures: Vec<Figures> = SIZES.iter().map(|size| apart(kind, *size)).collect();
        for (size, figures) in SIZES.iter().zip(&figures) {
            // An access token is not stored.
            let stored = match kind {
                "key" => format!("{:.0}", figures.stored),
                _ => String::new(),
            };
            println!(
                "| {kind}s | {size} | {:.0} | {:.0} | {stored} | {:.2}x |",
                figures.nanoseconds, figures.remembered, figures.two_threads
            );
        }
        if let [small, .., large] = figures.as_slice() {
            let growth = large.nanoseconds / small.nanoseconds;
            let verdict = if growth <= 4.0 { "met" } else { "**missed**" };
            println!("| {kind}s, 1M / 1k | | {growth:.2}x, at most 4x: {verdict} | | | |");
        }
    }
}

/// Measures one size in a process of its own, so that memory counts from nothing.
fn apart(kind: &str, entries: usize) -> Figures {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args([kind, &entries.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    match numbers.as_slice() {
        [nanoseconds, remembered, stored, two_threads] => Figures {
            nanoseconds: *nanoseconds,
            remembered: *remembered,
            stored: *stored,
            two_threads: *two_threads,
        },
        _ => panic!("{kind} {entries}: {text}"),
    }
}

fn one(kind: &str, entries: usize) {
    let is_token = kind == "token";
    let service = Arc::new(Remembering::new(entries * 2));
    let before = resident();
    let texts: Arc<[String]> = (0..entries)
        .map(|number| {
            if is_token {
                service.new_token(number)
            } else {
                service.new_api_key(number)
            }
        })
        .collect();
    let issued = resident();
    for text in texts.iter() {
        if is_token {
            service.verify_token(text);
        } else {
            service.verify_api_key(text);
        }
    }
    let verified = resident();

    let recall = |arrivals: &Arrivals| {
        for text in arrivals.texts().take(Arrivals::SIZE) {
            let found = if is_token {
                service.fountain.tokens().recall(text)
            } else {
                service.fountain.api_keys().recall(text)
            };
            assert!(std::hint::black_box(found).is_some(), "it was forgotten");
        }
    };
    let begin = |at| Arrivals::new(Arc::clone(&texts), at);
    let alone = time(&mut begin(0), recall);
    let together = [0, entries / 2].map(|at| {
        let (begin, recall) = (&begin, &recall);
        move || time(&mut begin(at), recall)
    });
    let together = std::thread::scope(|scope| {
        let threads = together.map(|measure| scope.spawn(measure));
        threads.map(|thread| thread.join().unwrap())
    });
    let speedup = together.iter().map(|time| alone / time).sum::<f64>();
    let each = |from: f64, to: f64| (to - from) / f64::from(u32::try_from(entries).unwrap());
    // The texts themselves are the caller's: a header of 24 bytes, and as many bytes as they have.
    let text = texts.iter().map(|text| text.capacity() + 24).sum::<usize>();
    let text = f64::from(u32::try_from(text).unwrap());
    println!(
        "{} {} {} {}",
        alone,
        each(issued, verified),
        each(before + text, issued).max(0.0),
        speedup
    );
}

/// Nanoseconds of one look-up, the median over blocks of arrivals.
fn time(arrivals: &mut Arrivals, recall: impl Fn(&Arrivals)) -> f64 {
    let clock = SystemClock::new();
    let mut times = Vec::with_capacity(BLOCKS);
    for _ in 0..BLOCKS {
        arrivals.renew();
        let block = Arrivals::SIZE.try_into().unwrap();
        times.push(nanoseconds(&clock, &mut |_| recall(arrivals), block));
    }
    median(times)
}

/// Bytes of this process in memory.
fn resident() -> f64 {
    const PAGE: f64 = 4096.0;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = text.split_whitespace().nth(1).unwrap();
    f64::from(pages.parse::<u32>().unwrap()) * PAGE
}
