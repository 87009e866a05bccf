use std::collections::{HashMap, HashSet, VecDeque};

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::audit::{
    AuditEvent, AuditPage, AuditSequence, AuditStore, EventId, RecordedEvent, check_batch,
};
use crate::change::{Change, ChangeBatch, ChangeCursor, ChangeFeed, RecordedChange};
use crate::error::StoreError;
use crate::identity::Tenant;

/// The audit trail and the change feed.
#[derive(Default)]
pub(super) struct Log {
    events: HashMap<Tenant, Vec<RecordedEvent>>,
    ids: HashSet<EventId>,
    feed: VecDeque<RecordedChange>,
    dropped: u64,
}

impl Log {
    /// How many changes the feed keeps; a reader further behind is told of a gap.
    const FEED_LENGTH: usize = 100_000;

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    fn holds(&self, id: &EventId) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn record(&mut self, event: AuditEvent) {
        if self.ids.insert(event.id.clone()) {
            let sequence = AuditSequence(count(self.ids.len()));
            self.events
                .entry(event.tenant.clone())
                .or_default()
                .push(RecordedEvent { sequence, event });
        }
    }

    pub(super) fn changed(&mut self, change: RecordedChange) {
        if self.feed.len() == Self::FEED_LENGTH {
            self.feed.pop_front();
            self.dropped += 1;
        }
        self.feed.push_back(change);
    }

    fn head(&self) -> ChangeCursor {
        ChangeCursor(self.dropped + count(self.feed.len()))
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

impl State {
    pub(super) fn commit(&mut self, event: AuditEvent, change: Change) {
        let at = Some(event.at);
        self.log.record(event);
        self.log.changed(RecordedChange { change, at });
    }
}

#[async_trait]
impl AuditStore for MemoryStore {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        state.log.record(event);
        Ok(())
    }

    async fn record_all(&self, events: Vec<AuditEvent>) -> Result<(), StoreError> {
        check_batch(&events)?;
        let mut state = self.write();
        let new = events.iter().filter(|event| !state.log.holds(&event.id));
        self.room_for_events(&state, new.count())?;
        events.into_iter().for_each(|event| state.log.record(event));
        Ok(())
    }

    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<AuditSequence>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let state = self.read();
        let events = state.log.events.get(tenant).map_or(&[][..], Vec::as_slice);
        let from = after.map_or(0, |after| events.partition_point(|e| e.sequence <= after));
        let rest = events.get(from..).unwrap_or_default();
        let items: Vec<_> = rest.iter().take(limit).cloned().collect();
        let next = if rest.len() > items.len() {
            items.last().map(|e| e.sequence)
        } else {
            None
        };
        Ok(AuditPage { items, next })
    }
}

#[async_trait]
impl ChangeFeed for MemoryStore {
    async fn head(&self) -> Result<ChangeCursor, StoreError> {
        Ok(self.read().log.head())
    }

    async fn since(&self, cursor: ChangeCursor, limit: usize) -> Result<ChangeBatch, StoreError> {
        let state = self.read();
        let log = &state.log;
        if cursor.0 < log.dropped || cursor > log.head() {
            return Ok(ChangeBatch {
                changes: Vec::new(),
                cursor: log.head(),
                gap: true,
            });
        }
        let skip = usize::try_from(cursor.0 - log.dropped).unwrap_or(usize::MAX);
        let changes: Vec<_> = log.feed.iter().skip(skip).take(limit).cloned().collect();
        Ok(ChangeBatch {
            cursor: ChangeCursor(cursor.0 + count(changes.len())),
            changes,
            gap: false,
        })
    }
}
