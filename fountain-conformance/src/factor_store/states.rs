//! C, E and H: confirming and disabling.

use fountain_core::audit::AuditAction;
use fountain_core::otp::{FactorOutcome, FactorRecord};

use super::{
    assert_stands, codes_left, confirm, confirmed, disable, find, insert, remove, replace_codes,
    stored, take, take_code,
};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::race::{count, race};

///
pub(crate) async fn factor_store_c_confirm_sets_the_time_and_the_mark(cx: Context) {
    let s = cx.fresh().await;
    // A code of which the mark is not beyond the one given at enrolment confirms as well.
    for (given, mark) in [(0, 7), (7, 7), (7, 3), (0, 0)] {
        let record = FactorRecord {
            mark: given,
            ..cx.fixtures.factor(&cx.fixtures.tenant())
        };
        assert!(insert(&cx, &s, &record).await);
        let now = NOW + TICK;
        let outcome = confirm(&cx, &s, &record, mark, now).await;
        assert_eq!(outcome, FactorOutcome::Done);
        let record = FactorRecord {
            mark,
            confirmed_at: Some(now),
            ..record
        };
        assert_stands(&s, &record).await;
        // The code that did it is taken with it.
        assert_eq!(take(&cx, &s, &record, mark).await, FactorOutcome::Spent);
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        for now in [NOW, record.confirm_by, record.confirm_by + DAY] {
            let outcome = confirm(&cx, &s, &record, mark + 1, now).await;
            assert_eq!(outcome, FactorOutcome::AlreadyConfirmed);
            assert_stands(&s, &record).await;
        }
        ledger.assert_nothing("confirming again").await;
    }
}

///
pub(crate) async fn factor_store_c_the_checks_of_confirm_come_in_order(cx: Context) {
    let s = cx.fresh().await;
    let end = cx.fixtures.factor(&cx.fixtures.tenant()).confirm_by;
    for (now, expected) in [
        (end - TICK, FactorOutcome::Done),
        (end, FactorOutcome::Expired),
        (end + TICK, FactorOutcome::Expired),
    ] {
        let pending = stored(&cx, &s).await;
        assert_eq!(confirm(&cx, &s, &pending, 1, now).await, expected, "{now}");
        if expected == FactorOutcome::Expired {
            assert_stands(&s, &pending).await;
            // At an earlier instant it is not.
            let outcome = confirm(&cx, &s, &pending, 1, end - TICK).await;
            assert_eq!(outcome, FactorOutcome::Done);
        }
    }
    // Disabled, whatever else; then confirmed, though it is too late.
    let neither = stored(&cx, &s).await;
    let both = confirmed(&cx, &s, 7).await;
    for record in [&neither, &both] {
        let outcome = disable(&cx, &s, record, NOW).await;
        assert_eq!(outcome, FactorOutcome::Done);
    }
    let only_confirmed = confirmed(&cx, &s, 7).await;
    let unknown = cx.fixtures.factor(&both.tenant);
    for now in [NOW, end, end + DAY] {
        for (record, expected) in [
            (&unknown, FactorOutcome::NotFound),
            (&neither, FactorOutcome::Disabled),
            (&both, FactorOutcome::Disabled),
            (&only_confirmed, FactorOutcome::AlreadyConfirmed),
        ] {
            let mut ledger = Ledger::open(&s, &record.tenant).await;
            let before = find(&s, record).await;
            assert_eq!(confirm(&cx, &s, record, 9, now).await, expected);
            assert_eq!(find(&s, record).await, before, "{expected:?}");
            ledger.assert_nothing("a refused confirmation").await;
        }
    }
}

