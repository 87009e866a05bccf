//! F, G and I: revoking, disabling, enabling and purging.

use fountain_core::Timestamp;
use fountain_core::api_key::{ApiKeyRecord, KeyChangeOutcome};
use fountain_core::audit::AuditAction;

use super::{disable, enable, revoke, standing, store, stored};
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::race::{count, drop_after, race};

pub(crate) async fn key_store_f_revoke_is_for_good_and_keeps_its_first_time(cx: Context) {
    let s = cx.fresh().await;
    let (record, bystander) = (stored(&cx, &s).await, stored(&cx, &s).await);
    assert_eq!(revoke(&cx, &s, &record).await, KeyChangeOutcome::Changed);
    let revoked = ApiKeyRecord {
        revoked_at: Some(NOW),
        ..record.clone()
    };
    assert_eq!(standing(&s, &record).await, revoked);
    for at in [NOW - DAY, NOW, NOW + DAY] {
        let event = cx
            .fixtures
            .event(&record.tenant, AuditAction::ApiKeyRevoked);
        let again = s.keys.revoke(&record.tenant, &record.id, at, event).await;
        assert_eq!(again.unwrap(), KeyChangeOutcome::Unchanged);
        assert_eq!(standing(&s, &record).await, revoked);
    }
    assert_eq!(standing(&s, &bystander).await, bystander);
}

pub(crate) async fn key_store_f_of_parallel_revocations_exactly_one_changes_the_key(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = stored(&cx, &s).await;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, record) = (s.clone(), record.clone());
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::ApiKeyRevoked);
            async move {
                s.keys
                    .revoke(&record.tenant, &record.id, NOW, event)
                    .await
                    .unwrap()
            }
        })
        .await;
        let changed = count(&outcomes, |outcome| *outcome == KeyChangeOutcome::Changed);
        let unchanged = count(&outcomes, |outcome| *outcome == KeyChangeOutcome::Unchanged);
        assert_eq!((changed, unchanged), (1, outcomes.len() - 1));
        assert_eq!(ledger.events().await.len(), 1, "events of one revocation");
    }
}

pub(crate) async fn key_store_f_disable_and_enable_are_idempotent_and_keep_the_first_time(
    cx: Context,
) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    assert_eq!(enable(&cx, &s, &record).await, KeyChangeOutcome::Unchanged);
    assert_eq!(standing(&s, &record).await, record);
    let disabled = ApiKeyRecord {
        disabled_at: Some(NOW),
        ..record.clone()
    };
    assert_eq!(disable(&cx, &s, &record).await, KeyChangeOutcome::Changed);
    assert_eq!(standing(&s, &record).await, disabled);
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::ApiKeyDisabled);
    let later = s
        .keys
        .disable(&record.tenant, &record.id, NOW + DAY, event)
        .await;
    assert_eq!(later.unwrap(), KeyChangeOutcome::Unchanged);
    assert_eq!(standing(&s, &record).await, disabled);
    assert_eq!(enable(&cx, &s, &record).await, KeyChangeOutcome::Changed);
    assert_eq!(standing(&s, &record).await, record);
    assert_eq!(enable(&cx, &s, &record).await, KeyChangeOutcome::Unchanged);
}

pub(crate) async fn key_store_f_a_revoked_key_is_neither_disabled_nor_enabled(cx: Context) {
    let s = cx.fresh().await;
    let (record, disabled) = (stored(&cx, &s).await, stored(&cx, &s).await);
    disable(&cx, &s, &disabled).await;
    for record in [&record, &disabled] {
        assert_eq!(revoke(&cx, &s, record).await, KeyChangeOutcome::Changed);
        let revoked = standing(&s, record).await;
        assert_eq!(disable(&cx, &s, record).await, KeyChangeOutcome::Unchanged);
        assert_eq!(standing(&s, record).await, revoked);
        assert_eq!(enable(&cx, &s, record).await, KeyChangeOutcome::Unchanged);
        assert_eq!(standing(&s, record).await, revoked);
    }
}

///
pub(crate) async fn key_store_g_a_call_that_changes_nothing_records_nothing(cx: Context) {
    let s = cx.fresh().await;
    let enabled = stored(&cx, &s).await;
    let unknown = cx.fixtures.api_key(&enabled.tenant);
    let mut ledger = Ledger::open(&s, &enabled.tenant).await;
    assert_eq!(enable(&cx, &s, &enabled).await, KeyChangeOutcome::Unchanged);
    ledger.assert_nothing("enabling an enabled key").await;
    assert_eq!(disable(&cx, &s, &unknown).await, KeyChangeOutcome::NotFound);
    assert_eq!(enable(&cx, &s, &unknown).await, KeyChangeOutcome::NotFound);
    assert_eq!(revoke(&cx, &s, &unknown).await, KeyChangeOutcome::NotFound);
    ledger.assert_nothing("a call about an unknown key").await;

    let revoked = cx.fixtures.api_key(&enabled.tenant);
    store(&cx, &s, &revoked).await;
    revoke(&cx, &s, &revoked).await;
    let mut ledger = Ledger::open(&s, &enabled.tenant).await;
    assert_eq!(
        disable(&cx, &s, &revoked).await,
        KeyChangeOutcome::Unchanged
    );
    assert_eq!(enable(&cx, &s, &revoked).await, KeyChangeOutcome::Unchanged);
    assert_eq!(revoke(&cx, &s, &revoked).await, KeyChangeOutcome::Unchanged);
    ledger.assert_nothing("a call about a revoked key").await;
    assert_eq!(s.keys.purge(NOW + TICK, 10).await.unwrap(), 1);
    ledger.assert_nothing("a purge").await;
}

