//! Prints what the times of refused logins tell, and fails when a whole login tells its cause, or when a leak put there on
//! purpose is not found.
//!
//! `logins [samples]`: so many whole logins, 16,000 unless said otherwise, and ten times as many of what comes before the hash,
//! which is shown and not judged.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::process::ExitCode;

use fountain_benches::timing::logins::{Part, measure};
use fountain_benches::timing::welch::THRESHOLD;

fn main() -> ExitCode {
    let samples = std::env::args()
        .nth(1)
        .and_then(|samples| samples.parse().ok())
        .unwrap_or(16_000_u32);
    println!(
        "| against a wrong password | median µs | samples | difference µs | 5 s.e. µs | t | |"
    );
    println!("|---|--:|--:|--:|--:|--:|---|");
    let mut failures = 0_u32;
    for (part, samples) in [(Part::Whole, samples), (Part::BeforeHash, samples * 10)] {
        let (median, refused) = measure(part, samples);
        for one in refused {
            let finding = one.finding;
            let differs = finding.t.abs() >= THRESHOLD;
            let verdict = match (part, one.cause.is_leak(), differs) {
                (Part::BeforeHash, ..) => "before the hash, not judged",
                (_, true, true) => "leak, found",
                (_, true, false) => "**leak, not found**",
                (_, false, true) => "**differs**",
                (_, false, false) => "same",
            };
            failures += u32::from(part == Part::Whole && one.cause.is_leak() != differs);
            println!(
                "| {} | {:.1} | {:.0} | {:+.2} | {:.2} | {:+.2} | {verdict} |",
                one.cause.name(),
                median / 1e3,
                finding.samples,
                finding.difference / 1e3,
                (THRESHOLD * finding.difference / finding.t).abs() / 1e3,
                finding.t,
            );
        }
    }
    println!("\n{failures} not as they must be; |t| from {THRESHOLD} on differs");
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
