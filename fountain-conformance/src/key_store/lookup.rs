//! A and B, H and J: what is stored, what is found, and by whom.

use std::time::Duration;

use fountain_core::api_key::KeyChangeOutcome;
use fountain_core::api_key::{
    ApiKeyRecord, InsertKeyOutcome, KeyId, OwnerLimit, RotateKeyOutcome, RotationSchedule,
};
use fountain_core::audit::AuditAction;
use fountain_core::{Actor, Timestamp};

use super::{disable, enable, revoke, standing, store, stored};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK, scopes};
use crate::hostile;
use crate::ledger::Ledger;
use crate::race::race;

pub(crate) async fn key_store_a_insert_stores_the_record_as_given(cx: Context) {
    let s = cx.fresh().await;
    let f = &cx.fixtures;
    let tenant = f.tenant();
    let plain = f.api_key(&tenant);
    let full = ApiKeyRecord {
        name: "\u{1f511} ".to_owned() + &"n".repeat(123),
        environment: "test".into(),
        scopes: scopes(&["*", "a:*", "orders:read", "orders:write:all"]),
        limit: Some(OwnerLimit {
            requests: u32::MAX,
            window: Duration::from_millis(1_500),
        }),
        created_by: Actor::ApiKey(f.key_id()),
        disabled_at: Some(NOW - TICK),
        revoked_at: Some(NOW),
        rotation: Some(RotationSchedule {
            every: 30 * DAY,
            overlap: Duration::from_secs(3_600),
        }),
        predecessor: Some(f.key_id()),
        successor: Some(f.key_id()),
        superseded_at: Some(NOW + TICK),
        last_used_at: Some(NOW - DAY),
        ..f.api_key(&tenant)
    };
    let extreme = ApiKeyRecord {
        scopes: scopes(&[]),
        created_by: Actor::Subject(f.subject()),
        created_at: Timestamp::MIN,
        not_before: Timestamp::MIN,
        expires_at: Timestamp::MAX,
        ..f.api_key(&tenant)
    };
    for record in [plain, full, extreme] {
        store(&cx, &s, &record).await;
        assert_eq!(
            s.keys.find(&record.id).await.unwrap().as_ref(),
            Some(&record)
        );
        assert_eq!(
            s.keys.find_in(&tenant, &record.id).await.unwrap(),
            Some(record)
        );
    }
}

pub(crate) async fn key_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let (ours, foreign) = (record.tenant.clone(), cx.fixtures.tenant());
    for tenant in [&ours, &foreign] {
        let mut ledger = Ledger::open(&s, tenant).await;
        let second = ApiKeyRecord {
            id: record.id.clone(),
            ..cx.fixtures.api_key(tenant)
        };
        let event = cx.fixtures.event(tenant, AuditAction::ApiKeyIssued);
        let outcome = s.keys.insert(second, event).await.unwrap();
        assert_eq!(outcome, InsertKeyOutcome::AlreadyPresent);
        assert_eq!(standing(&s, &record).await, record);
        ledger.assert_nothing("an insert that was refused").await;
    }
    assert_eq!(s.keys.find_in(&foreign, &record.id).await.unwrap(), None);
    assert!(
        s.keys
            .page(&foreign, None, 10)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

///
pub(crate) async fn key_store_a_of_parallel_inserts_of_one_id_exactly_one_is_stored(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let id = cx.fixtures.key_id();
        let outcomes = race(cx.rounds.tasks, |_| {
            let s = s.clone();
            let tenant = cx.fixtures.tenant();
            let event = cx.fixtures.event(&tenant, AuditAction::ApiKeyIssued);
            let record = ApiKeyRecord {
                id: id.clone(),
                ..cx.fixtures.api_key(&tenant)
            };
            async move { (s.keys.insert(record.clone(), event).await.unwrap(), record) }
        })
        .await;
        let winners: Vec<_> = outcomes
            .iter()
            .filter(|(outcome, _)| *outcome == InsertKeyOutcome::Inserted)
            .collect();
        let [(_, winner)] = winners.as_slice() else {
            panic!("{} of {} inserts won", winners.len(), outcomes.len());
        };
        assert_eq!(standing(&s, winner).await, *winner);
    }
}

///
pub(crate) async fn key_store_b_find_knows_every_tenant_and_find_in_only_the_named_one(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (ours, theirs) = (stored(&cx, &s).await, stored(&cx, &s).await);
    for (record, other) in [(&ours, &theirs), (&theirs, &ours)] {
        assert_eq!(
            s.keys.find(&record.id).await.unwrap().as_ref(),
            Some(record)
        );
        let found = s.keys.find_in(&record.tenant, &record.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(record));
        assert_eq!(
            s.keys.find_in(&other.tenant, &record.id).await.unwrap(),
            None
        );
    }
    let unknown = cx.fixtures.key_id();
    assert_eq!(s.keys.find(&unknown).await.unwrap(), None);
    assert_eq!(s.keys.find_in(&ours.tenant, &unknown).await.unwrap(), None);
}

