//! `ChangeFeed`, sentence by sentence. That each call appends what it must is tried with the other traits.

use std::collections::BTreeSet;

use fountain_core::audit::{AuditAction, AuditEvent};
use fountain_core::change::{Change, ChangeCursor, RecordedChange, RevocationKey};
use fountain_core::token::Revocation;
use fountain_core::{Tenant, Timestamp};
use tokio::task::yield_now;

use crate::context::{Context, Stores};
use crate::fixtures::{NOW, TICK};
use crate::ledger::what_changed;
use crate::model::Walk;
use crate::race::race;

/// Makes one change; gives what must be in the feed.
async fn change(cx: &Context, s: &Stores) -> Change {
    change_at(cx, s, NOW).await.change
}

/// Makes one change, with an event of this time.
async fn change_at(cx: &Context, s: &Stores, at: Timestamp) -> RecordedChange {
    let key = RevocationKey::Token {
        issuer: cx.fixtures.issuer(),
        id: cx.fixtures.token_id(),
    };
    let event = cx
        .fixtures
        .event(&Tenant::default(), AuditAction::TokenRevoked);
    s.revocations
        .revoke(
            cx.fixtures.revocation(key.clone()),
            AuditEvent { at, ..event },
        )
        .await
        .unwrap();
    RecordedChange {
        change: Change::Revocation { key },
        at: Some(at),
    }
}

async fn changes(cx: &Context, s: &Stores, count: usize) -> Vec<Change> {
    let mut changes = Vec::with_capacity(count);
    for _ in 0..count {
        changes.push(change(cx, s).await);
    }
    changes
}

/// The feed behind a cursor to its end, by batches of `limit`, and where it ends.
async fn read(s: &Stores, cursor: ChangeCursor, limit: usize) -> (Vec<Change>, ChangeCursor) {
    let (entries, cursor) = read_entries(s, cursor, limit).await;
    (what_changed(entries), cursor)
}

/// The same, with the times of the changes.
async fn read_entries(
    s: &Stores,
    cursor: ChangeCursor,
    limit: usize,
) -> (Vec<RecordedChange>, ChangeCursor) {
    let mut all = Vec::new();
    let mut cursor = cursor;
    loop {
        let batch = s.feed.since(cursor, limit).await.unwrap();
        assert!(!batch.gap, "a gap behind a cursor of this feed");
        assert!(
            batch.changes.len() <= limit,
            "{} changes of {limit}",
            batch.changes.len()
        );
        assert!(batch.cursor >= cursor, "the cursor went back");
        assert_eq!(
            batch.cursor == cursor,
            batch.changes.is_empty(),
            "cursor and changes disagree"
        );
        cursor = batch.cursor;
        let full = batch.changes.len() == limit;
        all.extend(batch.changes);
        if !full {
            return (all, cursor);
        }
    }
}

/// L-13: followers read on behind their own cursor while writers make changes. None may miss one, so that no change
/// may become visible behind a cursor that was given.
pub(crate) async fn change_feed_a_a_reader_never_misses_what_becomes_visible_later(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(50) {
        let start = s.feed.head().await.unwrap();
        let work: Vec<Vec<_>> = (0..8)
            .map(|_| {
                (0..20)
                    .map(|_| {
                        let (issuer, id) = (cx.fixtures.issuer(), cx.fixtures.token_id());
                        let revocation =
                            cx.fixtures.revocation(RevocationKey::Token { issuer, id });
                        let event = cx
                            .fixtures
                            .event(&Tenant::default(), AuditAction::TokenRevoked);
                        (revocation, event)
                    })
                    .collect()
            })
            .collect();
        let expected: BTreeSet<_> = work
            .iter()
            .flatten()
            .map(|(made, _)| made.key.clone())
            .collect();
        let writing = tokio::spawn({
            let s = s.clone();
            async move {
                race(work.len(), |writer| {
                    let (s, work) = (s.clone(), work[writer].clone());
                    async move {
                        for (revocation, event) in work {
                            s.revocations.revoke(revocation, event).await.unwrap();
                        }
                    }
                })
                .await
            }
        });
        let (mut seen, mut cursor) = (Vec::new(), start);
        loop {
            yield_now().await;
            let last = writing.is_finished();
            let (more, reached) = read(&s, cursor, 7).await;
            (cursor, _) = (reached, seen.extend(more));
            if last {
                break;
            }
        }
        writing.await.expect("writing does not panic");
        let keys: BTreeSet<_> = seen.iter().filter_map(revoked).collect();
        assert_eq!(keys.len(), seen.len(), "a change was given twice");
        assert_eq!(keys, expected, "a change became visible behind the reader");
    }
}

fn revoked(change: &Change) -> Option<RevocationKey> {
    match change {
        Change::Revocation { key } => Some(key.clone()),
        _ => None,
    }
}

/// a random walk through every mutating call; the feed is the changes of the calls that said that they changed
/// something, in their order.
pub(crate) async fn change_feed_b_changes_come_in_the_order_in_which_they_took_effect(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.sequences.div_ceil(3) {
        let start = s.feed.head().await.unwrap();
        let mut expected = Vec::new();
        for operation in Walk::new(&cx).operations(40) {
            expected.extend(operation.run(&s).await.change);
        }
        for limit in [1, 7, 1000] {
            assert_eq!(read(&s, start, limit).await.0, expected, "by {limit}");
        }
    }
}

