//! C, D and E: what replaces and removes, and what it leaves behind.

use fountain_core::audit::AuditAction;
use fountain_core::login::{CredentialRecord, ReplaceOutcome};

use super::{assert_stands, find, insert, remove, replace, stored};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::race::{count, race};

pub(crate) async fn credential_store_c_replace_sets_the_hash_and_raises_the_version(cx: Context) {
    let s = cx.fresh().await;
    let mut record = stored(&cx, &s).await;
    // Also back in time, and by the very same hash.
    for (now, is_new) in [(NOW + DAY, true), (NOW - TICK, true), (NOW + TICK, false)] {
        let password = if is_new {
            cx.fixtures.password_hash()
        } else {
            record.password.clone()
        };
        let outcome = replace(&cx, &s, &record, record.version, &password, now).await;
        assert_eq!(outcome, ReplaceOutcome::Replaced);
        record = CredentialRecord {
            password,
            changed_at: now,
            version: record.version + 1,
            ..record
        };
        assert_stands(&s, &record).await;
    }
    assert_eq!(record.version, 4);
}

pub(crate) async fn credential_store_c_replace_wants_the_version_that_stands(cx: Context) {
    let s = cx.fresh().await;
    let record = CredentialRecord {
        version: 7,
        ..cx.fixtures.credential(&cx.fixtures.tenant())
    };
    assert!(insert(&cx, &s, &record).await);
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    let password = cx.fixtures.password_hash();
    for version in [0, 1, 6, 8, 70] {
        let outcome = replace(&cx, &s, &record, version, &password, NOW + TICK).await;
        assert_eq!(outcome, ReplaceOutcome::Stale, "version {version}");
        assert_stands(&s, &record).await;
    }
    let unknown = cx.fixtures.credential(&record.tenant);
    let outcome = replace(&cx, &s, &unknown, 1, &password, NOW).await;
    assert_eq!(outcome, ReplaceOutcome::NotFound);
    assert_eq!(find(&s, &unknown).await, [None, None]);
    ledger
        .assert_nothing("replacements that were refused")
        .await;
}

/// a hash is not made anew over a password that was changed meanwhile.
pub(crate) async fn credential_store_c_of_parallel_replacements_exactly_one_is_replaced(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = stored(&cx, &s).await;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, record) = (s.clone(), record.clone());
            let password = cx.fixtures.password_hash();
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::PasswordChanged);
            async move {
                let (tenant, subject, hash) = (&record.tenant, &record.subject, password.clone());
                let replace = s.credentials.replace(tenant, subject, 1, hash, NOW, event);
                (replace.await.unwrap(), password)
            }
        })
        .await;
        let stale = count(&outcomes, |(outcome, _)| *outcome == ReplaceOutcome::Stale);
        assert_eq!(stale, cx.rounds.tasks - 1);
        let won = outcomes
            .into_iter()
            .find(|(outcome, _)| *outcome == ReplaceOutcome::Replaced);
        let (_, password) = won.expect("one replacement wins");
        let record = CredentialRecord {
            password,
            version: 2,
            ..record
        };
        assert_stands(&s, &record).await;
        assert_eq!(ledger.events().await.len(), 1, "events of one replacement");
    }
}

pub(crate) async fn credential_store_d_what_is_removed_can_be_registered_again(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let bystander = cx.fixtures.credential(&record.tenant);
    assert!(insert(&cx, &s, &bystander).await);
    assert!(remove(&cx, &s, &record).await);
    assert_eq!(find(&s, &record).await, [None, None]);
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    assert!(!remove(&cx, &s, &record).await, "it is gone");
    let password = cx.fixtures.password_hash();
    let outcome = replace(&cx, &s, &record, 1, &password, NOW).await;
    assert_eq!(outcome, ReplaceOutcome::NotFound);
    ledger.assert_nothing("calls about what was removed").await;
    // Its name by another subject, and its subject by another name.
    let again = [
        CredentialRecord {
            name: record.name.clone(),
            ..cx.fixtures.credential(&record.tenant)
        },
        CredentialRecord {
            subject: record.subject.clone(),
            ..cx.fixtures.credential(&record.tenant)
        },
    ];
    for record in &again {
        assert!(insert(&cx, &s, record).await, "{record:?}");
    }
    for record in again.iter().chain([&bystander]) {
        assert_stands(&s, record).await;
    }
}

///
pub(crate) async fn credential_store_d_of_parallel_removals_exactly_one_finds_the_record(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = stored(&cx, &s).await;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, record) = (s.clone(), record.clone());
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::CredentialRemoved);
            async move {
                let (tenant, subject) = (&record.tenant, &record.subject);
                s.credentials.remove(tenant, subject, event).await.unwrap()
            }
        })
        .await;
        assert_eq!(count(&outcomes, |removed| *removed), 1);
        assert_eq!(find(&s, &record).await, [None, None]);
        assert_eq!(ledger.events().await.len(), 1, "events of one removal");
    }
}

///
pub(crate) async fn credential_store_e_a_call_that_changes_nothing_records_nothing(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let unknown = cx.fixtures.credential(&record.tenant);
    let password = cx.fixtures.password_hash();
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    assert!(!insert(&cx, &s, &record).await);
    let outcome = replace(&cx, &s, &record, 2, &password, NOW).await;
    assert_eq!(outcome, ReplaceOutcome::Stale);
    let outcome = replace(&cx, &s, &unknown, 1, &password, NOW).await;
    assert_eq!(outcome, ReplaceOutcome::NotFound);
    assert!(!remove(&cx, &s, &unknown).await);
    assert_stands(&s, &record).await;
    ledger.assert_nothing("refused calls").await;
}
