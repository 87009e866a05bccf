use std::sync::Arc;
use std::time::Duration;

use super::cache::{KeyCache, Remembered};
use super::uses::{self, Uses};
use super::verify::{KeyVerdict, first_cause};
use super::{ApiKeyRecord, KeyCursor, KeyFormat, KeyId, KeyPage, KeyStore};
use crate::access::{RoleCatalog, SubjectRecord, SubjectStore};
use crate::change::CacheTrust;
use crate::clock::{Clock, Timestamp};
use crate::error::Error;
use crate::flight::{Answer, Flights, Seat};
use crate::identity::{Assurance, Credential, Principal, PrincipalParts, Subject, Tenant};
use crate::metrics::{Labelled, Outcomes};
use crate::random::Random;
use crate::secret::{Digest, Pepper};

mod ask;
mod builder;
mod changes;
use ask::seen;
pub use builder::ApiKeysBuilder;

/// API keys: issued once, verified by digest, rotated with overlap, revoked everywhere.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::access::{Authority, RoleCatalog};
/// use fountain_core::api_key::{ApiKeys, KeyVerdict, NewApiKey};
/// use fountain_core::memory::MemoryStore;
/// use fountain_core::Tenant;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let catalog = RoleCatalog::builder().permissions(["orders:read"]).build()?;
/// let keys = ApiKeys::builder(Arc::new(MemoryStore::new()), catalog).build()?;
///
/// let tenant = Tenant::default();
/// let new = NewApiKey::for_service("billing").scope("orders:read");
/// let issued = keys.issue(Authority::System, &tenant, new).await?;
/// let text = issued.key.expose();
///
/// let principal = keys.verify(text).await?.into_result()?;
/// assert_eq!(principal.subject().as_str(), "billing");
///
/// keys.revoke(Authority::System, &tenant, &issued.record.id).await?;
/// assert_eq!(keys.verify(text).await?, KeyVerdict::Revoked);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// A key keeps the scopes that it was issued with when its creator or owner loses roles: revoke it then. When the
/// service was given a `SubjectStore`, the keys of a disabled owner are refused; an owner that the store does not
/// know is not, since services need not be registered there.
#[derive(Debug)]
pub struct ApiKeys {
    store: Arc<dyn KeyStore>,
    /// What the stores are being asked about keys and their owners.
    records: Flights<Digest, Option<ApiKeyRecord>>,
    owners: Flights<(Tenant, Subject), Option<SubjectRecord>>,
    catalog: RoleCatalog,
    subjects: Option<Arc<dyn SubjectStore>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    format: KeyFormat,
    pepper: Option<Pepper>,
    default_life: Duration,
    longest_life: Duration,
    trust: Option<Arc<CacheTrust>>,
    cache: Option<KeyCache>,
    uses: Uses,
    outcomes: Outcomes,
    changes: Labelled,
}

impl ApiKeys {
    /// Starts to wire a service; see [`ApiKeysBuilder`] for what is chosen unless told otherwise.
    #[must_use]
    pub fn builder(store: Arc<dyn KeyStore>, catalog: RoleCatalog) -> ApiKeysBuilder {
        ApiKeysBuilder::new(store, catalog)
    }

    /// How keys are written.
    #[must_use]
    pub fn format(&self) -> &KeyFormat {
        &self.format
    }

    /// Verifies a key, whichever tenant it belongs to: the principal says which.
    ///
    /// The order of the checks, of which the first that fails decides:
    /// 1. the form: length, alphabet, brand, environment, checksum. No store is asked for what fails here (R-33).
    /// 2. what this node remembers, if the change feed is followed: a hit ends the matter.
    /// 3. the store's record of the whole key's digest; then the tenant. The id inside the key finds nothing, so that an
    ///    id that does not exist is refused as a wrong secret is.
    /// 4. revoked, disabled, not yet valid, expired, superseded: all are looked at, so that the time is the same (R-35).
    /// 5. the owner is disabled.
    ///
    /// When many calls show one key at once, the stores are asked once and all share the answer; twice when the change
    /// feed is not heard, or there is no such key.
    ///
    /// # Security
    /// The time of a refusal tells who does not have the whole key nothing, not even whether its id exists. Who has it
    /// may see by the time whether its record is still there, since a store that finds nothing answers sooner.
    ///
    /// # Errors
    /// `Unavailable` when a store does not answer, `Corrupt` when it holds what cannot be read: nothing is
    /// accepted then (R-80).
    ///
    /// # Cancel safety
    /// Changes nothing but what is noted as last use.
    pub async fn verify(&self, text: &str) -> Result<KeyVerdict, Error> {
        self.judge(text, None).await
    }

    /// Verifies a key as [`ApiKeys::verify`] does; another tenant's key is unknown (R-83).
    ///
    /// # Errors
    /// As [`ApiKeys::verify`].
    ///
    /// # Cancel safety
    /// As [`ApiKeys::verify`].
    pub async fn verify_in(&self, tenant: &Tenant, text: &str) -> Result<KeyVerdict, Error> {
        self.judge(text, Some(tenant)).await
    }

    /// The principal of a key that was verified not long ago and is still good, without asking anybody.
    ///
    /// `None` says nothing about the key.
    #[must_use]
    pub fn recall(&self, text: &str) -> Option<Principal> {
        let cache = self.cache.as_ref()?;
        let monotonic = self.clock.monotonic();
        if !cache.is_fresh(monotonic) {
            return None;
        }
        self.format.parse(text).ok()?;
        let principal = self.recall_digest(cache, &self.digest(text), monotonic, None)?;
        self.outcomes.accepted();
        Some(principal)
    }

