//! The table of ratios, with what is to be reached beside what was.

use std::fmt::Write as _;

use crate::measure::Measured;
use crate::{Group, Role, Target};

/// Whether the target was met.
#[must_use]
pub fn is_met(target: Target, measured: &Measured) -> bool {
    let ours = measured.time(Role::Ours);
    match target {
        Target::TimesLimit(times) => measured.over_limit.is_some_and(|ratio| ratio <= times),
        Target::TimesPeer(times) => measured.over_peer.is_some_and(|ratio| ratio <= times),
        Target::Nanoseconds(ns) => ours.is_some_and(|ours| ours <= ns),
        Target::Added(ns) => ours
            .zip(measured.time(Role::Limit))
            .is_some_and(|(ours, limit)| ours - limit <= ns),
    }
}

/// The head of the table, in Markdown.
pub const HEAD: &str = "\
| operation | limit ns | peer ns | ours ns | ours / limit | ours / peer | to reach | |
|---|--:|--:|--:|--:|--:|---|---|
";

/// One line of the table.
#[must_use]
pub fn row(group: &Group, measured: &Measured) -> String {
    let mut row = format!("| {} |", group.name);
    for role in [Role::Limit, Role::Peer, Role::Ours] {
        let time = measured.time(role);
        let _ = match time {
            Some(ns) if ns < 100.0 => write!(row, " {ns:.1} |"),
            Some(ns) => write!(row, " {ns:.0} |"),
            None => write!(row, " |"),
        };
    }
    for ratio in [measured.over_limit, measured.over_peer] {
        let _ = match ratio {
            Some(ratio) => write!(row, " {ratio:.2}x |"),
            None => write!(row, " |"),
        };
    }
    let verdict = if is_met(group.target, measured) {
        "met"
    } else {
        "**missed**"
    };
    let _ = writeln!(row, " {} | {verdict} |", group.target);
    row
}
