//! `record_all`: a batch is one step.

use fountain_core::audit::{AuditAction, AuditEvent, MAX_BATCH};
use fountain_core::{Actor, StoreErrorKind, Tenant};
use tokio::task::yield_now;

use super::{event, events, read};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};
use crate::race::{drop_after, race};

fn batch(cx: &Context, tenant: &Tenant, count: usize) -> Vec<AuditEvent> {
    (0..count).map(|_| event(cx, tenant)).collect()
}

/// Events of two tenants in turn, of every action, whose own times do not rise.
pub(crate) async fn audit_store_e_a_batch_is_recorded_as_given_in_its_order_for_each_tenant(
    cx: Context,
) {
    let s = cx.fresh().await;
    let tenants = [cx.fixtures.tenant(), cx.fixtures.tenant()];
    let first = event(&cx, &tenants[0]);
    s.audit.record(first.clone()).await.unwrap();
    let mut recorded = [vec![first], Vec::new()];
    let mut given = Vec::new();
    for (at, action) in (0_u32..).zip(AuditAction::ALL) {
        let which = usize::from(at % 3 == 0);
        let event = AuditEvent {
            at: NOW - at % 5 * TICK,
            ..cx.fixtures.event(&tenants[which], *action)
        };
        recorded[which].push(event.clone());
        given.push(event);
    }
    s.audit.record_all(given).await.unwrap();
    let last = event(&cx, &tenants[1]);
    s.audit.record(last.clone()).await.unwrap();
    recorded[1].push(last);

    let mut places = Vec::new();
    for (tenant, recorded) in tenants.iter().zip(recorded) {
        let found = read(&s, tenant, None, 7).await;
        places.extend(found.iter().map(|(sequence, _)| *sequence));
        assert_eq!(events(found), recorded);
    }
    places.sort_unstable();
    let count = places.len();
    places.dedup();
    assert_eq!(places.len(), count, "a place was given to two tenants");
}

/// what is recorded already, by itself, in another batch or earlier in this one, stays as it is.
pub(crate) async fn audit_store_e_an_id_that_comes_again_is_recorded_once(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let [alone, first, second, third] = [(); 4].map(|()| event(&cx, &tenant));
    let changed = |event: &AuditEvent| AuditEvent {
        actor: Actor::Anonymous,
        at: NOW + DAY,
        ..event.clone()
    };
    s.audit.record(alone.clone()).await.unwrap();
    let batch = vec![
        first.clone(),
        changed(&alone),
        second.clone(),
        changed(&first),
    ];
    s.audit.record_all(batch.clone()).await.unwrap();
    let expected = [alone, first, second.clone()];
    let before = read(&s, &tenant, None, 10).await;
    assert_eq!(events(before.clone()), expected);

    s.audit.record_all(batch).await.unwrap();
    assert_eq!(read(&s, &tenant, None, 10).await, before);
    // Nor does what is known keep the rest away, even when it belongs to another tenant.
    let moved = AuditEvent {
        tenant: cx.fixtures.tenant(),
        ..changed(&second)
    };
    let elsewhere = moved.tenant.clone();
    s.audit
        .record_all(vec![moved, third.clone()])
        .await
        .unwrap();
    let mut expected = expected.to_vec();
    expected.push(third);
    assert_eq!(events(read(&s, &tenant, None, 10).await), expected);
    assert_eq!(read(&s, &elsewhere, None, 10).await, []);
}

/// a batch that is sent again while it is still under way.
pub(crate) async fn audit_store_e_parallel_batches_of_the_same_events_are_one(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(10) {
        let tenant = cx.fixtures.tenant();
        let given = batch(&cx, &tenant, 5);
        race(cx.rounds.tasks, |_| {
            let (s, given) = (s.clone(), given.clone());
            async move { s.audit.record_all(given).await.unwrap() }
        })
        .await;
        assert_eq!(events(read(&s, &tenant, None, 10).await), given);
    }
}

/// no reader sees a part of a batch, whichever its tenant.
pub(crate) async fn audit_store_e_a_batch_is_never_seen_in_part(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(10) {
        let tenants = [cx.fixtures.tenant(), cx.fixtures.tenant()];
        let mut given = batch(&cx, &tenants[0], 10);
        given.extend(batch(&cx, &tenants[1], 10));
        let writing = tokio::spawn({
            let s = s.clone();
            async move { s.audit.record_all(given).await.unwrap() }
        });
        loop {
            yield_now().await;
            let last = writing.is_finished();
            // The first tenant's are recorded first: once one of the second's is seen, all of the first's are there.
            let second = read(&s, &tenants[1], None, 100).await.len();
            let first = read(&s, &tenants[0], None, 100).await.len();
            assert!(
                matches!((first, second), (0 | 10, 0) | (10, 10)),
                "{first} and {second} of 10 and 10 are seen"
            );
            if last {
                assert_eq!((first, second), (10, 10));
                break;
            }
        }
        writing.await.expect("recording does not panic");
    }
}

///
pub(crate) async fn audit_store_e_a_dropped_batch_is_there_whole_or_not_at_all(cx: Context) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls {
        let tenant = cx.fixtures.tenant();
        let given = batch(&cx, &tenant, 10);
        let ended = drop_after(polls, s.audit.record_all(given.clone())).await;
        let found = events(read(&s, &tenant, None, 100).await);
        assert!(
            found == given || found.is_empty(),
            "{} of 10 are recorded after {polls} polls",
            found.len()
        );
        assert!(
            ended.is_none() || !found.is_empty(),
            "recorded, and not in the trail"
        );
        s.audit.record_all(given.clone()).await.unwrap();
        assert_eq!(events(read(&s, &tenant, None, 100).await), given);
    }
}

pub(crate) async fn audit_store_e_a_batch_holds_none_to_a_thousand_events(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    s.audit.record_all(Vec::new()).await.unwrap();
    let mut given = batch(&cx, &tenant, MAX_BATCH + 1);
    let refused = s.audit.record_all(given.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::TooMany);
    assert!(!refused.is_retryable());
    assert_eq!(read(&s, &tenant, None, 1000).await, []);

    let last = given.pop().unwrap();
    s.audit.record_all(given.clone()).await.unwrap();
    s.audit.record_all(vec![last.clone()]).await.unwrap();
    given.push(last);
    assert_eq!(events(read(&s, &tenant, None, 1000).await), given);
}
