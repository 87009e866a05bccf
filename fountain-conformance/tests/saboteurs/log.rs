use async_trait::async_trait;
use fountain_core::audit::{
    AuditEvent, AuditPage, AuditSequence, AuditStore, EventId, MAX_BATCH, RecordedEvent,
};
use fountain_core::change::{ChangeBatch, ChangeCursor, ChangeFeed, RecordedChange};
use fountain_core::{StoreError, StoreErrorKind, Tenant};

use crate::fault::{Area, Fault, to_millis};
use crate::saboteur::Saboteur;

impl Saboteur {
    async fn every_event(&self, tenant: &Tenant) -> Result<Vec<RecordedEvent>, StoreError> {
        Ok(AuditStore::page(&self.inner, tenant, None, usize::MAX)
            .await?
            .items)
    }

    /// The trail ordered by what the events say of their time, and numbered anew.
    async fn page_by_time(
        &self,
        tenant: &Tenant,
        after: Option<AuditSequence>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let mut all = self.every_event(tenant).await?;
        all.sort_by_key(|item| item.event.at);
        for (number, item) in (1..).zip(&mut all) {
            item.sequence = AuditSequence(number);
        }
        let rest: Vec<_> = all
            .into_iter()
            .filter(|item| Some(item.sequence) > after)
            .collect();
        let items: Vec<_> = rest.iter().take(limit).cloned().collect();
        let next = items
            .last()
            .map(|item| item.sequence)
            .filter(|_| rest.len() > limit);
        Ok(AuditPage { items, next })
    }
}

/// Another id, the same for the same one.
fn another(id: &EventId) -> EventId {
    let mut id = id.as_str().to_owned();
    let first = id.remove(0);
    id.insert(0, if first == 'x' { 'y' } else { 'x' });
    EventId::new(id).unwrap()
}

#[async_trait]
impl AuditStore for Saboteur {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let mut event = event;
        if self.is(Fault::EventTimesAreRounded) {
            event.at = to_millis(event.at);
        }
        let is_new = self.notes().seen_events.insert(event.id.clone());
        if self.is(Fault::EventsAreRecordedTwice) && !is_new {
            event.id = another(&event.id);
        }
        if self.is(Fault::EventsAreRecordedInHalves) {
            self.notes().halved_events.insert(event.id.clone());
        }
        let call = self.inner.record(event.clone());
        self.step(Area::Trail, &event, None, call, |()| true)
            .await?;
        if self.is(Fault::EventsAreRecordedInHalves) {
            self.pause().await;
            self.notes().halved_events.remove(&event.id);
        }
        Ok(())
    }

    async fn record_all(&self, events: Vec<AuditEvent>) -> Result<(), StoreError> {
        let mut events = events;
        let known = self.notes().seen_events.clone();
        let is_known = |event: &AuditEvent| known.contains(&event.id);
        if self.is(Fault::EmptyBatchesFail) && events.is_empty()
            || self.is(Fault::BatchesFailOnAKnownId) && events.iter().any(is_known)
        {
            return Err(StoreErrorKind::Conflict.into());
        }
        if self.is(Fault::BatchesAreOrderedByTime) {
            events.sort_by_key(|event| event.at);
        }
        if self.is(Fault::BatchesGoToTheFirstTenant)
            && let Some(tenant) = events.first().map(|event| event.tenant.clone())
        {
            events
                .iter_mut()
                .for_each(|event| event.tenant = tenant.clone());
        }
        if self.is(Fault::BatchesEndAtAKnownId) {
            let end = events.iter().position(is_known).unwrap_or(events.len());
            events.truncate(end);
        }
        if self.is(Fault::BatchesAreCut) {
            events.truncate(MAX_BATCH);
        }
        if self.is(Fault::BatchesCheckThenAct) {
            events.retain(|event| !is_known(event));
            self.pause().await;
        }
        for event in &mut events {
            let is_new = self.notes().seen_events.insert(event.id.clone());
            if self.is(Fault::BatchesOverwrite) && !is_new {
                self.notes()
                    .overwritten
                    .insert(event.id.clone(), event.clone());
            }
            if self.is(Fault::BatchesCheckThenAct) && !is_new {
                event.id = another(&event.id);
            }
        }
        if self.is(Fault::BatchesAreRecordedOneByOne) {
            for event in events {
                self.inner.record(event).await?;
                self.pause().await;
            }
            return Ok(());
        }
        if self.is(Fault::BatchesKnowNoBound) {
            for part in events.chunks(MAX_BATCH) {
                self.inner.record_all(part.to_vec()).await?;
            }
            return Ok(());
        }
        self.inner.record_all(events).await
    }

    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<AuditSequence>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        if self.is(Fault::TheTrailIsOrderedByTime) {
            return self.page_by_time(tenant, after, limit).await;
        }
        let limit = if self.is(Fault::AuditPagesOverflow) {
            limit + 1
        } else {
            limit
        };
        let mut page = AuditStore::page(&self.inner, tenant, after, limit).await?;
        if self.is(Fault::AuditPagesAlwaysHaveANext) {
            page.next = page.items.last().map(|item| item.sequence);
        }
        if self.is(Fault::TheTrailFoldsTenants) && page.next.is_none() {
            let other = Tenant::new(tenant.as_str().to_ascii_uppercase()).unwrap();
            if other != *tenant {
                page.items.extend(self.every_event(&other).await?);
                page.items.sort_by_key(|item| item.sequence);
            }
        }
        let notes = self.notes();
        page.items
            .retain(|item| !notes.hidden_events.contains(&item.event.id));
        for item in &mut page.items {
            if let Some(event) = notes.overwritten.get(&item.event.id) {
                item.event = event.clone();
            }
            if notes.halved_events.contains(&item.event.id) {
                item.event.details.clear();
            }
        }
        Ok(page)
    }
}

