//! A and B: what is stored and found.

use fountain_core::Timestamp;
use fountain_core::audit::AuditAction;
use fountain_core::login::{CredentialRecord, ReplaceOutcome};
use fountain_core::password::PasswordHash;

use super::{assert_stands, find, insert, remove, replace, stored};
use crate::context::Context;
use crate::fixtures::{NOW, TICK};
use crate::hostile;
use crate::ledger::Ledger;
use crate::race::race;

pub(crate) async fn credential_store_a_insert_stores_the_record_as_given(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let dear = concat!(
        "$argon2id$v=19$m=262144,t=10,p=16",
        "$c2FsdHNhbHRzYWx0c2FsdA$A8iGzqqPcRJWOP5hDaYcWnVhTLGVSaNzjVdtGrfGVfU",
    );
    let full = CredentialRecord {
        password: PasswordHash::parse(dear).expect("it is within bounds"),
        created_at: Timestamp::MIN,
        changed_at: Timestamp::MAX,
        version: (1 << 53) + 1,
        ..cx.fixtures.credential(&tenant)
    };
    let plain = CredentialRecord {
        created_at: NOW - TICK,
        ..cx.fixtures.credential(&tenant)
    };
    for record in [plain, full] {
        assert_eq!(find(&s, &record).await, [None, None]);
        assert!(insert(&cx, &s, &record).await);
        assert_stands(&s, &record).await;
        // Equality of records compares it, and a text that is not the very same would be another hash.
        let [found, _] = find(&s, &record).await;
        let found = found.expect("it stands").password;
        assert_eq!(found.expose(), record.password.expose());
    }
}

pub(crate) async fn credential_store_a_a_name_or_a_subject_that_exists_in_this_tenant_is_refused(
    cx: Context,
) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let other = CredentialRecord {
        tenant: record.tenant.clone(),
        ..cx.fixtures.credential(&record.tenant)
    };
    let same_name = CredentialRecord {
        name: record.name.clone(),
        ..other.clone()
    };
    let same_subject = CredentialRecord {
        subject: record.subject.clone(),
        ..other.clone()
    };
    let same = CredentialRecord {
        password: cx.fixtures.password_hash(),
        ..record.clone()
    };
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    for refused in [&same_name, &same_subject, &same] {
        assert!(!insert(&cx, &s, refused).await, "{refused:?}");
        assert_stands(&s, &record).await;
    }
    assert_eq!(find(&s, &other).await, [None, None], "half of it is there");
    ledger.assert_nothing("inserts that were refused").await;
    // Neither was left behind: both can be registered.
    assert!(insert(&cx, &s, &other).await);
    // In another tenant it is somebody else.
    let elsewhere = CredentialRecord {
        tenant: cx.fixtures.tenant(),
        password: cx.fixtures.password_hash(),
        ..record.clone()
    };
    assert!(insert(&cx, &s, &elsewhere).await);
    for record in [&record, &other, &elsewhere] {
        assert_stands(&s, record).await;
    }
}

///
async fn assert_one_is_stored(cx: Context, with: fn(&CredentialRecord, &mut CredentialRecord)) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let shared = cx.fixtures.credential(&cx.fixtures.tenant());
        let ledger = Ledger::open(&s, &shared.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let s = s.clone();
            let mut record = cx.fixtures.credential(&shared.tenant);
            with(&shared, &mut record);
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::CredentialRegistered);
            async move {
                let inserted = s.credentials.insert(record.clone(), event).await;
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
            let found = find(&s, &loser).await;
            assert!(
                found.iter().flatten().all(|found| found == winner),
                "one that lost is found"
            );
        }
        assert_eq!(ledger.events().await.len(), 1, "events of one insert");
    }
}

///
pub(crate) async fn credential_store_a_of_parallel_inserts_of_one_name_exactly_one_is_stored(
    cx: Context,
) {
    assert_one_is_stored(cx, |shared, record| record.name = shared.name.clone()).await;
}

///
pub(crate) async fn credential_store_a_of_parallel_inserts_of_one_subject_exactly_one_is_stored(
    cx: Context,
) {
    assert_one_is_stored(cx, |shared, record| {
        record.subject = shared.subject.clone();
    })
    .await;
}

/// R-83, B-78, B-72
pub(crate) async fn credential_store_b_tenants_names_and_subjects_are_never_taken_for_each_other(
    cx: Context,
) {
    let s = cx.fresh().await;
    let own = cx.fixtures.tenant();
    let mut records: Vec<_> = hostile::people(&own, &cx.fixtures.subject())
        .into_iter()
        .map(|(tenant, subject)| CredentialRecord {
            subject,
            ..cx.fixtures.credential(&tenant)
        })
        .collect();
    // The same names in two tenants, and one of them in many.
    for tenant in [own, cx.fixtures.tenant()] {
        records.extend(hostile::names().into_iter().map(|name| CredentialRecord {
            name,
            ..cx.fixtures.credential(&tenant)
        }));
    }
    let name = cx.fixtures.login_name();
    records.extend(
        hostile::tenants()
            .into_iter()
            .map(|tenant| CredentialRecord {
                name: name.clone(),
                ..cx.fixtures.credential(&tenant)
            }),
    );
    for record in &records {
        assert_eq!(find(&s, record).await, [None, None], "{record:?}");
        assert!(insert(&cx, &s, record).await, "{record:?}");
    }
    for record in &records {
        assert_stands(&s, record).await;
    }
    // A change of one is a change of no other.
    for record in records.iter_mut().step_by(3) {
        let password = cx.fixtures.password_hash();
        let outcome = replace(&cx, &s, record, 1, &password, NOW + TICK).await;
        assert_eq!(outcome, ReplaceOutcome::Replaced, "{record:?}");
        (record.password, record.version, record.changed_at) = (password, 2, NOW + TICK);
    }
    for record in records.iter().skip(1).step_by(3) {
        assert!(remove(&cx, &s, record).await, "{record:?}");
    }
    for (at, record) in records.iter().enumerate() {
        if at % 3 == 1 {
            assert_eq!(find(&s, record).await, [None, None], "{record:?}");
        } else {
            assert_stands(&s, record).await;
        }
    }
}

///
pub(crate) async fn credential_store_b_another_tenants_record_is_not_found(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let foreign = CredentialRecord {
        tenant: cx.fixtures.tenant(),
        ..record.clone()
    };
    let mut ledger = Ledger::open(&s, &foreign.tenant).await;
    let password = cx.fixtures.password_hash();
    assert_eq!(find(&s, &foreign).await, [None, None]);
    assert_eq!(
        replace(&cx, &s, &foreign, 1, &password, NOW).await,
        ReplaceOutcome::NotFound
    );
    assert!(!remove(&cx, &s, &foreign).await);
    assert_stands(&s, &record).await;
    ledger
        .assert_nothing("calls about another tenant's record")
        .await;
}