    /// The key with this id, if it is in this tenant. Never the key's text: nobody has it.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn find(&self, tenant: &Tenant, id: &KeyId) -> Result<Option<ApiKeyRecord>, Error> {
        Ok(self.store.find_in(tenant, id).await?)
    }

    /// The keys of a tenant behind `after`, oldest first, at most `limit` (1 to 1000).
    ///
    /// # Errors
    /// `InvalidInput` for another limit; `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn list(
        &self,
        tenant: &Tenant,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<KeyPage, Error> {
        if !(1..=1_000).contains(&limit) {
            return Err(Error::invalid("limit", "ask for 1 to 1000"));
        }
        Ok(self.store.page(tenant, after, limit).await?)
    }

    /// Writes when keys were last seen; gives the number of keys. For maintenance to call, every few seconds.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer: nothing is lost, the next call tries again.
    ///
    /// # Cancel safety
    /// When dropped, what was not written is written by the next call.
    pub async fn flush_uses(&self) -> Result<u64, Error> {
        Ok(self.uses.flush(&*self.store).await?)
    }

    async fn judge(&self, text: &str, tenant: Option<&Tenant>) -> Result<KeyVerdict, Error> {
        let verdict = match self.format.parse(text) {
            Err(error) => Ok(KeyVerdict::Malformed(error)),
            Ok(parts) => self.look_up(parts.id, self.digest(text), tenant).await,
        };
        match &verdict {
            Ok(verdict) => match verdict.reason() {
                None => self.outcomes.accepted(),
                Some(reason) => self.outcomes.refused(reason),
            },
            Err(error) => self.outcomes.refused(error.rejection().reason()),
        }
        verdict
    }

    async fn look_up(
        &self,
        id: &str,
        digest: Digest,
        tenant: Option<&Tenant>,
    ) -> Result<KeyVerdict, Error> {
        // Before the stores are asked: what they answer is at least as new.
        let monotonic = self.clock.monotonic();
        // Another tenant's key goes on to the store, as every key does that is refused (R-35).
        if let Some(cache) = &self.cache
            && let Some(principal) = self.recall_digest(cache, &digest, monotonic, tenant)
        {
            return Ok(KeyVerdict::Accepted(principal));
        }
        let id = KeyId::new(id)?;
        let recall = || {
            let cache = self.cache.as_ref()?;
            self.recall_digest(cache, &digest, self.clock.monotonic(), tenant)
        };
        let key_slot = self.cache.as_ref().map(|cache| cache.slot(&id));
        // Both answers are kept to the end: until the key is remembered, whoever shows it shares them.
        let found = match self.find_record(digest, key_slot, recall).await {
            Answer::Recalled(principal) => return Ok(KeyVerdict::Accepted(principal)),
            Answer::Landed(found) => found,
        };
        let Some(record) = found.answer()? else {
            return Ok(KeyVerdict::Unknown);
        };
        let now = self.clock.now();
        // That the store answers with this very key is not taken on trust.
        let is_genuine = record.digest.matches(&digest) && record.id == id;
        let is_known = is_genuine && tenant.is_none_or(|tenant| record.tenant == *tenant);
        if let Some(refused) = first_cause(record, is_known, now) {
            return Ok(refused);
        }
        let owner = self.find_owner(record).await;
        if let Some(found) = &owner.found
            && let Some(owner) = found.answer()?
            && owner.disabled_at.is_some()
        {
            return Ok(KeyVerdict::OwnerDisabled);
        }
        let principal = self.principal(record);
        let last_use = self.uses.note(&record.id, now);
        let key_seen = seen(key_slot, found.stamp());
        if let (Some(cache), Some(key), Some(owner_seen)) = (&self.cache, key_seen, owner.seen) {
            let asked_at = owner.found.as_ref().map_or(monotonic, Seat::asked_at);
            let remembered = Remembered {
                principal: principal.clone(),
                not_before: record.not_before,
                ends_at: ends_at(record),
                // An answer that was shared may be older than this call.
                until: monotonic
                    .min(found.asked_at())
                    .min(asked_at)
                    .saturating_add(KeyCache::LIFE),
                key,
                owner: owner_seen,
                last_use,
            };
            cache.remember(digest, remembered);
        }
        Ok(KeyVerdict::Accepted(principal))
    }

    #[inline]
    fn recall_digest(
        &self,
        cache: &KeyCache,
        digest: &Digest,
        monotonic: Duration,
        tenant: Option<&Tenant>,
    ) -> Option<Principal> {
        let now = self.clock.now();
        let remembered = cache.recall(digest, now, monotonic)?;
        if tenant.is_some_and(|tenant| remembered.principal.tenant() != tenant) {
            return None;
        }
        if let Some(cell) = &remembered.last_use {
            uses::see(cell, now);
        }
        Some(remembered.principal.clone())
    }

    #[inline]
    fn digest(&self, text: &str) -> Digest {
        match &self.pepper {
            Some(pepper) => Digest::keyed(pepper, text.as_bytes()),
            None => Digest::of(text.as_bytes()),
        }
    }

    fn principal(&self, record: &ApiKeyRecord) -> Principal {
        Principal::new(PrincipalParts {
            tenant: record.tenant.clone(),
            subject: record.owner.clone(),
            credential: Credential::ApiKey {
                id: record.id.clone(),
            },
            roles: Vec::new(),
            scopes: record.scopes.iter().map(ToString::to_string).collect(),
            grants: self.catalog.resolve_scopes(&record.scopes),
            assurance: Assurance::default(),
            expires_at: ends_at(record),
            superseded_at: record.superseded_at,
        })
    }
}

/// From when on a key does not work: it expires, or its overlap with its successor is over.
fn ends_at(record: &ApiKeyRecord) -> Timestamp {
    record
        .superseded_at
        .map_or(record.expires_at, |at| at.min(record.expires_at))
}
