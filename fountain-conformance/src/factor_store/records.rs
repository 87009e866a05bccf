//! A, B, F and I: what is stored, listed, removed and purged.

use fountain_core::Timestamp;
use fountain_core::audit::AuditAction;
use fountain_core::otp::{FactorId, FactorKind, FactorOutcome, FactorRecord};

use super::{
    assert_stands, codes_left, confirm, confirmed, disable, find, insert, remove, replace_codes,
    stored, take, take_code,
};
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK};
use crate::hostile;
use crate::ledger::Ledger;
use crate::race::{count, race};

pub(crate) async fn factor_store_a_insert_stores_the_factor_as_given(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    for (at, kind) in FactorKind::ALL.iter().enumerate() {
        let plain = FactorRecord {
            kind: *kind,
            ..cx.fixtures.factor(&tenant)
        };
        let full = FactorRecord {
            kind: *kind,
            sealed: (0..=255).cycle().take(4_096).collect(),
            mark: u64::try_from(i64::MAX).expect("it is positive"),
            created_at: Timestamp::MIN,
            confirmed_at: Some(NOW - TICK),
            confirm_by: Timestamp::MAX,
            disabled_at: Some(NOW + TICK),
            ..cx.fixtures.factor(&tenant)
        };
        let odd = FactorRecord {
            kind: *kind,
            sealed: vec![0; at],
            mark: (1 << 53) + 1,
            ..cx.fixtures.factor(&tenant)
        };
        for record in [plain, full, odd] {
            assert_eq!(find(&s, &record).await, None);
            assert!(insert(&cx, &s, &record).await);
            assert_stands(&s, &record).await;
        }
    }
}

pub(crate) async fn factor_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again(
    cx: Context,
) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let like = |tenant| FactorRecord {
        id: record.id.clone(),
        ..cx.fixtures.factor(&tenant)
    };
    let same_owner = FactorRecord {
        subject: record.subject.clone(),
        ..like(record.tenant.clone())
    };
    for other in [
        like(record.tenant.clone()),
        like(cx.fixtures.tenant()),
        same_owner,
    ] {
        let mut ledger = Ledger::open(&s, &other.tenant).await;
        assert!(!insert(&cx, &s, &other).await, "{other:?}");
        ledger.assert_nothing("an insert that was refused").await;
        let owner = (&other.tenant, &other.subject);
        if owner != (&record.tenant, &record.subject) {
            assert_eq!(find(&s, &other).await, None);
            assert_eq!(s.factors.list(owner.0, owner.1).await.unwrap(), []);
        }
        assert_stands(&s, &record).await;
    }
}

///
pub(crate) async fn factor_store_a_of_parallel_inserts_of_one_id_exactly_one_is_stored(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let (id, tenants) = (
            cx.fixtures.factor_id(),
            [cx.fixtures.tenant(), cx.fixtures.tenant()],
        );
        let outcomes = race(cx.rounds.tasks, |task| {
            let s = s.clone();
            let record = FactorRecord {
                id: id.clone(),
                ..cx.fixtures.factor(&tenants[task % 2])
            };
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::FactorEnrolled);
            async move {
                let inserted = s.factors.insert(record.clone(), event).await;
                (inserted.unwrap(), record)
            }
        })
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(won, _)| *won);
        let [(_, winner)] = won.as_slice() else {
            panic!("{} inserts won", won.len());
        };
        assert_stands(&s, winner).await;
        for (_, loser) in lost {
            assert_eq!(find(&s, &loser).await, None, "one that lost is found");
        }
    }
}

async fn list(s: &Stores, like: &FactorRecord) -> Vec<FactorRecord> {
    s.factors.list(&like.tenant, &like.subject).await.unwrap()
}

