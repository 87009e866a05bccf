//! The key ring: which key signs, which verify, and how one follows another (L-01, R-25, R-26).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::SigningKeyStore;
use crate::change::{CacheTrust, Slot, Stamp};
use crate::clock::Clock;
use crate::error::Error;
use crate::identity::Issuer;
use crate::metrics::{self, Labelled};
use crate::random::Random;
use crate::seal::Sealer;
use crate::token::{KeySet, TokenSigner};

mod config;
mod content;
mod gate;
mod transitions;

pub use config::{KeyringConfig, KeyringConfigBuilder};
use content::Content;
pub use content::PublishedJwks;
use gate::{Gate, Ticket, Turn};
pub use transitions::{Advance, Revoked, Rotation};

/// What a [`Keyring`] is made of.
#[derive(Debug, Clone)]
pub struct KeyringParts {
    /// Whose keys, of which kind, and the clocks between their states.
    pub config: KeyringConfig,
    /// Holds the keys, sealed.
    pub store: Arc<dyn SigningKeyStore>,
    /// Seals them.
    pub sealer: Sealer,
    /// Tells when another node has changed them.
    pub trust: Arc<CacheTrust>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

/// The signing keys of one issuer, on one of its nodes.
///
/// A key goes through `pending -> active -> retired -> removed`, and each step has a clock that the store enforces:
///
/// | step | not before |
/// |---|---|
/// | a new key is published | the active one is nearly as old as `rotation_interval` |
/// | it begins to sign | every verifier can have fetched it: `staleness + jwks_max_age + skew` after it was published |
/// | the old one is removed | nothing that it signed can be alive: `staleness + max life + leeway + skew` after it stopped |
///
/// So no token is refused because its key is too new or too old for somebody. Steps are compare-and-set: however
/// many nodes take one at once, one wins (R-26). [`Keyring::advance`] takes whatever step is due; the host calls
/// it on a schedule, from as many nodes as it likes.
///
/// What was read from the store is used for `staleness` at most, 5 s unless the host says less; after that it is read again
/// before anything is signed or verified, unless the change feed has confirmed in the meantime that nothing
/// changed ([`CacheTrust`]). A store that does not answer then means `Unavailable`: no node signs with a key that
/// may have been revoked (L-13).
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use fountain_core::change::CacheTrust;
/// use fountain_core::memory::MemoryStore;
/// use fountain_core::seal::{LocalKeys, Sealer};
/// use fountain_core::signing::{Algorithm, Keyring, KeyringConfig, KeyringParts};
/// use fountain_core::token::TokenRules;
/// use fountain_core::{OsRandom, SystemClock};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let rules = TokenRules::builder()
///     .issuer("https://auth.example.com")
///     .audience("orders")
///     .algorithm(Algorithm::EdDsa)
///     .max_life(Duration::from_secs(900))
///     .build()?;
/// let random = Arc::new(OsRandom);
/// let ring = Keyring::new(KeyringParts {
///     config: KeyringConfig::for_tokens(&rules).build()?,
///     store: Arc::new(MemoryStore::new()),
///     sealer: Sealer::new(Arc::new(LocalKeys::generate(random.clone())?), random.clone()),
///     trust: Arc::new(CacheTrust::new(Duration::from_secs(5))),
///     clock: Arc::new(SystemClock::new()),
///     random,
/// });
/// assert!(ring.signer().await.is_err()); // there is no key yet
///
/// let kid = ring.bootstrap().await?;
/// assert_eq!(*ring.signer().await?.kid(), kid);
/// assert!(ring.jwks().await?.json().contains(kid.as_str()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Keyring {
    config: KeyringConfig,
    store: Arc<dyn SigningKeyStore>,
    sealer: Sealer,
    trust: Arc<CacheTrust>,
    slot: Slot,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    snapshot: ArcSwapOption<Snapshot>,
    gate: Gate,
    transitions: Labelled,
}

impl Keyring {
    /// The shortest time between two reads of the store that unknown key ids cause.
    pub const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(1);

    /// A key ring that has read nothing yet.
    #[must_use]
    pub fn new(parts: KeyringParts) -> Self {
        Self {
            slot: parts.trust.slot(parts.config.issuer()),
            config: parts.config,
            store: parts.store,
            sealer: parts.sealer,
            trust: parts.trust,
            clock: parts.clock,
            random: parts.random,
            snapshot: ArcSwapOption::empty(),
            gate: Gate::new(),
            transitions: Labelled::new(metrics::SIGNING_KEY_TRANSITIONS, 4),
        }
    }

    /// Whose keys, of which kind, and the clocks between their states.
    #[must_use]
    pub const fn config(&self) -> &KeyringConfig {
        &self.config
    }

