//! A, D and L: digests, by which keys are verified.

use fountain_core::Digest;
use fountain_core::api_key::{ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome, RotateKeyOutcome};
use fountain_core::audit::AuditAction;

use super::{by_digest, disable, enable, revoke, standing, store, stored};
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::race::race;

async fn rotate(
    cx: &Context,
    s: &Stores,
    record: &ApiKeyRecord,
    successor: &ApiKeyRecord,
) -> RotateKeyOutcome {
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ApiKeyRotated);
    s.keys
        .rotate(
            &record.tenant,
            &record.id,
            successor.clone(),
            NOW + DAY,
            NOW,
            event,
        )
        .await
        .unwrap()
}

/// B-54
pub(crate) async fn key_store_a_a_digest_that_exists_in_any_tenant_is_not_stored_again(
    cx: Context,
) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let foreign = cx.fixtures.tenant();
    for tenant in [&record.tenant, &foreign] {
        let mut ledger = Ledger::open(&s, tenant).await;
        let second = ApiKeyRecord {
            digest: record.digest,
            ..cx.fixtures.api_key(tenant)
        };
        let event = cx.fixtures.event(tenant, AuditAction::ApiKeyIssued);
        let outcome = s.keys.insert(second.clone(), event).await.unwrap();
        assert_eq!(outcome, InsertKeyOutcome::AlreadyPresent);
        assert_eq!(standing(&s, &record).await, record);
        assert_eq!(s.keys.find(&second.id).await.unwrap(), None);
        ledger.assert_nothing("an insert that was refused").await;
    }
    let page = s.keys.page(&foreign, None, 10).await.unwrap();
    assert!(page.items.is_empty());
}

///
pub(crate) async fn key_store_a_of_parallel_inserts_of_one_digest_exactly_one_is_stored(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let digest = cx.fixtures.digest();
        let outcomes = race(cx.rounds.tasks, |_| {
            let s = s.clone();
            let tenant = cx.fixtures.tenant();
            let event = cx.fixtures.event(&tenant, AuditAction::ApiKeyIssued);
            let record = ApiKeyRecord {
                digest,
                ..cx.fixtures.api_key(&tenant)
            };
            async move { (s.keys.insert(record.clone(), event).await.unwrap(), record) }
        })
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .partition(|(outcome, _)| *outcome == InsertKeyOutcome::Inserted);
        let [(_, winner)] = won.as_slice() else {
            panic!("{} inserts of one digest won", won.len());
        };
        assert_eq!(standing(&s, winner).await, *winner);
        for (_, loser) in lost {
            assert_eq!(s.keys.find(&loser.id).await.unwrap(), None);
        }
    }
}

pub(crate) async fn key_store_d_nothing_happens_when_the_successors_digest_exists(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let ours = cx.fixtures.api_key(&record.tenant);
    store(&cx, &s, &ours).await;
    let theirs = stored(&cx, &s).await;
    for taken in [&ours, &theirs, &record] {
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        let successor = ApiKeyRecord {
            digest: taken.digest,
            ..cx.fixtures.successor_of(&record)
        };
        assert_eq!(
            rotate(&cx, &s, &record, &successor).await,
            RotateKeyOutcome::AlreadyPresent
        );
        assert_eq!(standing(&s, &record).await, record);
        assert_eq!(standing(&s, taken).await, *taken);
        assert_eq!(s.keys.find(&successor.id).await.unwrap(), None);
        ledger
            .assert_nothing("a rotation to a digest that exists")
            .await;
    }
}

/// of different keys, so that nothing but the digest is in the way.
pub(crate) async fn key_store_d_of_parallel_rotations_to_one_digest_exactly_one_wins(cx: Context) {
    let s = cx.fresh().await;
    // Each needs a key of its own, which takes a store longer than the race.
    let tasks = cx.rounds.tasks.min(16);
    for _ in 0..cx.rounds.races {
        let digest = cx.fixtures.digest();
        let mut records = Vec::new();
        for _ in 0..tasks {
            records.push(stored(&cx, &s).await);
        }
        let outcomes = race(tasks, |task| {
            let (s, record) = (s.clone(), records[task].clone());
            let successor = ApiKeyRecord {
                digest,
                ..cx.fixtures.successor_of(&record)
            };
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::ApiKeyRotated);
            async move {
                let (tenant, id) = (&record.tenant, &record.id);
                let new = successor.clone();
                let outcome = s.keys.rotate(tenant, id, new, NOW + DAY, NOW, event).await;
                (outcome.unwrap(), record, successor)
            }
        })
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .partition(|(outcome, ..)| matches!(outcome, RotateKeyOutcome::Rotated { .. }));
        let [(_, _, winner)] = won.as_slice() else {
            panic!("{} rotations to one digest won", won.len());
        };
        assert_eq!(standing(&s, winner).await, *winner);
        for (outcome, record, successor) in lost {
            assert_eq!(outcome, RotateKeyOutcome::AlreadyPresent);
            assert_eq!(standing(&s, &record).await, record);
            assert_eq!(s.keys.find(&successor.id).await.unwrap(), None);
        }
    }
}