#[async_trait]
impl ChangeFeed for Saboteur {
    async fn head(&self) -> Result<ChangeCursor, StoreError> {
        let head = self.inner.head().await?;
        if self.is(Fault::HeadIsBehind) {
            return Ok(ChangeCursor(head.0.saturating_sub(1)));
        }
        Ok(head)
    }

    async fn since(&self, cursor: ChangeCursor, limit: usize) -> Result<ChangeBatch, StoreError> {
        let mut cursor = cursor;
        if self.is(Fault::ReadingDrainsTheFeed) {
            cursor = cursor.max(ChangeCursor(self.notes().delivered));
        }
        let short = self.is(Fault::BatchesAreShort) && limit > 1;
        let mut batch = self
            .inner
            .since(cursor, if short { limit - 1 } else { limit })
            .await?;
        if self.is(Fault::GapsAreHidden) {
            batch.gap = false;
        }
        if self.is(Fault::TheFeedIsNewestFirst) {
            batch.changes.reverse();
        }
        if self.is(Fault::CursorsSkipOne) && batch.cursor < self.inner.head().await? {
            batch.cursor.0 += 1;
        }
        let latest = batch.changes.last().and_then(|entry| entry.at);
        for entry in &mut batch.changes {
            if self.is(Fault::ChangesComeWithoutTheirTime) {
                entry.at = None;
            } else if self.is(Fault::ChangesOfABatchHaveOneTime) {
                entry.at = latest;
            } else if self.is(Fault::ChangeTimesAreRounded) {
                entry.at = entry.at.map(to_millis);
            }
        }
        let mut notes = self.notes();
        notes.delivered = batch.cursor.0;
        batch
            .changes
            .retain(|entry| !notes.hidden_changes.contains(&entry.change));
        for early in &notes.early_changes {
            let is_there = batch.changes.iter().any(|entry| entry.change == *early);
            if batch.changes.len() < limit && !is_there {
                batch.changes.push(RecordedChange {
                    change: early.clone(),
                    at: None,
                });
            }
        }
        Ok(batch)
    }
}
