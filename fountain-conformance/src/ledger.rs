//! What a store has recorded since a moment: events of one tenant, and changes in the feed.

use fountain_core::Tenant;
use fountain_core::audit::{AuditEvent, AuditSequence};
use fountain_core::change::{Change, ChangeCursor, RecordedChange};

use crate::context::Stores;

/// How many entries are asked for at once.
const PAGE: usize = 100;

/// Remembers a moment in the trail of one tenant and in the feed.
#[derive(Debug)]
pub(crate) struct Ledger {
    stores: Stores,
    tenant: Tenant,
    after: Option<AuditSequence>,
    cursor: ChangeCursor,
}

impl Ledger {
    /// Begins now: what is recorded from here on is what counts.
    pub(crate) async fn open(stores: &Stores, tenant: &Tenant) -> Self {
        let mut ledger = Self {
            stores: stores.clone(),
            tenant: tenant.clone(),
            after: None,
            cursor: stores.feed.head().await.unwrap(),
        };
        ledger.after = ledger.read_trail().await.1;
        ledger
    }

    /// The events recorded since.
    pub(crate) async fn events(&self) -> Vec<AuditEvent> {
        self.read_trail().await.0
    }

    /// The changes in the feed since.
    pub(crate) async fn changes(&self) -> Vec<Change> {
        what_changed(self.entries().await)
    }

    /// The same, with their times.
    pub(crate) async fn entries(&self) -> Vec<RecordedChange> {
        self.read_feed().await.0
    }

    /// Demands exactly these events and changes, in this order; goes on from here.
    pub(crate) async fn assert_recorded(
        &mut self,
        what: &str,
        events: &[AuditEvent],
        changes: &[Change],
    ) {
        let (recorded, after) = self.read_trail().await;
        let (fed, cursor) = self.read_feed().await;
        assert_eq!(recorded, events, "the events of {what}");
        assert_eq!(what_changed(fed), changes, "the feed entries of {what}");
        (self.after, self.cursor) = (after, cursor);
    }

    /// Demands that nothing was recorded.
    pub(crate) async fn assert_nothing(&mut self, what: &str) {
        self.assert_recorded(what, &[], &[]).await;
    }

    async fn read_trail(&self) -> (Vec<AuditEvent>, Option<AuditSequence>) {
        let mut events = Vec::new();
        let mut after = self.after;
        loop {
            let page = self.stores.audit.page(&self.tenant, after, PAGE).await;
            let page = page.unwrap();
            after = page.items.last().map(|item| item.sequence).or(after);
            events.extend(page.items.into_iter().map(|item| item.event));
            if page.next.is_none() {
                return (events, after);
            }
        }
    }

    async fn read_feed(&self) -> (Vec<RecordedChange>, ChangeCursor) {
        let mut changes = Vec::new();
        let mut cursor = self.cursor;
        loop {
            let batch = self.stores.feed.since(cursor, PAGE).await.unwrap();
            assert!(
                !batch.gap,
                "the feed has a gap behind a cursor that it gave just now"
            );
            cursor = batch.cursor;
            let last = batch.changes.len() < PAGE;
            changes.extend(batch.changes);
            if last {
                return (changes, cursor);
            }
        }
    }
}

/// The changes alone, without their times.
pub(crate) fn what_changed(entries: Vec<RecordedChange>) -> Vec<Change> {
    entries.into_iter().map(|entry| entry.change).collect()
}
