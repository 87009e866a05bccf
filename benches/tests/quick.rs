//! Every benchmark runs, and says something about each of its cases.

use fountain_benches::measure::{Effort, measure, median};
use fountain_benches::{Role, Target, group, table};

#[test]
fn every_group_runs_and_gives_a_line_of_the_table() {
    let groups = group::all(true);
    assert!(groups.len() > 10);
    for (name, make) in groups {
        let mut group = make(name);
        let measured = measure(&mut group, Effort::QUICK);
        assert_eq!(measured.times.len(), group.cases.len());
        for (role, time) in &measured.times {
            assert!(*time > 0.0 && time.is_finite(), "{name} {role:?}");
        }
        let row = table::row(&group, &measured);
        let columns = table::HEAD.lines().next().unwrap().matches('|').count();
        assert_eq!(row.matches('|').count(), columns, "{row}");
    }
}

#[test]
fn a_missed_target_is_called_missed() {
    let measured = fountain_benches::measure::Measured {
        times: vec![
            (Role::Limit, 100.0),
            (Role::Peer, 400.0),
            (Role::Ours, 150.0),
        ],
        over_limit: Some(1.5),
        over_peer: Some(0.375),
    };
    for (target, met) in [
        (Target::TimesLimit(1.5), true),
        (Target::TimesLimit(1.49), false),
        (Target::TimesPeer(0.5), true),
        (Target::TimesPeer(0.3), false),
        (Target::Nanoseconds(150.0), true),
        (Target::Nanoseconds(149.0), false),
        (Target::Added(50.0), true),
        (Target::Added(49.0), false),
    ] {
        assert_eq!(table::is_met(target, &measured), met, "{target}");
    }
}

#[test]
fn the_median_is_the_middle_one() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
}