/// Stores a key that ended one microsecond before `NOW`, at it and behind it.
async fn three_around_now(
    cx: &Context,
    s: &Stores,
    end: impl Fn(&mut ApiKeyRecord, Timestamp),
) -> [ApiKeyRecord; 3] {
    let tenant = cx.fixtures.tenant();
    let records = [NOW - TICK, NOW, NOW + TICK].map(|at| {
        let mut record = cx.fixtures.api_key(&tenant);
        end(&mut record, at);
        record
    });
    for record in &records {
        store(cx, s, record).await;
    }
    records
}

///
pub(crate) async fn key_store_i_purge_removes_what_ended_before_the_instant_and_nothing_else(
    cx: Context,
) {
    type End = fn(&mut ApiKeyRecord, Timestamp);
    let ends: [(&str, End); 5] = [
        ("expires_at", |record, at| record.expires_at = at),
        ("superseded_at", |record, at| {
            record.superseded_at = Some(at)
        }),
        ("revoked_at", |record, at| record.revoked_at = Some(at)),
        (
            "the earlier of superseded_at and revoked_at",
            |record, at| {
                (record.superseded_at, record.revoked_at) = (Some(at + DAY), Some(at));
            },
        ),
        (
            "expires_at, which is earlier than the others",
            |record, at| {
                record.expires_at = at;
                (record.superseded_at, record.revoked_at) = (Some(at + DAY), Some(at + DAY));
            },
        ),
    ];
    for (what, end) in ends {
        let s = cx.fresh().await;
        let live = stored(&cx, &s).await;
        let disabled = stored(&cx, &s).await;
        disable(&cx, &s, &disabled).await;
        let [before, at, after] = three_around_now(&cx, &s, end).await;
        assert_eq!(s.keys.purge(NOW, 1000).await.unwrap(), 1, "{what}");
        assert_eq!(s.keys.find(&before.id).await.unwrap(), None, "{what}");
        assert_eq!(
            s.keys.find_in(&before.tenant, &before.id).await.unwrap(),
            None
        );
        for kept in [&live, &disabled, &at, &after] {
            assert!(
                s.keys.find(&kept.id).await.unwrap().is_some(),
                "{what}: purged too early"
            );
        }
        let page = s.keys.page(&before.tenant, None, 10).await.unwrap();
        assert_eq!(page.items.len(), 2, "{what}");
        assert_eq!(s.keys.purge(NOW, 1000).await.unwrap(), 0, "{what}");
    }
}

/// Ends that a key got after it was stored count as well.
pub(crate) async fn key_store_i_purge_sees_a_key_that_was_revoked_or_rotated_since(cx: Context) {
    let s = cx.fresh().await;
    let (revoked, rotated) = (stored(&cx, &s).await, stored(&cx, &s).await);
    revoke(&cx, &s, &revoked).await;
    let successor = cx.fixtures.successor_of(&rotated);
    let event = cx
        .fixtures
        .event(&rotated.tenant, AuditAction::ApiKeyRotated);
    let (tenant, id) = (&rotated.tenant, &rotated.id);
    s.keys
        .rotate(tenant, id, successor.clone(), NOW, NOW - TICK, event)
        .await
        .unwrap();
    assert_eq!(s.keys.purge(NOW, 10).await.unwrap(), 0);
    assert_eq!(s.keys.purge(NOW + TICK, 10).await.unwrap(), 2);
    assert_eq!(standing(&s, &successor).await, successor);
}

///
pub(crate) async fn key_store_i_purge_stops_at_its_limit_and_says_how_many(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..3 {
        three_around_now(&cx, &s, |record, at| record.expires_at = at - DAY).await;
    }
    for removed in [4, 4, 1, 0] {
        assert_eq!(s.keys.purge(NOW, 4).await.unwrap(), removed);
    }
}

/// a key is gone from the look-up and from the pages, or from neither.
pub(crate) async fn key_store_i_a_dropped_purge_leaves_each_key_whole_or_gone(cx: Context) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls {
        let live = stored(&cx, &s).await;
        let end = |record: &mut ApiKeyRecord, at| record.expires_at = at - DAY;
        let ended = three_around_now(&cx, &s, end).await;
        drop_after(polls, s.keys.purge(NOW, 1000)).await;
        for record in &ended {
            // A purge may still be under way, and only takes away: what is gone stays gone.
            let early = s.keys.find(&record.id).await.unwrap().is_some();
            let page = s.keys.page(&record.tenant, None, 10).await.unwrap();
            let listed = page.items.contains(record);
            let late = s.keys.find(&record.id).await.unwrap().is_some();
            assert!(early || !listed, "a key that is not found is on a page");
            assert!(listed || !late, "a key that is found is on no page");
            let by_digest = s.keys.find_by_digest(&record.digest).await.unwrap();
            let still = s.keys.find(&record.id).await.unwrap().is_some();
            assert!(late || by_digest.is_none(), "found by its digest alone");
            assert!(by_digest.is_some() || !still, "found by its id alone");
        }
        s.keys.purge(NOW, 1000).await.unwrap();
        for record in &ended {
            assert_eq!(
                s.keys.find(&record.id).await.unwrap(),
                None,
                "after {polls} polls"
            );
            assert_eq!(
                s.keys.find_by_digest(&record.digest).await.unwrap(),
                None,
                "after {polls} polls"
            );
        }
        assert_eq!(standing(&s, &live).await, live);
    }
}