pub(crate) async fn factor_store_b_list_gives_all_factors_of_a_subject_by_creation_then_id(
    cx: Context,
) {
    let s = cx.fresh().await;
    let first = cx.fixtures.factor(&cx.fixtures.tenant());
    assert_eq!(list(&s, &first).await, []);
    let mut all = Vec::new();
    for at in [3, 1, 2, 1, 0, 3, 1, 0] {
        // Some id first with which case-blind or numeric orders go wrong.
        let letter = ["z", "Z", "a", "9"][cx.fixtures.below(4)];
        let id = format!("{letter}{}", &cx.fixtures.factor_id().as_str()[1..]);
        let record = FactorRecord {
            id: FactorId::new(id).expect("22 letters and digits are a factor id"),
            subject: first.subject.clone(),
            created_at: NOW + at * TICK,
            ..cx.fixtures.factor(&first.tenant)
        };
        assert!(insert(&cx, &s, &record).await);
        all.push(record);
    }
    all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    assert_eq!(list(&s, &first).await, all);
    // Whatever its state.
    let outcome = confirm(&cx, &s, &all[2], 5, NOW).await;
    assert_eq!(outcome, FactorOutcome::Done);
    (all[2].confirmed_at, all[2].mark) = (Some(NOW), 5);
    let outcome = disable(&cx, &s, &all[4], NOW).await;
    assert_eq!(outcome, FactorOutcome::Done);
    all[4].disabled_at = Some(NOW);
    assert!(remove(&cx, &s, &all.remove(6)).await);
    assert_eq!(list(&s, &first).await, all);
}

///
pub(crate) async fn factor_store_b_another_subjects_or_tenants_factor_is_not_found(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let taken = confirmed(&cx, &s, 7).await;
    for like in [&record, &taken] {
        let other_tenant = FactorRecord {
            tenant: cx.fixtures.tenant(),
            ..like.clone()
        };
        let other_subject = FactorRecord {
            subject: cx.fixtures.subject(),
            ..like.clone()
        };
        for foreign in [&other_tenant, &other_subject] {
            let mut ledger = Ledger::open(&s, &foreign.tenant).await;
            let not_found = FactorOutcome::NotFound;
            assert_eq!(find(&s, foreign).await, None);
            assert_eq!(list(&s, foreign).await, []);
            assert_eq!(confirm(&cx, &s, foreign, 9, NOW).await, not_found);
            assert_eq!(take(&cx, &s, foreign, 9).await, not_found);
            assert_eq!(disable(&cx, &s, foreign, NOW).await, not_found);
            assert!(!remove(&cx, &s, foreign).await);
            ledger.assert_nothing("calls about another's factor").await;
        }
        assert_stands(&s, like).await;
    }
    // An id that differs in case only is another.
    let id = record.id.as_str();
    let swapped: String = id
        .chars()
        .map(|c| match c {
            c if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
            c => c.to_ascii_lowercase(),
        })
        .collect();
    let twin = FactorRecord {
        id: FactorId::new(swapped).expect("22 letters and digits are a factor id"),
        sealed: vec![1],
        ..record.clone()
    };
    assert_eq!(find(&s, &twin).await, None);
    assert!(insert(&cx, &s, &twin).await);
    assert_stands(&s, &twin).await;
    assert_stands(&s, &record).await;
}

/// R-83, B-78
pub(crate) async fn factor_store_b_tenants_and_subjects_are_never_taken_for_each_other(
    cx: Context,
) {
    let s = cx.fresh().await;
    let people = hostile::people(&cx.fixtures.tenant(), &cx.fixtures.subject());
    let mut records = Vec::new();
    let code = cx.fixtures.digest();
    for owner in &people {
        let record = FactorRecord {
            subject: owner.1.clone(),
            ..cx.fixtures.factor(&owner.0)
        };
        assert_eq!(list(&s, &record).await, [], "{owner:?}");
        assert!(insert(&cx, &s, &record).await);
        assert_eq!(codes_left(&s, owner).await, 0, "{owner:?}");
        // All of them have one code in common.
        replace_codes(&cx, &s, owner, &[code, cx.fixtures.digest()]).await;
        records.push(record);
    }
    for (at, owner) in people.iter().enumerate() {
        assert_eq!(list(&s, &records[at]).await, [records[at].clone()]);
        match at % 3 {
            0 => assert_eq!(take_code(&cx, &s, owner, &code).await, Some(1)),
            1 => replace_codes(&cx, &s, owner, &[]).await,
            _ => assert!(remove(&cx, &s, &records[at]).await),
        }
    }
    for (at, owner) in people.iter().enumerate() {
        let expected = [1, 0, 2][at % 3];
        assert_eq!(codes_left(&s, owner).await, expected, "{owner:?}");
        let kept: Vec<_> = records[at..=at]
            .iter()
            .filter(|_| at % 3 != 2)
            .cloned()
            .collect();
        assert_eq!(list(&s, &records[at]).await, kept, "{owner:?}");
    }
}