pub(crate) async fn change_feed_b_a_batch_is_full_or_the_last_and_its_cursor_reads_on_behind_it(
    cx: Context,
) {
    let s = cx.fresh().await;
    let start = s.feed.head().await.unwrap();
    let made = changes(&cx, &s, 10).await;
    for limit in [1, 2, 3, 5, 9, 10, 11, 1000] {
        let batch = s.feed.since(start, limit).await.unwrap();
        assert_eq!(
            what_changed(batch.changes),
            made[..limit.min(10)],
            "by {limit}"
        );
        assert_eq!(read(&s, start, limit).await.0, made, "by {limit}");
    }
    // From every place in between.
    let mut cursor = start;
    for (at, change) in made.iter().enumerate() {
        let batch = s.feed.since(cursor, 1).await.unwrap();
        assert_eq!(what_changed(batch.changes), std::slice::from_ref(change));
        cursor = batch.cursor;
        assert_eq!(read(&s, cursor, 1000).await.0, made[at + 1..]);
    }
}

/// Several readers each see every change: reading takes nothing away.
pub(crate) async fn change_feed_b_every_reader_sees_every_change(cx: Context) {
    let s = cx.fresh().await;
    let start = s.feed.head().await.unwrap();
    let made = changes(&cx, &s, 20).await;
    let readers = race(cx.rounds.tasks, |task| {
        let s = s.clone();
        async move { read(&s, start, task % 5 + 1).await.0 }
    })
    .await;
    for seen in readers {
        assert_eq!(seen, made);
    }
}

/// L-13
pub(crate) async fn change_feed_c_a_reader_is_told_when_changes_behind_its_cursor_were_dropped(
    cx: Context,
) {
    let s = cx.fresh().await;
    let start = s.feed.head().await.unwrap();
    let capacity = cx.feed_capacity();
    let made = changes(&cx, &s, capacity.map_or(2_000, |kept| kept + 1)).await;
    let head = s.feed.head().await.unwrap();
    if capacity.is_none() {
        assert_eq!(
            read(&s, start, 1000).await,
            (made, head),
            "a feed that drops nothing"
        );
        return;
    }
    let batch = s.feed.since(start, 10).await.unwrap();
    assert!(
        batch.gap,
        "changes were dropped, and the reader is not told"
    );
    assert_eq!(
        (batch.changes.len(), batch.cursor),
        (0, head),
        "it forgets everything at once"
    );
    // From there on it is a feed like any other.
    let more = changes(&cx, &s, 2).await;
    assert_eq!(read(&s, batch.cursor, 10).await.0, more);
}

/// A feed that was lost and began anew: whoever comes with a cursor of the old one must be told.
pub(crate) async fn change_feed_c_a_cursor_past_the_head_is_a_gap(cx: Context) {
    let s = cx.fresh().await;
    for made in 0..3 {
        let head = s.feed.head().await.unwrap();
        for past in [1, 2, 1_000_000, u64::MAX / 4] {
            let batch = s
                .feed
                .since(ChangeCursor(head.0.saturating_add(past)), 10)
                .await
                .unwrap();
            assert!(batch.gap, "{past} past the head of a feed of {made}");
            assert_eq!((batch.changes.len(), batch.cursor), (0, head));
        }
        change(&cx, &s).await;
    }
}

pub(crate) async fn change_feed_d_head_is_the_place_behind_which_nothing_has_happened(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..5 {
        let head = s.feed.head().await.unwrap();
        let nothing = s.feed.since(head, 10).await.unwrap();
        assert_eq!(
            (nothing.changes.len(), nothing.cursor, nothing.gap),
            (0, head, false)
        );
        assert_eq!(s.feed.head().await.unwrap(), head, "looking moves nothing");
        let made = change(&cx, &s).await;
        let (seen, reached) = read(&s, head, 10).await;
        assert_eq!(seen, [made]);
        assert_eq!(s.feed.head().await.unwrap(), reached);
        // What changes nothing moves nothing.
        let refused = Revocation {
            key: revoked(&seen[0]).expect("it is a revocation"),
            not_before: NOW,
            expires_at: NOW,
        };
        let event = cx
            .fixtures
            .event(&Tenant::default(), AuditAction::TokenRevoked);
        s.revocations.revoke(refused, event).await.unwrap();
        assert_eq!(s.feed.head().await.unwrap(), reached);
    }
}

/// L-13: what a reader measures its lag from. A random walk through every mutating call, whose events have times of their
/// own, which are not those of the calls nor rise.
pub(crate) async fn change_feed_e_a_change_comes_with_the_time_of_the_event_that_it_was_made_with(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.sequences.div_ceil(3) {
        let start = s.feed.head().await.unwrap();
        let mut expected = Vec::new();
        for operation in Walk::new(&cx).operations(40) {
            expected.extend(operation.run(&s).await.entry());
        }
        for limit in [7, 1000] {
            let seen = read_entries(&s, start, limit).await.0;
            assert_eq!(seen, expected, "by {limit}");
        }
    }
}

pub(crate) async fn change_feed_e_every_time_that_an_event_can_have_comes_back_to_the_microsecond(
    cx: Context,
) {
    let s = cx.fresh().await;
    let start = s.feed.head().await.unwrap();
    let mut made = Vec::new();
    for at in [
        Timestamp::MAX,
        Timestamp::MIN,
        Timestamp::from_unix_seconds(0),
        Timestamp::from_unix_micros(-1),
        NOW + TICK,
        NOW,
    ] {
        made.push(change_at(&cx, &s, at).await);
    }
    assert_eq!(read_entries(&s, start, 4).await.0, made);
}
