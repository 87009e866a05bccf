//! A memory store that is broken in one way.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fountain_core::api_key::{ApiKeyRecord, KeyCursor, KeyId};
use fountain_core::audit::{AuditEvent, AuditStore, EventId};
use fountain_core::change::{Change, RevocationKey};
use fountain_core::identity::{FamilyId, Kid};
use fountain_core::lockout::LockoutKey;
use fountain_core::login::LoginName;
use fountain_core::memory::MemoryStore;
use fountain_core::otp::{ChallengeId, FactorId};
use fountain_core::{Digest, StoreError, StoreErrorKind, Subject, Tenant, Timestamp};

use crate::fault::{Area, Fault};

/// Hands every call to a memory store, and makes the one mistake that it is told to.
#[derive(Debug)]
pub(crate) struct Saboteur {
    pub(crate) inner: MemoryStore,
    fault: Fault,
    notes: Mutex<Notes>,
}

/// What a mistake needs to remember.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) hidden_events: HashSet<EventId>,
    pub(crate) halved_events: HashSet<EventId>,
    pub(crate) seen_events: HashSet<EventId>,
    pub(crate) overwritten: HashMap<EventId, AuditEvent>,
    pub(crate) hidden_changes: Vec<Change>,
    pub(crate) early_changes: Vec<Change>,
    pub(crate) delivered: u64,
    pub(crate) is_busy: bool,
    pub(crate) half_purged_keys: HashSet<KeyId>,
    pub(crate) hidden_digests: HashSet<Digest>,
    pub(crate) kept_by_digest: HashMap<Digest, ApiKeyRecord>,
    pub(crate) half_purged_tokens: HashSet<Digest>,
    pub(crate) tenants: BTreeSet<Tenant>,
    pub(crate) offsets: HashMap<KeyCursor, usize>,
    pub(crate) used: HashMap<KeyId, Timestamp>,
    pub(crate) revoked: HashMap<KeyId, Timestamp>,
    pub(crate) revived: HashSet<KeyId>,
    pub(crate) sealed: HashMap<Kid, Vec<u8>>,
    pub(crate) tokens: HashMap<Digest, (Tenant, Timestamp)>,
    pub(crate) spent: HashMap<Digest, Vec<u8>>,
    pub(crate) families: HashMap<FamilyId, Tenant>,
    pub(crate) spent_at: HashMap<Digest, Timestamp>,
    pub(crate) unrevoked: HashSet<FamilyId>,
    pub(crate) subjects: BTreeSet<(Tenant, Subject)>,
    pub(crate) revocations: HashSet<RevocationKey>,
    pub(crate) texts: HashSet<String>,
    pub(crate) not_before: HashMap<RevocationKey, Timestamp>,
    pub(crate) removed_names: HashSet<LoginName>,
    pub(crate) factor_owners: HashMap<FactorId, (Tenant, Subject)>,
    pub(crate) factors_disabled_at: HashMap<FactorId, Timestamp>,
    pub(crate) recovery_codes: HashMap<(Tenant, Subject), Vec<Digest>>,
    pub(crate) challenges: HashMap<ChallengeId, Tenant>,
    pub(crate) codes_sent: HashSet<(ChallengeId, Digest)>,
    pub(crate) codes_put: HashSet<ChallengeId>,
    pub(crate) cleared: HashSet<(Tenant, LockoutKey)>,
    pub(crate) takes: HashMap<(Tenant, LockoutKey), Vec<Timestamp>>,
}

impl Saboteur {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            inner: MemoryStore::new(),
            fault,
            notes: Mutex::default(),
        }
    }

    pub(crate) fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every tenant that a record was inserted for.
    pub(crate) fn tenants(&self) -> Vec<Tenant> {
        self.notes().tenants.iter().cloned().collect()
    }

    /// Lets others in between a check and an act.
    pub(crate) async fn pause(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    /// Whether a check that was made before a pause said yes: the mistake is to believe it afterwards.
    pub(crate) async fn checked(&self, fault: Fault, said: bool) -> bool {
        if self.is(fault) {
            self.pause().await;
        }
        self.is(fault) && said
    }

    /// A step that changes something, taken apart in the ways in which any of them can be.
    pub(crate) async fn step<T>(
        &self,
        area: Area,
        event: &AuditEvent,
        change: Option<Change>,
        call: impl Future<Output = Result<T, StoreError>> + Send,
        changes: impl Fn(&T) -> bool + Send,
    ) -> Result<T, StoreError>
    where
        T: Send,
    {
        if self.is(Fault::ADropWedgesTheStore) {
            if std::mem::replace(&mut self.notes().is_busy, true) {
                return Err(StoreErrorKind::Contended.into());
            }
            self.pause().await;
            self.notes().is_busy = false;
        }
        if self.is(Fault::EventFirst(area)) {
            self.inner.record(event.clone()).await?;
            self.pause().await;
        }
        if self.is(Fault::FeedFirst(area)) {
            self.notes().early_changes.extend(change.clone());
            self.pause().await;
        }
        if self.is(Fault::EventLost(area)) || self.is(Fault::EventLate(area)) {
            self.notes().hidden_events.insert(event.id.clone());
        }
        if self.is(Fault::FeedLost(area)) || self.is(Fault::FeedLate(area)) {
            self.notes().hidden_changes.extend(change.clone());
        }
        let outcome = call.await?;
        if self.is(Fault::FedNeedlessly(area)) && changes(&outcome) {
            let tenant = event.tenant.clone();
            let subject = Subject::new(event.id.as_str()).unwrap();
            let needless = Change::Subject { tenant, subject };
            self.notes().early_changes.push(needless);
        }
        if self.is(Fault::RefusalRecorded(area)) && !changes(&outcome) {
            self.inner.record(event.clone()).await?;
        }
        if self.is(Fault::EventLate(area)) {
            self.pause().await;
            self.notes().hidden_events.remove(&event.id);
        }
        if self.is(Fault::FeedLate(area)) {
            self.pause().await;
            self.notes()
                .hidden_changes
                .retain(|hidden| Some(hidden) != change.as_ref());
        }
        if self.is(Fault::FeedFirst(area)) {
            self.notes()
                .early_changes
                .retain(|early| Some(early) != change.as_ref());
        }
        Ok(outcome)
    }
}
