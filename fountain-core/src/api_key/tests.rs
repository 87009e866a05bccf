use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::access::{Authority, Grants, Role, RoleCatalog, Subjects};
use crate::audit::AuditEvent;
use crate::change::{CacheTrust, ChangeFollower};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::error::{Error, ErrorKind, StoreError, StoreErrorKind};
use crate::identity::{Principal, Tenant};
use crate::memory::MemoryStore;
use crate::random::OsRandom;
use crate::secret::Digest;

mod cache;
mod crowd;
mod model;
mod rotate;
mod service;
mod uses;
mod verify;

/// A store that counts its calls and can be made to fail before, or after, it has done its work.
#[derive(Debug, Default)]
struct Watched {
    inner: MemoryStore,
    calls: AtomicU64,
    /// So many calls fail without having done anything.
    fail: AtomicU32,
    /// So many changes are made, and then get no answer.
    mute: AtomicU32,
    /// What it answers about any digest.
    fixed: Mutex<Option<ApiKeyRecord>>,
    /// Held to write, no question about a digest is answered but those about `open_for`.
    door: tokio::sync::RwLock<()>,
    open_for: Mutex<Option<Digest>>,
    /// Whether it waits at the door with its answer, and not before it looks.
    late: AtomicBool,
    /// So many questions fail after they have waited.
    fail_behind_the_door: AtomicU32,
}

impl Watched {
    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn enter(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if take_one(&self.fail) {
            return Err(StoreErrorKind::Unavailable.into());
        }
        Ok(())
    }

    fn open_for(&self, key: &IssuedApiKey) {
        *self.open_for.lock().unwrap() = Some(key.record.digest);
    }

    async fn wait(&self, digest: &Digest) -> Result<(), StoreError> {
        if self.open_for.lock().unwrap().as_ref() != Some(digest) {
            drop(self.door.read().await);
        }
        if take_one(&self.fail_behind_the_door) {
            return Err(StoreErrorKind::Unavailable.into());
        }
        Ok(())
    }

    async fn look(&self, digest: &Digest) -> Result<Option<ApiKeyRecord>, StoreError> {
        let fixed = self.fixed.lock().unwrap().clone();
        match fixed {
            None => self.inner.find_by_digest(digest).await,
            fixed => Ok(fixed),
        }
    }

    fn leave<T>(&self, answer: T) -> Result<T, StoreError> {
        if take_one(&self.mute) {
            Err(StoreErrorKind::Timeout.into())
        } else {
            Ok(answer)
        }
    }
}

fn take_one(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

#[async_trait]
impl KeyStore for Watched {
    async fn insert(
        &self,
        record: ApiKeyRecord,
        event: AuditEvent,
    ) -> Result<InsertKeyOutcome, StoreError> {
        self.enter()?;
        self.leave(self.inner.insert(record, event).await?)
    }

    async fn find(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.enter()?;
        self.inner.find(id).await
    }

    async fn find_by_digest(&self, digest: &Digest) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.enter()?;
        let late = self.late.load(Ordering::SeqCst);
        if !late {
            self.wait(digest).await?;
        }
        let found = self.look(digest).await;
        if late {
            self.wait(digest).await?;
        }
        found
    }

    async fn find_in(
        &self,
        tenant: &Tenant,
        id: &KeyId,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.enter()?;
        self.inner.find_in(tenant, id).await
    }

    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<KeyPage, StoreError> {
        self.enter()?;
        KeyStore::page(&self.inner, tenant, after, limit).await
    }

    async fn rotate(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        successor: ApiKeyRecord,
        superseded_at: Timestamp,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<RotateKeyOutcome, StoreError> {
        self.enter()?;
        let rotated = self
            .inner
            .rotate(tenant, id, successor, superseded_at, now, event);
        self.leave(rotated.await?)
    }

    async fn revoke(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        self.enter()?;
        self.leave(KeyStore::revoke(&self.inner, tenant, id, now, event).await?)
    }

    async fn disable(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        self.enter()?;
        self.leave(KeyStore::disable(&self.inner, tenant, id, now, event).await?)
    }

    async fn enable(
        &self,
        tenant: &Tenant,
        id: &KeyId,
        event: AuditEvent,
    ) -> Result<KeyChangeOutcome, StoreError> {
        self.enter()?;
        self.leave(KeyStore::enable(&self.inner, tenant, id, event).await?)
    }

    async fn record_use(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        self.enter()?;
        self.leave(self.inner.record_use(uses).await?)
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.enter()?;
        KeyStore::purge(&self.inner, before, limit).await
    }
}

struct Bench {
    store: Arc<Watched>,
    people: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    trust: Arc<CacheTrust>,
    catalog: RoleCatalog,
    keys: ApiKeys,
}

const START: Timestamp = Timestamp::from_unix_seconds(1_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn bench() -> Bench {
    bench_with(|builder| builder)
}

fn bench_with(wire: impl FnOnce(ApiKeysBuilder) -> ApiKeysBuilder) -> Bench {
    let catalog = RoleCatalog::builder()
        .permissions(["orders:read", "orders:write", "keys:rotate"])
        .role(Role::new("admin").grant("*"))
        .role(Role::new("clerk").grant("orders:read"))
        .build()
        .unwrap();
    let store = Arc::new(Watched::default());
    let people = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(START));
    let trust = Arc::new(CacheTrust::new(Duration::from_secs(5)));
    let builder = ApiKeys::builder(store.clone(), catalog.clone())
        .subjects(people.clone())
        .clock(clock.clone())
        .random(Arc::new(OsRandom))
        .trust(trust.clone());
    Bench {
        keys: wire(builder).build().unwrap(),
        store,
        people,
        clock,
        trust,
        catalog,
    }
}

fn tenant() -> Tenant {
    Tenant::default()
}

fn new_key() -> NewApiKey {
    NewApiKey::for_service("billing").scope("orders:read")
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind().clone()
}

impl Bench {
    async fn issue(&self, new: NewApiKey) -> IssuedApiKey {
        self.keys
            .issue(Authority::System, &tenant(), new)
            .await
            .unwrap()
    }

    async fn verdict(&self, key: &IssuedApiKey) -> KeyVerdict {
        self.keys.verify(key.key.expose()).await.unwrap()
    }

    async fn accepts(&self, key: &IssuedApiKey) -> bool {
        matches!(self.verdict(key).await, KeyVerdict::Accepted(_))
    }

    fn acting(&self, role: &str) -> Principal {
        let grants = self.catalog.resolve_roles([role]);
        crate::access::tests::principal(crate::access::tests::token(), grants)
    }

    async fn rotate(&self, id: &KeyId, rotation: Rotation) -> Result<RotatedApiKey, Error> {
        self.keys
            .rotate(Authority::System, &tenant(), id, rotation)
            .await
    }

    fn follow(&self) {
        self.trust.confirm(self.clock.monotonic());
    }

    async fn last_used(&self, key: &IssuedApiKey) -> Option<Timestamp> {
        let record = self.store.inner.find(&key.record.id).await.unwrap();
        record.unwrap().last_used_at
    }
}
