//! Stores that count or fail on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::memory::MemoryStore;
use fountain_core::token::{Revocation, RevocationQuery, RevocationStore, RevokeOutcome};
use fountain_core::{StoreError, StoreErrorKind, Timestamp};
use tokio::sync::{RwLock, RwLockWriteGuard};

/// Counts how often it is asked whether a token is revoked.
#[derive(Debug)]
pub(crate) struct CountingRevocations {
    inner: Arc<MemoryStore>,
    asked: AtomicU64,
    door: RwLock<()>,
}

impl CountingRevocations {
    pub(crate) fn new(inner: Arc<MemoryStore>) -> Self {
        Self {
            inner,
            asked: AtomicU64::new(0),
            door: RwLock::new(()),
        }
    }

    /// While the guard is held it looks, and keeps its answers to itself.
    pub(crate) async fn close(&self) -> RwLockWriteGuard<'_, ()> {
        self.door.write().await
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl RevocationStore for CountingRevocations {
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        RevocationStore::revoke(&*self.inner, revocation, event).await
    }

    async fn is_revoked(&self, query: RevocationQuery<'_>) -> Result<bool, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.inner.is_revoked(query).await;
        drop(self.door.read().await);
        found
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        RevocationStore::purge(&*self.inner, before, limit).await
    }
}

/// Does not answer while it is down.
#[derive(Debug)]
pub(crate) struct DownRevocations {
    inner: Arc<MemoryStore>,
    down: AtomicBool,
}

impl DownRevocations {
    pub(crate) fn new(inner: Arc<MemoryStore>) -> Self {
        Self {
            inner,
            down: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn answer(&self) -> Result<(), StoreError> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(StoreErrorKind::Unavailable.into()),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl RevocationStore for DownRevocations {
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        self.answer()?;
        RevocationStore::revoke(&*self.inner, revocation, event).await
    }

    async fn is_revoked(&self, query: RevocationQuery<'_>) -> Result<bool, StoreError> {
        self.answer()?;
        self.inner.is_revoked(query).await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.answer()?;
        RevocationStore::purge(&*self.inner, before, limit).await
    }
}
