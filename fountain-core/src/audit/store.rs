use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::AuditEvent;
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::Tenant;

/// An event's place in its store's sequence: 1 for the first, rising, never used twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct AuditSequence(pub u64);

/// An event with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Its place.
    pub sequence: AuditSequence,
    /// The event.
    #[serde(flatten)]
    pub event: AuditEvent,
}

/// A page of the trail, in the order of the sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// At most as many as asked for.
    pub items: Vec<RecordedEvent>,
    /// Give this as `after` for the next page; none when this is the last.
    pub next: Option<AuditSequence>,
}

/// The most events that one [`AuditStore::record_all`] takes: as many as a page shows, so that no step of a store is long.
pub const MAX_BATCH: usize = 1_000;

/// Refuses a batch that is longer than [`MAX_BATCH`], before anything is recorded: how a store's
/// [`record_all`](AuditStore::record_all) begins.
///
/// # Errors
/// `TooMany`.
pub fn check_batch(events: &[AuditEvent]) -> Result<(), StoreError> {
    if events.len() > MAX_BATCH {
        Err(StoreErrorKind::TooMany.into())
    } else {
        Ok(())
    }
}

/// Holds the audit trail. Events of changes arrive through the other store traits.
///
/// # Contract
/// - A: `record` keeps the event; a second `record` of the same event id changes nothing.
/// - B: `page` gives the events of one tenant only, in rising sequence, each once, none left out.
/// - C: a page holds at most `limit` events, and following `next` reaches every event.
/// - D: every event that a mutating call of another trait took is in the trail when, and only when, its change is.
/// - E: `record_all` records its events in one step, all or none, of whatever tenants, in the order given. An id that is
///   recorded already, or came before in the same batch, is left out as by `record`. No event is nothing to do; more
///   than [`MAX_BATCH`] are refused as `TooMany`.
#[async_trait]
pub trait AuditStore: Debug + Send + Sync + 'static {
    /// Records an event that belongs to no other change: a refusal, a sign-in.
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError>;

    /// Records up to 1,000 such events in one step: for a host that gathers them, and writes many at the price of few.
    async fn record_all(&self, events: Vec<AuditEvent>) -> Result<(), StoreError>;

    /// The events of `tenant` that come after `after`, at most `limit` (1 to 1000).
    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<AuditSequence>,
        limit: usize,
    ) -> Result<AuditPage, StoreError>;
}
