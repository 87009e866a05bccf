//! D: taking steps and counters.

use fountain_core::audit::AuditAction;
use fountain_core::otp::{FactorOutcome, FactorRecord};

use super::{assert_stands, confirmed, disable, find, insert, stored, take};
use crate::context::Context;
use crate::fixtures::NOW;
use crate::ledger::Ledger;
use crate::race::{count, race};

///
pub(crate) async fn factor_store_d_take_sets_the_mark_and_only_a_later_one_is_taken(cx: Context) {
    let s = cx.fresh().await;
    let mut record = confirmed(&cx, &s, 7).await;
    let large = 1 << 53;
    let largest = u64::try_from(i64::MAX).expect("it is positive");
    let (spent, done) = (FactorOutcome::Spent, FactorOutcome::Done);
    for (mark, expected) in [
        (0, spent),
        (6, spent),
        (7, spent),
        (8, done),
        (8, spent),
        (7, spent),
        // As texts they would come the other way round.
        (10, done),
        (9, spent),
        (100, done),
        (99, spent),
        // As numbers with a fraction they would be the same.
        (large, done),
        (large, spent),
        (large + 1, done),
        (large + 1, spent),
        (largest - 1, done),
        (largest, done),
        (largest, spent),
        (1, spent),
    ] {
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        assert_eq!(take(&cx, &s, &record, mark).await, expected, "{mark}");
        if expected == done {
            record.mark = mark;
        } else {
            ledger.assert_nothing("a mark that is spent").await;
        }
        assert_stands(&s, &record).await;
    }
}

pub(crate) async fn factor_store_d_the_checks_of_take_come_in_order(cx: Context) {
    let s = cx.fresh().await;
    let pending = FactorRecord {
        mark: 7,
        ..cx.fixtures.factor(&cx.fixtures.tenant())
    };
    assert!(insert(&cx, &s, &pending).await);
    let pending_and_disabled = stored(&cx, &s).await;
    let disabled = confirmed(&cx, &s, 7).await;
    for record in [&pending_and_disabled, &disabled] {
        let outcome = disable(&cx, &s, record, NOW).await;
        assert_eq!(outcome, FactorOutcome::Done);
    }
    let unknown = cx.fixtures.factor(&pending.tenant);
    // The mark comes last: spent or not, it does not matter.
    for mark in [0, 7, 8] {
        for (record, expected) in [
            (&unknown, FactorOutcome::NotFound),
            (&pending, FactorOutcome::Pending),
            (&pending_and_disabled, FactorOutcome::Disabled),
            (&disabled, FactorOutcome::Disabled),
        ] {
            let mut ledger = Ledger::open(&s, &record.tenant).await;
            let before = find(&s, record).await;
            assert_eq!(take(&cx, &s, record, mark).await, expected, "{mark}");
            assert_eq!(find(&s, record).await, before, "{expected:?}");
            ledger.assert_nothing("a take that was refused").await;
        }
    }
}

/// of 64 requests with one code, one gets in.
pub(crate) async fn factor_store_d_of_parallel_takes_of_one_mark_exactly_one_is_done(cx: Context) {
    let s = cx.fresh().await;
    let mut record = confirmed(&cx, &s, 7).await;
    for _ in 0..cx.rounds.races {
        record.mark += 1;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, record) = (s.clone(), record.clone());
            let event = cx.fixtures.event(&record.tenant, AuditAction::FactorUsed);
            async move {
                let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
                let take = s.factors.take(tenant, subject, id, record.mark, event);
                take.await.unwrap()
            }
        })
        .await;
        let done = count(&outcomes, |outcome| *outcome == FactorOutcome::Done);
        let spent = count(&outcomes, |outcome| *outcome == FactorOutcome::Spent);
        assert_eq!((done, spent), (1, cx.rounds.tasks - 1));
        assert_eq!(ledger.events().await.len(), 1, "events of one take");
        assert_stands(&s, &record).await;
    }
}

/// neighbouring steps at once, each taken at most once, and none behind a later one.
pub(crate) async fn factor_store_d_of_parallel_takes_of_many_marks_the_mark_only_rises(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(4) {
        let record = confirmed(&cx, &s, 7).await;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, record) = (s.clone(), record.clone());
            // Each mark by two tasks.
            let mark = 8 + u64::try_from(task / 2).expect("not that many tasks");
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::FactorUsed)
                .detail("mark", mark.to_string());
            async move {
                let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
                let take = s.factors.take(tenant, subject, id, mark, event);
                (mark, take.await.unwrap())
            }
        })
        .await;
        let last = outcomes.iter().map(|(mark, _)| *mark).max();
        let last = last.expect("there are tasks");
        let mut taken: Vec<_> = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == FactorOutcome::Done)
            .map(|(mark, _)| *mark)
            .collect();
        taken.sort_unstable();
        assert!(taken.windows(2).all(|pair| pair[0] < pair[1]), "{taken:?}");
        assert_eq!(taken.last(), Some(&last), "the highest is always taken");
        let found = find(&s, &record).await.expect("it is stored");
        assert_eq!(found.mark, last);
        // In the order of their events they rise.
        let events = ledger.events().await;
        let marks: Vec<u64> = events
            .iter()
            .map(|event| event.details["mark"].parse().expect("it is a number"))
            .collect();
        assert_eq!(marks, taken, "the order in which they were taken");
    }
}
