//! D and E: rotation.

use fountain_core::api_key::{ApiKeyRecord, KeyChangeOutcome, RotateKeyOutcome};
use fountain_core::audit::AuditAction;
use fountain_core::{StoreErrorKind, Timestamp};

use super::{disable, revoke, standing, store, stored};
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::race::race;

/// Rotates `record` to `successor`, both to work until `NOW + DAY`, at `now`.
async fn rotate(
    cx: &Context,
    s: &Stores,
    record: &ApiKeyRecord,
    successor: &ApiKeyRecord,
    now: Timestamp,
) -> RotateKeyOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ApiKeyRotated);
    let (tenant, id) = (&record.tenant, &record.id);
    s.keys
        .rotate(tenant, id, successor.clone(), NOW + DAY, now, event)
        .await
        .unwrap()
}

/// Rotates, and demands that nothing happens but this answer.
async fn assert_refused(
    cx: &Context,
    s: &Stores,
    record: &ApiKeyRecord,
    now: Timestamp,
    expected: RotateKeyOutcome,
) {
    let mut ledger = Ledger::open(s, &record.tenant).await;
    let before = standing(s, record).await;
    let successor = cx.fixtures.successor_of(record);
    assert_eq!(rotate(cx, s, record, &successor, now).await, expected);
    assert_eq!(standing(s, record).await, before);
    assert_eq!(s.keys.find(&successor.id).await.unwrap(), None);
    ledger.assert_nothing("a rotation that was refused").await;
}

///
pub(crate) async fn key_store_d_rotate_inserts_the_successor_and_dates_the_predecessor(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (record, bystander) = (stored(&cx, &s).await, stored(&cx, &s).await);
    let successor = cx.fixtures.successor_of(&record);
    let superseded_at = NOW + DAY;
    assert_eq!(
        rotate(&cx, &s, &record, &successor, NOW).await,
        RotateKeyOutcome::Rotated { superseded_at }
    );
    let dated = ApiKeyRecord {
        successor: Some(successor.id.clone()),
        superseded_at: Some(superseded_at),
        ..record.clone()
    };
    assert_eq!(standing(&s, &record).await, dated);
    assert_eq!(standing(&s, &successor).await, successor);
    assert_eq!(standing(&s, &bystander).await, bystander);

    // The successor is a key like any other.
    let next = cx.fixtures.successor_of(&successor);
    assert_eq!(
        rotate(&cx, &s, &successor, &next, NOW).await,
        RotateKeyOutcome::Rotated { superseded_at }
    );
}

///
pub(crate) async fn key_store_d_the_predecessor_never_works_longer_than_its_own_expiry(
    cx: Context,
) {
    let s = cx.fresh().await;
    for (expires_at, superseded_at) in [
        (NOW + DAY - TICK, NOW + DAY - TICK),
        (NOW + DAY, NOW + DAY),
        (NOW + DAY + TICK, NOW + DAY),
    ] {
        let record = ApiKeyRecord {
            expires_at,
            ..cx.fixtures.api_key(&cx.fixtures.tenant())
        };
        store(&cx, &s, &record).await;
        let successor = cx.fixtures.successor_of(&record);
        assert_eq!(
            rotate(&cx, &s, &record, &successor, NOW).await,
            RotateKeyOutcome::Rotated { superseded_at }
        );
        assert_eq!(
            standing(&s, &record).await.superseded_at,
            Some(superseded_at)
        );
    }
}

///
pub(crate) async fn key_store_d_of_parallel_rotations_exactly_one_wins(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = stored(&cx, &s).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, record) = (s.clone(), record.clone());
            let successor = cx.fixtures.successor_of(&record);
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::ApiKeyRotated);
            async move {
                let id = successor.id.clone();
                let outcome = s
                    .keys
                    .rotate(&record.tenant, &record.id, successor, NOW + DAY, NOW, event)
                    .await;
                (outcome.unwrap(), id)
            }
        })
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .partition(|(outcome, _)| matches!(outcome, RotateKeyOutcome::Rotated { .. }));
        assert_eq!(won.len(), 1, "that many rotations of one key won");
        let winner = &won[0].1;
        for (outcome, loser) in lost {
            let successor = winner.clone();
            assert_eq!(outcome, RotateKeyOutcome::AlreadyRotated { successor });
            assert_eq!(
                s.keys.find(&loser).await.unwrap(),
                None,
                "a loser's key is stored"
            );
        }
        assert_eq!(standing(&s, &record).await.successor.as_ref(), Some(winner));
        assert!(
            s.keys.find(winner).await.unwrap().is_some(),
            "the winner's key is missing"
        );
    }
}

/// L-03
pub(crate) async fn key_store_d_a_second_rotation_names_the_key_that_stands(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let successor = cx.fixtures.successor_of(&record);
    rotate(&cx, &s, &record, &successor, NOW).await;
    let standing = RotateKeyOutcome::AlreadyRotated {
        successor: successor.id.clone(),
    };
    assert_refused(&cx, &s, &record, NOW, standing.clone()).await;
    // the same call again, after an answer that was lost.
    assert_eq!(rotate(&cx, &s, &record, &successor, NOW).await, standing);
}