    /// Whose keys these are.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        self.config.issuer()
    }

    /// The active key, to sign with now. Do not keep it: ask again for each token.
    ///
    /// # Errors
    /// `Unavailable` when the store must be asked and does not answer, `Conflict` when no key is active yet,
    /// `Corrupt` or `Crypto` when the active key cannot be opened.
    ///
    /// # Cancel safety
    /// Changes nothing but what is remembered.
    pub async fn signer(&self) -> Result<Arc<TokenSigner>, Error> {
        self.fresh().await?.content.signer()
    }

    /// The keys that verify now. A retired key verifies what was issued before it retired, plus `staleness + skew`
    /// (B-14); a pending, removed or revoked one verifies nothing.
    ///
    /// # Errors
    /// `Unavailable` when the store must be asked and does not answer.
    ///
    /// # Cancel safety
    /// Changes nothing but what is remembered.
    pub async fn keys(&self) -> Result<Arc<KeySet>, Error> {
        Ok(self.fresh().await?.content.keys.clone())
    }

    /// Keys that are newer than `keys`, for a token whose key is not among them: another node may be ahead.
    ///
    /// `None` when there are none. The store is asked at most once a second, whatever comes of it and however many
    /// ask, so that tokens with invented key ids cannot turn into load on the store.
    ///
    /// # Errors
    /// `Unavailable` when the store was asked and did not answer.
    ///
    /// # Cancel safety
    /// Changes nothing but what is remembered.
    pub async fn keys_after(&self, keys: &Arc<KeySet>) -> Result<Option<Arc<KeySet>>, Error> {
        let newer = |snapshot: &Snapshot| {
            let found = &snapshot.content.keys;
            (!Arc::ptr_eq(found, keys)).then(|| found.clone())
        };
        // What is remembered may have changed since the caller asked for `keys`.
        let known = self.fresh().await?;
        if let Some(found) = newer(&known) {
            return Ok(Some(found));
        }
        let now = self.clock.monotonic();
        if self.gate.claim(now, Self::UNKNOWN_KEY_INTERVAL) {
            return self.reload().await.map(|snapshot| newer(&snapshot));
        }
        if self.gate.is_busy() {
            // somebody else is asking, perhaps for the same key: their answer is as good
            return self
                .fresh_behind_gate()
                .await
                .map(|snapshot| newer(&snapshot));
        }
        Ok(None)
    }

    /// The public keys, to be served as `application/jwk-set+json` (R-28).
    ///
    /// Pending, active and retired keys; never a shared secret, never a removed or revoked key.
    ///
    /// # Errors
    /// `Unavailable` when the store must be asked and does not answer.
    ///
    /// # Cancel safety
    /// Changes nothing but what is remembered.
    pub async fn jwks(&self) -> Result<Arc<PublishedJwks>, Error> {
        Ok(self.fresh().await?.content.published.clone())
    }

    /// What was read, if it may still be used.
    fn current(&self) -> Option<Arc<Snapshot>> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let now = self.clock.monotonic();
        let unchanged = snapshot.stamp == self.trust.stamp_of(&[self.slot]);
        let young = now.saturating_sub(snapshot.asked_at) <= self.config.staleness()
            || self
                .trust
                .age(now)
                .is_some_and(|age| age <= self.config.staleness());
        (unchanged && young).then(|| snapshot.clone())
    }

    async fn fresh(&self) -> Result<Arc<Snapshot>, Error> {
        match self.current() {
            Some(snapshot) => Ok(snapshot),
            None => self.fresh_behind_gate().await,
        }
    }

    /// What may be used when it is this caller's turn, read if need be.
    async fn fresh_behind_gate(&self) -> Result<Arc<Snapshot>, Error> {
        let ticket = self.gate.ticket();
        let turn = self.gate.turn().await;
        match self.current() {
            Some(snapshot) => Ok(snapshot),
            None => self.read_once(ticket, turn).await,
        }
    }

    /// What the store holds now: read by an attempt that began after this call.
    async fn reload(&self) -> Result<Arc<Snapshot>, Error> {
        let ticket = self.gate.ticket();
        let turn = self.gate.turn().await;
        self.read_once(ticket, turn).await
    }

    /// Reads the store, unless an attempt that began after `ticket` was drawn has done so: then its outcome counts,
    /// so that a hundred callers of a store that is down wait for it once and not a hundred times.
    async fn read_once(&self, ticket: Ticket, mut turn: Turn<'_>) -> Result<Arc<Snapshot>, Error> {
        match turn.outcome_since(ticket) {
            Some(Err(kind)) => return Err(kind.into()),
            Some(Ok(())) => {
                if let Some(snapshot) = self.snapshot.load_full() {
                    return Ok(snapshot);
                }
            }
            None => {}
        }
        let attempt = self.gate.begin();
        let result = self.read().await;
        turn.record(
            attempt,
            result
                .as_ref()
                .map(drop)
                .map_err(|error| error.kind().clone()),
        );
        result
    }

    async fn read(&self) -> Result<Arc<Snapshot>, Error> {
        // both before the question: the answer is at least as new
        let stamp = self.trust.stamp_of(&[self.slot]);
        let asked_at = self.clock.monotonic();
        let ring = self.store.ring(self.config.issuer()).await?;
        let before = self.snapshot.load_full();
        let before = before.as_ref().map(|snapshot| &snapshot.content);
        let content = match before {
            Some(before) if before.ring == ring && before.is_whole() => before.clone(),
            _ => {
                let before = before.map(|before| &**before);
                Arc::new(Content::open(ring, before, &self.config, &self.sealer).await?)
            }
        };
        let snapshot = Arc::new(Snapshot {
            stamp,
            asked_at,
            content,
        });
        self.snapshot.store(Some(snapshot.clone()));
        Ok(snapshot)
    }
}

/// What was read from the store, and when.
#[derive(Debug)]
struct Snapshot {
    stamp: Stamp,
    asked_at: Duration,
    content: Arc<Content>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("config", &self.config)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
