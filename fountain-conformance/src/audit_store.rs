//! `AuditStore`, sentence by sentence.

use std::collections::BTreeSet;

use fountain_core::audit::{AuditAction, AuditEvent, AuditSequence, Outcome};
use fountain_core::{Actor, Reason, Tenant, Timestamp};
use tokio::task::yield_now;

use crate::context::{Context, Stores};
use crate::fixtures::NOW;
use crate::hostile;
use crate::ledger::Ledger;
use crate::model::Walk;
use crate::race::race;

mod batches;

pub(crate) use batches::{
    audit_store_e_a_batch_holds_none_to_a_thousand_events,
    audit_store_e_a_batch_is_never_seen_in_part,
    audit_store_e_a_batch_is_recorded_as_given_in_its_order_for_each_tenant,
    audit_store_e_a_dropped_batch_is_there_whole_or_not_at_all,
    audit_store_e_an_id_that_comes_again_is_recorded_once,
    audit_store_e_parallel_batches_of_the_same_events_are_one,
};

fn event(cx: &Context, tenant: &Tenant) -> AuditEvent {
    cx.fixtures.event(tenant, AuditAction::Authenticated)
}

/// A tenant's events behind `after`, by pages of `limit`, each page as the contract wants it.
async fn read(
    s: &Stores,
    tenant: &Tenant,
    after: Option<AuditSequence>,
    limit: usize,
) -> Vec<(AuditSequence, AuditEvent)> {
    let mut all = Vec::new();
    let mut after = after;
    loop {
        let page = s.audit.page(tenant, after, limit).await.unwrap();
        assert!(
            page.items.len() <= limit,
            "{} events on a page of {limit}",
            page.items.len()
        );
        for item in page.items {
            assert!(after < Some(item.sequence), "the sequence does not rise");
            after = Some(item.sequence);
            all.push((item.sequence, item.event));
        }
        match page.next {
            None => return all,
            next => assert_eq!(next, after, "next is not the last one given"),
        }
    }
}

fn events(read: Vec<(AuditSequence, AuditEvent)>) -> Vec<AuditEvent> {
    read.into_iter().map(|(_, event)| event).collect()
}

///
pub(crate) async fn audit_store_a_record_keeps_the_event_as_given(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let mut recorded = Vec::new();
    for action in AuditAction::ALL {
        recorded.push(cx.fixtures.event(&tenant, *action));
    }
    for reason in Reason::ALL {
        recorded.push(event(&cx, &tenant).refused(*reason));
    }
    for actor in [
        Actor::Anonymous,
        Actor::ApiKey(cx.fixtures.key_id()),
        Actor::Subject(cx.fixtures.subject()),
    ] {
        recorded.push(AuditEvent {
            actor,
            ..event(&cx, &tenant)
        });
    }
    for at in [
        Timestamp::MIN,
        Timestamp::from_unix_seconds(0),
        Timestamp::MAX,
    ] {
        recorded.push(AuditEvent {
            at,
            ..event(&cx, &tenant)
        });
    }
    for subject in hostile::subjects() {
        let full = event(&cx, &tenant).target(subject.as_str(), subject.as_str());
        recorded.push(AuditEvent {
            actor: Actor::Subject(subject.clone()),
            request_id: Some(subject.to_string()),
            ..full
                .detail(subject.as_str(), subject.as_str())
                .detail("", "")
        });
    }
    for event in &recorded {
        s.audit.record(event.clone()).await.unwrap();
    }
    assert!(
        recorded
            .iter()
            .any(|event| event.outcome == Outcome::Refused)
    );
    assert_eq!(events(read(&s, &tenant, None, 100).await), recorded);
}

///
pub(crate) async fn audit_store_a_a_second_record_of_the_same_id_changes_nothing(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let (first, second) = (event(&cx, &tenant), event(&cx, &tenant));
    s.audit.record(first.clone()).await.unwrap();
    s.audit.record(second.clone()).await.unwrap();
    let before = read(&s, &tenant, None, 10).await;
    s.audit.record(first.clone()).await.unwrap();
    let changed = AuditEvent {
        actor: Actor::Anonymous,
        at: NOW + crate::fixtures::DAY,
        ..first
    };
    s.audit.record(changed).await.unwrap();
    assert_eq!(read(&s, &tenant, None, 10).await, before);
    assert_eq!(before.len(), 2);
}

///
pub(crate) async fn audit_store_a_parallel_records_of_the_same_id_are_one(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let tenant = cx.fixtures.tenant();
        let event = event(&cx, &tenant);
        race(cx.rounds.tasks, |_| {
            let (s, event) = (s.clone(), event.clone());
            async move { s.audit.record(event).await.unwrap() }
        })
        .await;
        assert_eq!(events(read(&s, &tenant, None, 10).await), [event]);
    }
}

///
pub(crate) async fn audit_store_a_a_dropped_record_is_there_whole_or_not_at_all(cx: Context) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls {
        let tenant = cx.fixtures.tenant();
        let event = event(&cx, &tenant);
        let ended = crate::race::drop_after(polls, s.audit.record(event.clone())).await;
        let found = events(read(&s, &tenant, None, 10).await);
        assert!(found.len() <= 1 && found.iter().all(|found| *found == event));
        assert!(
            ended.is_none() || found.len() == 1,
            "recorded, and not in the trail"
        );
        s.audit.record(event.clone()).await.unwrap();
        assert_eq!(events(read(&s, &tenant, None, 10).await), [event]);
    }
}