pub(crate) async fn key_store_d_nothing_happens_when_the_successors_id_exists(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let ours = cx.fixtures.api_key(&record.tenant);
    store(&cx, &s, &ours).await;
    let theirs = stored(&cx, &s).await;
    for taken in [&ours, &theirs, &record] {
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        let successor = ApiKeyRecord {
            id: taken.id.clone(),
            ..cx.fixtures.successor_of(&record)
        };
        assert_eq!(
            rotate(&cx, &s, &record, &successor, NOW).await,
            RotateKeyOutcome::AlreadyPresent
        );
        assert_eq!(standing(&s, &record).await, record);
        assert_eq!(standing(&s, taken).await, *taken);
        ledger
            .assert_nothing("a rotation to an id that exists")
            .await;
    }
}

pub(crate) async fn key_store_e_rotate_refuses_a_key_from_the_microsecond_of_its_expiry_on(
    cx: Context,
) {
    let s = cx.fresh().await;
    for at in [NOW, NOW + TICK, NOW + DAY] {
        let record = ApiKeyRecord {
            expires_at: NOW,
            ..cx.fixtures.api_key(&cx.fixtures.tenant())
        };
        store(&cx, &s, &record).await;
        assert_refused(&cx, &s, &record, at, RotateKeyOutcome::NotActive).await;
        let successor = cx.fixtures.successor_of(&record);
        assert_eq!(
            rotate(&cx, &s, &record, &successor, NOW - TICK).await,
            RotateKeyOutcome::Rotated { superseded_at: NOW },
            "one microsecond before"
        );
    }
}

pub(crate) async fn key_store_e_rotate_refuses_a_revoked_and_a_disabled_key(cx: Context) {
    let s = cx.fresh().await;
    let (revoked, disabled) = (stored(&cx, &s).await, stored(&cx, &s).await);
    assert_eq!(revoke(&cx, &s, &revoked).await, KeyChangeOutcome::Changed);
    assert_eq!(disable(&cx, &s, &disabled).await, KeyChangeOutcome::Changed);
    for record in [&revoked, &disabled] {
        // Whatever the time says: the states were set at NOW.
        for at in [NOW - TICK, NOW, NOW + TICK] {
            assert_refused(&cx, &s, record, at, RotateKeyOutcome::NotActive).await;
        }
    }
}

pub(crate) async fn key_store_e_the_checks_of_rotate_come_in_order(cx: Context) {
    let s = cx.fresh().await;
    let taken = stored(&cx, &s).await;
    let to_taken = |record: &ApiKeyRecord| ApiKeyRecord {
        id: taken.id.clone(),
        ..cx.fixtures.successor_of(record)
    };

    let unknown = cx.fixtures.api_key(&cx.fixtures.tenant());
    let outcome = rotate(&cx, &s, &unknown, &to_taken(&unknown), NOW).await;
    assert_eq!(
        outcome,
        RotateKeyOutcome::NotFound,
        "before an id that exists"
    );

    let inactive = stored(&cx, &s).await;
    disable(&cx, &s, &inactive).await;
    let outcome = rotate(&cx, &s, &inactive, &to_taken(&inactive), NOW).await;
    assert_eq!(
        outcome,
        RotateKeyOutcome::NotActive,
        "before an id that exists"
    );

    let rotated = stored(&cx, &s).await;
    let successor = cx.fixtures.successor_of(&rotated);
    rotate(&cx, &s, &rotated, &successor, NOW).await;
    revoke(&cx, &s, &rotated).await;
    let outcome = rotate(&cx, &s, &rotated, &to_taken(&rotated), rotated.expires_at).await;
    let standing = RotateKeyOutcome::AlreadyRotated {
        successor: successor.id,
    };
    assert_eq!(
        outcome, standing,
        "before a key that is not active any more"
    );
}

///
pub(crate) async fn key_store_k_a_successor_of_another_tenant_is_a_conflict_whatever_else_stands(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (record, rotated, inactive) = (
        stored(&cx, &s).await,
        stored(&cx, &s).await,
        stored(&cx, &s).await,
    );
    rotate(&cx, &s, &rotated, &cx.fixtures.successor_of(&rotated), NOW).await;
    disable(&cx, &s, &inactive).await;
    let unknown = cx.fixtures.api_key(&record.tenant);
    for named in [&record, &rotated, &inactive, &unknown] {
        let theirs = stored(&cx, &s).await;
        let new = ApiKeyRecord {
            tenant: theirs.tenant.clone(),
            ..cx.fixtures.successor_of(named)
        };
        let taken = ApiKeyRecord {
            id: theirs.id.clone(),
            ..new.clone()
        };
        let mut ours = Ledger::open(&s, &named.tenant).await;
        let mut others = Ledger::open(&s, &theirs.tenant).await;
        for successor in [&new, &taken] {
            let before = s.keys.find(&named.id).await.unwrap();
            let event = cx.fixtures.event(&named.tenant, AuditAction::ApiKeyRotated);
            let (tenant, id) = (&named.tenant, &named.id);
            let refused = s
                .keys
                .rotate(tenant, id, successor.clone(), NOW + DAY, NOW, event)
                .await
                .unwrap_err();
            assert_eq!(refused.kind(), StoreErrorKind::Conflict);
            assert_eq!(s.keys.find(&named.id).await.unwrap(), before);
        }
        assert_eq!(s.keys.find(&new.id).await.unwrap(), None);
        assert_eq!(standing(&s, &theirs).await, theirs);
        let what = "a rotation to another tenant's key";
        ours.assert_nothing(what).await;
        others.assert_nothing(what).await;
    }
}
