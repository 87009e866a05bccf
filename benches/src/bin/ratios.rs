//! Prints the table of ratios.
//!
//! `ratios [--quick] [part of a group's name]`, or `ratios --run <group> <limit|peer|ours> <times>`, which does one
//! thing this many times and prints nothing: for profilers.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::process::ExitCode;

use fountain_benches::measure::{Effort, measure};
use fountain_benches::{group, table};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--run", name, role, times] => run(name, role, times.parse().unwrap_or(0)),
        ["--quick", rest @ ..] => print(Effort::QUICK, true, rest),
        rest => print(Effort::FULL, false, rest),
    }
}

fn print(effort: Effort, quick: bool, only: &[&str]) -> ExitCode {
    print!("{}", table::HEAD);
    for (name, make) in group::all(quick) {
        if only.iter().all(|part| name.contains(part)) {
            let mut group = make(name);
            let measured = measure(&mut group, effort);
            print!("{}", table::row(&group, &measured));
        }
    }
    ExitCode::SUCCESS
}

fn run(name: &str, role: &str, times: u32) -> ExitCode {
    for (other, make) in group::all(true) {
        if other == name {
            for case in &mut make(other).cases {
                if case.role.as_str() == role {
                    (case.prepare)();
                    counted(&mut case.run, times);
                    return ExitCode::SUCCESS;
                }
            }
        }
    }
    println!("there is no {role} of {name}");
    ExitCode::FAILURE
}

/// What scripts/instructions counts, by this name, and nothing of what comes before.
#[inline(never)]
fn counted(run: &mut dyn FnMut(u32), times: u32) {
    run(times);
}