/// R-83, B-78
pub(crate) async fn audit_store_b_a_page_shows_the_events_of_one_tenant_only(cx: Context) {
    let s = cx.fresh().await;
    let tenants = hostile::tenants();
    let mut recorded = vec![Vec::new(); tenants.len()];
    for _ in 0..3 {
        for (tenant, recorded) in tenants.iter().zip(&mut recorded) {
            let event = event(&cx, tenant);
            s.audit.record(event.clone()).await.unwrap();
            recorded.push(event);
        }
    }
    for (tenant, recorded) in tenants.iter().zip(recorded) {
        assert_eq!(
            events(read(&s, tenant, None, 2).await),
            recorded,
            "{tenant}"
        );
    }
    assert_eq!(events(read(&s, &cx.fixtures.tenant(), None, 2).await), []);
}

/// The order is that of recording, whatever the events say of their own time.
pub(crate) async fn audit_store_b_the_sequence_rises_in_the_order_of_recording(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let mut recorded = Vec::new();
    for at in [3, 1, 2, 2, 0, 3, 1, 0, 2, 1] {
        let event = AuditEvent {
            at: NOW + at * crate::fixtures::TICK,
            ..event(&cx, &tenant)
        };
        s.audit.record(event.clone()).await.unwrap();
        recorded.push(event);
    }
    let all = read(&s, &tenant, None, 3).await;
    assert!(all[0].0 >= AuditSequence(1), "the first is 1 or later");
    assert_eq!(events(all), recorded);
}

/// A reader that goes on behind the last event that it saw, while writers record: it must see every event, so that
/// no event may turn up behind it.
pub(crate) async fn audit_store_b_a_reader_that_follows_the_trail_misses_nothing(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(50) {
        let tenant = cx.fixtures.tenant();
        let recorded: Vec<Vec<_>> = (0..8)
            .map(|_| (0..20).map(|_| event(&cx, &tenant)).collect())
            .collect();
        let expected: BTreeSet<_> = recorded
            .iter()
            .flatten()
            .map(|event| event.id.clone())
            .collect();
        let writing = tokio::spawn({
            let s = s.clone();
            async move {
                race(recorded.len(), |writer| {
                    let (s, events) = (s.clone(), recorded[writer].clone());
                    async move {
                        for event in events {
                            s.audit.record(event).await.unwrap();
                        }
                    }
                })
                .await
            }
        });
        let mut seen: Vec<(AuditSequence, AuditEvent)> = Vec::new();
        loop {
            yield_now().await;
            let last = writing.is_finished();
            let after = seen.last().map(|(sequence, _)| *sequence);
            seen.extend(read(&s, &tenant, after, 7).await);
            if last {
                break;
            }
        }
        writing.await.expect("writing does not panic");
        let ids: BTreeSet<_> = seen.iter().map(|(_, event)| event.id.clone()).collect();
        assert_eq!(ids.len(), seen.len(), "an event was given twice");
        let missed = expected.difference(&ids).count();
        assert_eq!(missed, 0, "events that turned up behind the reader");
    }
}

pub(crate) async fn audit_store_c_a_page_is_full_or_the_last_and_next_reaches_every_event(
    cx: Context,
) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let nothing = s.audit.page(&tenant, None, 1).await.unwrap();
    assert_eq!((nothing.items.len(), nothing.next), (0, None));
    let mut recorded = Vec::new();
    for _ in 0..10 {
        let event = event(&cx, &tenant);
        s.audit.record(event.clone()).await.unwrap();
        // Another tenant's, in between.
        s.audit
            .record(self::event(&cx, &cx.fixtures.tenant()))
            .await
            .unwrap();
        recorded.push(event);
    }
    for limit in [1, 2, 3, 5, 9, 10, 11, 1000] {
        let page = s.audit.page(&tenant, None, limit).await.unwrap();
        assert_eq!(page.items.len(), limit.min(10), "by {limit}");
        assert_eq!(page.next.is_none(), limit >= 10, "by {limit}");
        assert_eq!(
            events(read(&s, &tenant, None, limit).await),
            recorded,
            "by {limit}"
        );
    }
    let all = read(&s, &tenant, None, 1000).await;
    for (at, (sequence, _)) in all.iter().enumerate() {
        assert_eq!(read(&s, &tenant, Some(*sequence), 4).await, all[at + 1..]);
    }
}

/// a random walk through every mutating call; the trail is the events of the calls that said that they changed
/// something, in their order.
pub(crate) async fn audit_store_d_the_trail_holds_the_events_of_what_changed_and_no_others(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.sequences.div_ceil(3) {
        let walk = Walk::new(&cx);
        let ledger = Ledger::open(&s, walk.tenant()).await;
        let mut expected = Vec::new();
        for operation in walk.operations(40) {
            expected.extend(operation.run(&s).await.events);
        }
        let expected: Vec<_> = expected
            .into_iter()
            .filter(|e| e.tenant == *walk.tenant())
            .collect();
        assert_eq!(ledger.events().await, expected);
    }
}