///
pub(crate) async fn factor_store_c_of_parallel_confirmations_exactly_one_is_done(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = stored(&cx, &s).await;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, record) = (s.clone(), record.clone());
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::FactorConfirmed);
            let mark = u64::try_from(task).expect("not that many tasks");
            async move {
                let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
                let confirm = s.factors.confirm(tenant, subject, id, mark, NOW, event);
                (confirm.await.unwrap(), mark)
            }
        })
        .await;
        let refused = FactorOutcome::AlreadyConfirmed;
        assert_eq!(
            count(&outcomes, |(outcome, _)| *outcome == refused),
            cx.rounds.tasks - 1
        );
        let won = outcomes
            .iter()
            .find(|(outcome, _)| *outcome == FactorOutcome::Done);
        let record = FactorRecord {
            mark: won.expect("one confirmation wins").1,
            confirmed_at: Some(NOW),
            ..record
        };
        assert_stands(&s, &record).await;
        assert_eq!(ledger.events().await.len(), 1, "events of one confirmation");
    }
}

///
pub(crate) async fn factor_store_e_disable_is_for_good_and_keeps_its_first_time(cx: Context) {
    let s = cx.fresh().await;
    for record in [stored(&cx, &s).await, confirmed(&cx, &s, 7).await] {
        let outcome = disable(&cx, &s, &record, NOW).await;
        assert_eq!(outcome, FactorOutcome::Done);
        let record = FactorRecord {
            disabled_at: Some(NOW),
            ..record
        };
        assert_stands(&s, &record).await;
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        for now in [NOW - DAY, NOW, NOW + DAY] {
            let outcome = disable(&cx, &s, &record, now).await;
            assert_eq!(outcome, FactorOutcome::Disabled);
            assert_eq!(
                take(&cx, &s, &record, 99).await,
                FactorOutcome::Disabled,
                "it is for good"
            );
            assert_stands(&s, &record).await;
        }
        ledger.assert_nothing("disabling again").await;
    }
}

///
pub(crate) async fn factor_store_e_of_parallel_disablings_exactly_one_is_done(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = confirmed(&cx, &s, 7).await;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, record) = (s.clone(), record.clone());
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::FactorDisabled);
            let now = NOW + u32::try_from(task).expect("not that many tasks") * TICK;
            async move {
                let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
                let disable = s.factors.disable(tenant, subject, id, now, event);
                (disable.await.unwrap(), now)
            }
        })
        .await;
        let won: Vec<_> = outcomes
            .iter()
            .filter(|(outcome, _)| *outcome == FactorOutcome::Done)
            .collect();
        let [(_, now)] = won.as_slice() else {
            panic!("{} calls disabled it", won.len());
        };
        let record = FactorRecord {
            disabled_at: Some(*now),
            ..record
        };
        assert_stands(&s, &record).await;
        assert_eq!(ledger.events().await.len(), 1, "events of one disabling");
    }
}

///
pub(crate) async fn factor_store_h_a_call_that_changes_nothing_records_nothing(cx: Context) {
    let s = cx.fresh().await;
    let record = confirmed(&cx, &s, 7).await;
    let pending = FactorRecord {
        subject: record.subject.clone(),
        ..cx.fixtures.factor(&record.tenant)
    };
    assert!(insert(&cx, &s, &pending).await);
    let unknown = cx.fixtures.factor(&record.tenant);
    let owner = (record.tenant.clone(), record.subject.clone());
    replace_codes(&cx, &s, &owner, &[cx.fixtures.digest()]).await;
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    assert!(!insert(&cx, &s, &record).await);
    assert_eq!(take(&cx, &s, &record, 7).await, FactorOutcome::Spent);
    assert_eq!(take(&cx, &s, &pending, 9).await, FactorOutcome::Pending);
    assert_eq!(take(&cx, &s, &unknown, 9).await, FactorOutcome::NotFound);
    assert_eq!(
        confirm(&cx, &s, &record, 9, NOW).await,
        FactorOutcome::AlreadyConfirmed
    );
    assert!(!remove(&cx, &s, &unknown).await);
    let code = cx.fixtures.digest();
    assert_eq!(take_code(&cx, &s, &owner, &code).await, None);
    assert_eq!(codes_left(&s, &owner).await, 1);
    for record in [&record, &pending] {
        assert_stands(&s, record).await;
    }
    ledger.assert_nothing("refused calls").await;
}
