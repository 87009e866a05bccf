//! A, B, C, E and F: what is stored, found and changed.

use fountain_core::Timestamp;
use fountain_core::access::{SubjectChangeOutcome, SubjectRecord};
use fountain_core::audit::AuditAction;

use super::{assign, disable, enable, find, store};
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK, names};
use crate::hostile;
use crate::ledger::Ledger;
use crate::race::race;

pub(crate) async fn subject_store_a_insert_stores_the_record_as_given(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let plain = cx.fixtures.subject_record(&tenant, &[]);
    let full = SubjectRecord {
        created_at: Timestamp::MIN,
        disabled_at: Some(NOW - TICK),
        version: 7,
        ..cx.fixtures.subject_record(
            &tenant,
            &["admin", "clerk", "%", "a,b", "'", "\u{e9}", " ", ""],
        )
    };
    for record in [plain, full] {
        store(&cx, &s, &record).await;
        assert_eq!(find(&s, &record).await, Some(record));
    }
}

pub(crate) async fn subject_store_a_a_subject_that_exists_in_this_tenant_is_not_stored_again(
    cx: Context,
) {
    let s = cx.fresh().await;
    let record = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["clerk"]);
    store(&cx, &s, &record).await;
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    let second = SubjectRecord {
        roles: names(&["admin"]),
        ..record.clone()
    };
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::SubjectRegistered);
    assert!(!s.subjects.insert(second, event).await.unwrap());
    assert_eq!(find(&s, &record).await.as_ref(), Some(&record));
    ledger.assert_nothing("an insert that was refused").await;
    // In another tenant it is somebody else.
    let elsewhere = SubjectRecord {
        tenant: cx.fixtures.tenant(),
        roles: names(&["admin"]),
        ..record.clone()
    };
    store(&cx, &s, &elsewhere).await;
    assert_eq!(find(&s, &elsewhere).await, Some(elsewhere));
    assert_eq!(find(&s, &record).await, Some(record));
}

///
pub(crate) async fn subject_store_a_of_parallel_inserts_of_one_subject_exactly_one_is_stored(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let tenant = cx.fixtures.tenant();
        let subject = cx.fixtures.subject();
        let outcomes = race(cx.rounds.tasks, |task| {
            let s = s.clone();
            let record = SubjectRecord {
                subject: subject.clone(),
                ..cx.fixtures
                    .subject_record(&tenant, &[&format!("role-{task}")])
            };
            let event = cx.fixtures.event(&tenant, AuditAction::SubjectRegistered);
            async move {
                (
                    s.subjects.insert(record.clone(), event).await.unwrap(),
                    record,
                )
            }
        })
        .await;
        let won: Vec<_> = outcomes
            .into_iter()
            .filter_map(|(won, record)| won.then_some(record))
            .collect();
        let [winner] = won.as_slice() else {
            panic!("{} inserts won", won.len());
        };
        assert_eq!(find(&s, winner).await.as_ref(), Some(winner));
    }
}

/// R-83, B-78
pub(crate) async fn subject_store_b_tenants_and_subjects_are_never_taken_for_each_other(
    cx: Context,
) {
    let s = cx.fresh().await;
    let mut records = Vec::new();
    let own = cx.fixtures.tenant();
    let pairs = hostile::joined()
        .into_iter()
        .chain(
            hostile::subjects()
                .into_iter()
                .map(|subject| (own.clone(), subject)),
        )
        .chain(
            hostile::tenants()
                .into_iter()
                .map(|tenant| (tenant, cx.fixtures.subject())),
        );
    for (n, (tenant, subject)) in pairs.enumerate() {
        let record = SubjectRecord {
            tenant,
            subject,
            ..cx.fixtures.subject_record(&own, &[&format!("role-{n}")])
        };
        assert_eq!(find(&s, &record).await, None, "{record:?}");
        store(&cx, &s, &record).await;
        records.push(record);
    }
    for record in &records {
        assert_eq!(find(&s, record).await.as_ref(), Some(record));
    }
    // A change of one is a change of no other.
    for (at, record) in records.iter_mut().enumerate().step_by(3) {
        let outcome = assign(&cx, &s, record, &[&format!("other-{at}")], None).await;
        (record.roles, record.version) = (names(&[&format!("other-{at}")]), 2);
        assert_eq!(outcome, SubjectChangeOutcome::Changed(record.clone()));
    }
    for record in &records {
        assert_eq!(find(&s, record).await.as_ref(), Some(record));
    }
}

///
pub(crate) async fn subject_store_b_another_tenants_subject_is_not_found(cx: Context) {
    let s = cx.fresh().await;
    let record = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["clerk"]);
    store(&cx, &s, &record).await;
    let foreign = SubjectRecord {
        tenant: cx.fixtures.tenant(),
        ..record.clone()
    };
    let mut ledger = Ledger::open(&s, &foreign.tenant).await;
    let not_found = SubjectChangeOutcome::NotFound;
    assert_eq!(find(&s, &foreign).await, None);
    assert_eq!(assign(&cx, &s, &foreign, &["admin"], None).await, not_found);
    assert_eq!(disable(&cx, &s, &foreign, None).await, not_found);
    assert_eq!(enable(&cx, &s, &foreign).await, not_found);
    assert_eq!(find(&s, &record).await, Some(record));
    ledger
        .assert_nothing("calls about another tenant's subject")
        .await;
}