/// B-78
pub(crate) async fn key_store_b_ids_that_differ_only_in_case_are_different_keys(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let mut records = Vec::new();
    for id in [
        "aaaaaaaaaaaaaaaa",
        "AAAAAAAAAAAAAAAA",
        "aaaaaaaaaaaaaaaA",
        "0000000000000001",
        "0000000000000010",
    ] {
        let record = ApiKeyRecord {
            id: KeyId::new(id).unwrap(),
            ..cx.fixtures.api_key(&tenant)
        };
        store(&cx, &s, &record).await;
        records.push(record);
    }
    assert_eq!(
        revoke(&cx, &s, &records[0]).await,
        KeyChangeOutcome::Changed
    );
    for record in &records[1..] {
        assert_eq!(standing(&s, record).await, *record);
    }
}

/// B-38, B-78
pub(crate) async fn key_store_b_hostile_owners_and_names_come_back_as_given(cx: Context) {
    let s = cx.fresh().await;
    for tenant in hostile::tenants() {
        for owner in hostile::subjects() {
            let record = ApiKeyRecord {
                name: owner.to_string(),
                created_by: Actor::Subject(owner.clone()),
                owner,
                ..cx.fixtures.api_key(&tenant)
            };
            store(&cx, &s, &record).await;
            assert_eq!(
                s.keys.find_in(&tenant, &record.id).await.unwrap(),
                Some(record)
            );
        }
    }
}

pub(crate) async fn key_store_h_record_use_moves_forward_only(cx: Context) {
    let s = cx.fresh().await;
    let (used, unused) = (stored(&cx, &s).await, stored(&cx, &s).await);
    let steps = [
        (vec![NOW], NOW),
        (vec![NOW - TICK], NOW),
        (vec![NOW], NOW),
        (vec![NOW + TICK], NOW + TICK),
        (vec![NOW + 3 * TICK, NOW + 2 * TICK], NOW + 3 * TICK),
        (vec![NOW + 4 * TICK, NOW + 5 * TICK], NOW + 5 * TICK),
    ];
    for (uses, latest) in steps {
        let uses: Vec<_> = uses.into_iter().map(|at| (used.id.clone(), at)).collect();
        s.keys.record_use(&uses).await.unwrap();
        let expected = ApiKeyRecord {
            last_used_at: Some(latest),
            ..used.clone()
        };
        assert_eq!(standing(&s, &used).await, expected);
    }
    assert_eq!(standing(&s, &unused).await, unused);
}

pub(crate) async fn key_store_h_record_use_takes_many_keys_ignores_unknown_ones_and_records_nothing(
    cx: Context,
) {
    let s = cx.fresh().await;
    s.keys.record_use(&[]).await.unwrap();
    let mut records = Vec::new();
    for _ in 0..20 {
        records.push(stored(&cx, &s).await);
    }
    let mut ledger = Ledger::open(&s, &records[0].tenant).await;
    let mut uses: Vec<_> = records
        .iter()
        .map(|record| (record.id.clone(), NOW))
        .collect();
    uses.insert(10, (cx.fixtures.key_id(), NOW));
    let unknown = uses[10].0.clone();
    s.keys.record_use(&uses).await.unwrap();
    for record in &records {
        assert_eq!(standing(&s, record).await.last_used_at, Some(NOW));
    }
    assert_eq!(s.keys.find(&unknown).await.unwrap(), None);
    ledger.assert_nothing("record_use").await;
}

pub(crate) async fn key_store_h_of_parallel_uses_the_latest_stands(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = stored(&cx, &s).await;
        race(cx.rounds.tasks, |task| {
            let (s, id) = (s.clone(), record.id.clone());
            let at = NOW + Duration::from_secs(u64::try_from(task).expect("it fits"));
            async move { s.keys.record_use(&[(id, at)]).await.unwrap() }
        })
        .await;
        let last = u64::try_from(cx.rounds.tasks - 1).expect("it fits");
        let latest = NOW + Duration::from_secs(last);
        assert_eq!(standing(&s, &record).await.last_used_at, Some(latest));
    }
}

///
pub(crate) async fn key_store_j_another_tenants_key_is_not_found(cx: Context) {
    let s = cx.fresh().await;
    for foreign in hostile::tenants() {
        let record = stored(&cx, &s).await;
        let seen = ApiKeyRecord {
            tenant: foreign.clone(),
            ..record.clone()
        };
        let mut ledger = Ledger::open(&s, &foreign).await;
        assert_eq!(s.keys.find_in(&foreign, &record.id).await.unwrap(), None);
        let successor = cx.fixtures.successor_of(&seen);
        let event = cx.fixtures.event(&foreign, AuditAction::ApiKeyRotated);
        let rotated = s
            .keys
            .rotate(&foreign, &record.id, successor.clone(), NOW, NOW, event)
            .await;
        assert_eq!(rotated.unwrap(), RotateKeyOutcome::NotFound);
        assert_eq!(s.keys.find(&successor.id).await.unwrap(), None);
        assert_eq!(disable(&cx, &s, &seen).await, KeyChangeOutcome::NotFound);
        assert_eq!(enable(&cx, &s, &seen).await, KeyChangeOutcome::NotFound);
        assert_eq!(revoke(&cx, &s, &seen).await, KeyChangeOutcome::NotFound);
        assert_eq!(standing(&s, &record).await, record);
        ledger
            .assert_nothing("calls about another tenant's key")
            .await;
    }
}