/// R-35, B-54
pub(crate) async fn key_store_l_find_by_digest_knows_every_tenant_and_exactly_this_digest(
    cx: Context,
) {
    let s = cx.fresh().await;
    let flipped = |digest: &Digest, place: usize, bits: u8| {
        let mut bytes = *digest.as_bytes();
        bytes[place] ^= bits;
        Digest::from_bytes(bytes)
    };
    let random = cx.fixtures.digest();
    let (zeros, ones) = (Digest::from_bytes([0; 32]), Digest::from_bytes([255; 32]));
    // The neighbours of some are stored and those of others are not.
    let digests = [random, flipped(&random, 31, 1), zeros, ones];
    let mut records = Vec::new();
    for digest in digests {
        let record = ApiKeyRecord {
            digest,
            ..cx.fixtures.api_key(&cx.fixtures.tenant())
        };
        store(&cx, &s, &record).await;
        records.push(record);
    }
    for record in &records {
        assert_eq!(by_digest(&s, record).await.as_ref(), Some(record));
        for (place, bits) in [(0, 0x80), (0, 1), (15, 0x10), (31, 2), (31, 0x80)] {
            let near = flipped(&record.digest, place, bits);
            assert_eq!(s.keys.find_by_digest(&near).await.unwrap(), None);
        }
    }
}

///
pub(crate) async fn key_store_l_a_key_is_found_by_its_digest_whatever_its_state(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let (unborn, expired) = (
        ApiKeyRecord {
            not_before: NOW + DAY,
            ..cx.fixtures.api_key(&tenant)
        },
        ApiKeyRecord {
            expires_at: NOW - DAY,
            ..cx.fixtures.api_key(&tenant)
        },
    );
    for record in [&unborn, &expired] {
        store(&cx, &s, record).await;
        assert_eq!(by_digest(&s, record).await.as_ref(), Some(record));
    }

    let record = stored(&cx, &s).await;
    let mut expected = record.clone();
    s.keys
        .record_use(&[(record.id.clone(), NOW)])
        .await
        .unwrap();
    expected.last_used_at = Some(NOW);
    assert_eq!(by_digest(&s, &record).await.as_ref(), Some(&expected));

    assert_eq!(disable(&cx, &s, &record).await, KeyChangeOutcome::Changed);
    expected.disabled_at = Some(NOW);
    assert_eq!(by_digest(&s, &record).await.as_ref(), Some(&expected));

    assert_eq!(enable(&cx, &s, &record).await, KeyChangeOutcome::Changed);
    expected.disabled_at = None;
    assert_eq!(by_digest(&s, &record).await.as_ref(), Some(&expected));

    assert_eq!(revoke(&cx, &s, &record).await, KeyChangeOutcome::Changed);
    expected.revoked_at = Some(NOW);
    assert_eq!(by_digest(&s, &record).await, Some(expected));
}

///
pub(crate) async fn key_store_l_of_a_rotation_each_key_is_found_by_its_own_digest(cx: Context) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    let successor = cx.fixtures.successor_of(&record);
    let superseded_at = NOW + DAY;
    assert_eq!(
        rotate(&cx, &s, &record, &successor).await,
        RotateKeyOutcome::Rotated { superseded_at }
    );
    let dated = ApiKeyRecord {
        successor: Some(successor.id.clone()),
        superseded_at: Some(superseded_at),
        ..record.clone()
    };
    assert_eq!(by_digest(&s, &record).await, Some(dated));
    assert_eq!(by_digest(&s, &successor).await, Some(successor));
}

///
pub(crate) async fn key_store_l_a_purged_key_is_not_found_by_its_digest_which_is_free_again(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (kept, inserted, parent) = (
        stored(&cx, &s).await,
        ApiKeyRecord {
            expires_at: NOW - TICK,
            ..cx.fixtures.api_key(&cx.fixtures.tenant())
        },
        stored(&cx, &s).await,
    );
    store(&cx, &s, &inserted).await;
    let rotated = ApiKeyRecord {
        expires_at: NOW - TICK,
        ..cx.fixtures.successor_of(&parent)
    };
    rotate(&cx, &s, &parent, &rotated).await;
    assert_eq!(s.keys.purge(NOW, 10).await.unwrap(), 2);
    for gone in [&inserted, &rotated] {
        assert_eq!(by_digest(&s, gone).await, None);
        let again = ApiKeyRecord {
            digest: gone.digest,
            ..cx.fixtures.api_key(&cx.fixtures.tenant())
        };
        store(&cx, &s, &again).await;
        assert_eq!(by_digest(&s, gone).await, Some(again));
    }
    assert_eq!(by_digest(&s, &kept).await, Some(kept));
}