pub(crate) async fn subject_store_c_assign_replaces_the_roles_and_raises_the_version(cx: Context) {
    let s = cx.fresh().await;
    let mut record = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["clerk", "auditor"]);
    store(&cx, &s, &record).await;
    let hostile: &[&str] = &["%", "a,b", "a", "b", "'", "\u{e9}"];
    for roles in [&["admin"][..], &["admin", "clerk"], &[], hostile] {
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        let outcome = assign(&cx, &s, &record, roles, None).await;
        (record.roles, record.version) = (names(roles), record.version + 1);
        assert_eq!(outcome, SubjectChangeOutcome::Changed(record.clone()));
        assert_eq!(find(&s, &record).await.as_ref(), Some(&record));
        assert_eq!(
            (ledger.events().await.len(), ledger.changes().await.len()),
            (1, 1)
        );

        ledger = Ledger::open(&s, &record.tenant).await;
        let again = assign(&cx, &s, &record, roles, None).await;
        assert_eq!(again, SubjectChangeOutcome::Unchanged(record.clone()));
        assert_eq!(find(&s, &record).await.as_ref(), Some(&record));
        ledger.assert_nothing("an assignment of equal roles").await;
    }
}

/// no version is given twice, so none of the parallel changes is lost.
pub(crate) async fn subject_store_c_parallel_assignments_each_raise_the_version(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = cx.fixtures.subject_record(&cx.fixtures.tenant(), &[]);
        store(&cx, &s, &record).await;
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, record) = (s.clone(), record.clone());
            let roles = names(&[&format!("role-{task}")]);
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::SubjectRolesAssigned);
            async move {
                let (tenant, subject) = (&record.tenant, &record.subject);
                s.subjects
                    .assign(tenant, subject, roles, None, event)
                    .await
                    .unwrap()
            }
        })
        .await;
        let mut versions: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| version(&outcome))
            .collect();
        versions.sort_unstable();
        let expected: Vec<_> = (2..).take(cx.rounds.tasks).collect();
        assert_eq!(versions, expected);
    }
}

fn version(outcome: &SubjectChangeOutcome) -> u64 {
    match outcome {
        SubjectChangeOutcome::Changed(record) => record.version,
        other => panic!("an assignment of new roles is {other:?}"),
    }
}

pub(crate) async fn subject_store_e_disable_and_enable_are_idempotent_and_keep_the_first_time(
    cx: Context,
) {
    let s = cx.fresh().await;
    let mut record = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["clerk"]);
    store(&cx, &s, &record).await;
    let unchanged = |record: &SubjectRecord| SubjectChangeOutcome::Unchanged(record.clone());
    let changed = |record: &SubjectRecord| SubjectChangeOutcome::Changed(record.clone());
    assert_eq!(enable(&cx, &s, &record).await, unchanged(&record));

    let outcome = disable(&cx, &s, &record, None).await;
    (record.disabled_at, record.version) = (Some(NOW), 2);
    assert_eq!(outcome, changed(&record));
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    for at in [NOW - DAY, NOW + DAY] {
        let event = cx
            .fixtures
            .event(&record.tenant, AuditAction::SubjectDisabled);
        let again = s
            .subjects
            .disable(&record.tenant, &record.subject, at, None, event)
            .await;
        assert_eq!(again.unwrap(), unchanged(&record));
        assert_eq!(find(&s, &record).await.as_ref(), Some(&record));
    }
    ledger.assert_nothing("disabling a disabled subject").await;

    let outcome = enable(&cx, &s, &record).await;
    (record.disabled_at, record.version) = (None, 3);
    assert_eq!(outcome, changed(&record));
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    assert_eq!(enable(&cx, &s, &record).await, unchanged(&record));
    assert_eq!(find(&s, &record).await, Some(record));
    ledger.assert_nothing("enabling an enabled subject").await;
}

///
pub(crate) async fn subject_store_f_a_call_that_changes_nothing_records_nothing(cx: Context) {
    let s: Stores = cx.fresh().await;
    let record = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["admin"]);
    store(&cx, &s, &record).await;
    let unknown = cx.fixtures.subject_record(&record.tenant, &["clerk"]);
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    let last = SubjectChangeOutcome::LastHolder;
    assert_eq!(
        assign(&cx, &s, &record, &["clerk"], Some("admin")).await,
        last
    );
    assert_eq!(disable(&cx, &s, &record, Some("admin")).await, last);
    let not_found = SubjectChangeOutcome::NotFound;
    assert_eq!(assign(&cx, &s, &unknown, &["admin"], None).await, not_found);
    assert_eq!(disable(&cx, &s, &unknown, None).await, not_found);
    assert_eq!(enable(&cx, &s, &unknown).await, not_found);
    assert_eq!(find(&s, &unknown).await, None);
    assert_eq!(find(&s, &record).await, Some(record));
    ledger.assert_nothing("refused calls").await;
}