pub(crate) async fn factor_store_f_remove_removes_the_factor_and_says_whether_there_was_one(
    cx: Context,
) {
    let s = cx.fresh().await;
    let pending = stored(&cx, &s).await;
    let taken = confirmed(&cx, &s, 7).await;
    let disabled = stored(&cx, &s).await;
    let outcome = disable(&cx, &s, &disabled, NOW).await;
    assert_eq!(outcome, FactorOutcome::Done);
    let bystander = FactorRecord {
        subject: taken.subject.clone(),
        ..cx.fixtures.factor(&taken.tenant)
    };
    assert!(insert(&cx, &s, &bystander).await);
    for record in [&pending, &taken, &disabled] {
        assert!(remove(&cx, &s, record).await, "{record:?}");
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        assert!(!remove(&cx, &s, record).await, "{record:?}");
        assert_eq!(find(&s, record).await, None);
        let not_found = FactorOutcome::NotFound;
        assert_eq!(take(&cx, &s, record, 99).await, not_found);
        assert_eq!(confirm(&cx, &s, record, 99, NOW).await, not_found);
        assert_eq!(disable(&cx, &s, record, NOW).await, not_found);
        ledger.assert_nothing("calls about what was removed").await;
    }
    assert_eq!(list(&s, &taken).await, [bystander]);
}

///
pub(crate) async fn factor_store_f_of_parallel_removals_exactly_one_finds_the_factor(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = stored(&cx, &s).await;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, record) = (s.clone(), record.clone());
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::FactorRemoved);
            async move {
                let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
                s.factors.remove(tenant, subject, id, event).await.unwrap()
            }
        })
        .await;
        assert_eq!(count(&outcomes, |removed| *removed), 1);
        assert_eq!(ledger.events().await.len(), 1, "events of one removal");
    }
}

///
pub(crate) async fn factor_store_i_purge_removes_what_was_not_confirmed_before_the_instant(
    cx: Context,
) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let ending = |confirm_by| FactorRecord {
        confirm_by,
        ..cx.fixtures.factor(&tenant)
    };
    let around = [NOW - TICK, NOW, NOW + TICK].map(ending);
    let as_confirmed = FactorRecord {
        confirmed_at: Some(NOW - DAY),
        ..ending(NOW - TICK)
    };
    let mut since = ending(NOW - TICK);
    let disabled = ending(NOW - TICK);
    for record in around.iter().chain([&as_confirmed, &since, &disabled]) {
        assert!(insert(&cx, &s, record).await);
    }
    let outcome = confirm(&cx, &s, &since, 7, NOW - DAY).await;
    assert_eq!(outcome, FactorOutcome::Done);
    (since.confirmed_at, since.mark) = (Some(NOW - DAY), 7);
    let outcome = disable(&cx, &s, &disabled, NOW).await;
    assert_eq!(outcome, FactorOutcome::Done);

    let mut ledger = Ledger::open(&s, &tenant).await;
    assert_eq!(s.factors.purge(NOW, 1000).await.unwrap(), 2);
    assert_eq!(s.factors.purge(NOW, 1000).await.unwrap(), 0);
    for gone in [&around[0], &disabled] {
        assert_eq!(find(&s, gone).await, None);
        assert_eq!(list(&s, gone).await, []);
    }
    for kept in [&around[1], &around[2], &as_confirmed, &since] {
        assert_stands(&s, kept).await;
    }
    ledger.assert_nothing("a purge").await;
    assert_eq!(s.factors.purge(Timestamp::MAX, 1000).await.unwrap(), 2);
    for kept in [&as_confirmed, &since] {
        assert_stands(&s, kept).await;
    }
}

///
pub(crate) async fn factor_store_i_purge_stops_at_its_limit_and_says_how_many(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..9 {
        stored(&cx, &s).await;
    }
    for removed in [4, 4, 1, 0] {
        assert_eq!(s.factors.purge(NOW + DAY, 4).await.unwrap(), removed);
    }
}
