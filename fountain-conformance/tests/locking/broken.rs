//! The mistake that these tests are for.

use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::identity::FamilyId;
use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, RevokeOutcome,
};
use fountain_core::{Digest, StoreError, Subject, Tenant, Timestamp};

use crate::memory::MemoryStore;

/// Looks whether a token is live, lets go of the lock, and takes that for granted when it acts.
#[derive(Debug)]
pub(crate) struct ChecksThenActs(MemoryStore);

impl ChecksThenActs {
    pub(crate) fn new() -> Self {
        Self(MemoryStore::new())
    }
}

#[async_trait]
impl RefreshTokenStore for ChecksThenActs {
    async fn insert(
        &self,
        family: RefreshFamily,
        first: RefreshTokenRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        RefreshTokenStore::insert(&self.0, family, first, event).await
    }

    async fn use_token(&self, attempt: RefreshUse) -> Result<RefreshOutcome, StoreError> {
        let (tenant, presented, now) = (attempt.tenant.clone(), attempt.presented, attempt.now);
        let found = RefreshTokenStore::find(&self.0, &tenant, &presented, now).await?;
        let outcome = self.0.use_token(attempt).await?;
        match found {
            Some((family, true)) => Ok(RefreshOutcome::Rotated { family }),
            _ => Ok(outcome),
        }
    }

    async fn find(
        &self,
        tenant: &Tenant,
        token: &Digest,
        now: Timestamp,
    ) -> Result<Option<(RefreshFamily, bool)>, StoreError> {
        RefreshTokenStore::find(&self.0, tenant, token, now).await
    }

    async fn revoke_family(
        &self,
        tenant: &Tenant,
        family: &FamilyId,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let revoke = self
            .0
            .revoke_family(tenant, family, now, revoke_until, event);
        revoke.await
    }

    async fn revoke_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<u64, StoreError> {
        let revoke = self
            .0
            .revoke_subject(tenant, subject, now, revoke_until, event);
        revoke.await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        RefreshTokenStore::purge(&self.0, before, limit).await
    }
}
