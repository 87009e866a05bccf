//! Prints what the times of refusals tell, and fails when they tell something, or when a leak put there on
//! purpose is not found.
//!
//! `timing [samples] [part of a pair's name]`; 1,000,000 samples of each pair unless said otherwise.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::process::ExitCode;

use fountain_benches::timing::welch::THRESHOLD;
use fountain_benches::timing::{Expected, all, measure};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let samples = arguments.peek().and_then(|first| first.parse().ok());
    if samples.is_some() {
        arguments.next();
    }
    let only: Vec<String> = arguments.collect();
    let is_wanted = |name: &str| only.iter().all(|part| name.contains(part.as_str()));

    println!("| left / right | median ns | samples | left - right ns | t | |");
    println!("|---|--:|--:|--:|--:|---|");
    let mut failures = 0_u32;
    let mut judged = 0_u32;
    for mut pair in all() {
        if !is_wanted(&pair.name) {
            continue;
        }
        let measured = measure(&mut pair, samples.unwrap_or(1_000_000));
        let verdict = match (measured.expected, measured.is_met()) {
            (Expected::Same, true) => String::from("same"),
            (Expected::Same, false) => String::from("**differs**"),
            (Expected::Within(bound), true) => format!("within {bound} ns"),
            (Expected::Within(bound), false) => format!("**not within {bound} ns**"),
            (Expected::Leak, true) => String::from("leak, found"),
            (Expected::Leak, false) => String::from("**leak, not found**"),
            (Expected::Told, _) => String::from("not judged"),
        };
        let finding = measured.finding;
        println!(
            "| {} | {:.0} | {:.0} | {:+.2} | {:+.2} | {verdict} |",
            pair.name, measured.median, finding.samples, finding.difference, finding.t
        );
        judged += 1;
        failures += u32::from(!measured.is_met());
    }
    println!("\n{judged} pairs, {failures} not as they must be; |t| from {THRESHOLD} on differs");
    if failures == 0 && judged > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
