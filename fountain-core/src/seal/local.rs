use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::aead::{self, NONCE_LEN};
use super::{DataKey, KekId, KeyEncryption, SealError, WrappedKey, length};
use crate::random::Random;
use crate::text::random_id;

/// Key-encryption keys held in this process: several by id, of which one is current.
///
/// Give it the 32 bytes from a secret that lives outside the store: a mounted file, the environment, a vault.
/// To change the current key, start with the new one as current and the old one added by
/// [`LocalKeys::with_previous`]; what the old one sealed still opens, and what is sealed from then on names the new one.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::OsRandom;
/// use fountain_core::seal::{KekId, LocalKeys, SealError};
///
/// // all zeros is no key
/// let refused = LocalKeys::new(KekId::new("2030-01")?, &[0; 32], Arc::new(OsRandom));
/// assert!(matches!(refused, Err(SealError::WeakKek(_))));
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Security
/// A key may wrap 2^31 data keys at most (R-71): its nonces are random, and with 2^32 of them two could be
/// equal. What this process wraps is counted; change the key long before many processes together could reach that.
pub struct LocalKeys {
    current: KekId,
    keys: HashMap<KekId, Kek>,
    random: Arc<dyn Random>,
    limit: u64,
}

struct Kek {
    key: aead::Key,
    wrapped: AtomicU64,
}

impl LocalKeys {
    /// How many data keys one key-encryption key wraps at most (SP 800-38D section 8.3 allows twice as many).
    pub const MAX_WRAPS: u64 = 1 << 31;

    /// One key, which is current.
    ///
    /// # Errors
    /// `WeakKek` when the bytes repeat themselves, as all zeros do.
    pub fn new(
        current: KekId,
        bytes: &[u8; 32],
        random: Arc<dyn Random>,
    ) -> Result<Self, SealError> {
        Self {
            current: current.clone(),
            keys: HashMap::new(),
            random,
            limit: Self::MAX_WRAPS,
        }
        .with_previous(current, bytes)
    }

    /// A new random key under a random id, known to nobody else: what it seals can never be opened after
    /// this process ends. For tests and experiments.
    ///
    /// # Errors
    /// `Entropy`.
    pub fn generate(random: Arc<dyn Random>) -> Result<Self, SealError> {
        let id = KekId::new(random_id::<16>(&*random)?)?;
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes)?;
        Self::new(id, &bytes, random)
    }

    /// One more key, which opens what it sealed and seals nothing new.
    ///
    /// # Errors
    /// `WeakKek` when the bytes repeat themselves, or the id is there already.
    pub fn with_previous(mut self, id: KekId, bytes: &[u8; 32]) -> Result<Self, SealError> {
        if crate::secret::is_repetition(bytes) {
            return Err(SealError::WeakKek(
                "it repeats itself: take 32 random bytes",
            ));
        }
        let kek = Kek {
            key: aead::Key::new(bytes)?,
            wrapped: AtomicU64::new(0),
        };
        if self.keys.insert(id, kek).is_some() {
            return Err(SealError::WeakKek("its id is given twice: one id, one key"));
        }
        Ok(self)
    }

    /// The id of the current key.
    #[must_use]
    pub const fn current(&self) -> &KekId {
        &self.current
    }

    fn find(&self, id: &KekId) -> Result<&Kek, SealError> {
        self.keys
            .get(id)
            .ok_or_else(|| SealError::UnknownKek(id.clone()))
    }

    #[cfg(test)]
    pub(super) fn with_limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }
}

#[async_trait]
impl KeyEncryption for LocalKeys {
    async fn wrap(&self, data_key: &DataKey, context: &[u8]) -> Result<WrappedKey, SealError> {
        let kek = self.find(&self.current)?;
        // counted before it is used: a failure afterwards costs one use, never one too many
        kek.wrapped
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                (used < self.limit).then_some(used + 1)
            })
            .map_err(|_| SealError::Exhausted)?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce)?;
        let sealed = kek
            .key
            .seal(nonce, &bound(&self.current, context), data_key.expose())?;
        Ok(WrappedKey {
            kek: self.current.clone(),
            bytes: [&nonce[..], &sealed].concat(),
        })
    }

    async fn unwrap(
        &self,
        kek: &KekId,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<DataKey, SealError> {
        let found = self.find(kek)?;
        // The record was read before; what does not fit in it was changed, its length as much as its bits.
        let (nonce, sealed) = wrapped.split_first_chunk().ok_or(SealError::Tampered)?;
        let opened = found.key.open(*nonce, &bound(kek, context), sealed)?;
        opened
            .expose()
            .try_into()
            .map(DataKey::new)
            .map_err(|_| SealError::Tampered)
    }
}

/// What a wrapped key is bound to: the id of its key-encryption key and the record's place.
fn bound(kek: &KekId, context: &[u8]) -> Vec<u8> {
    let id = kek.as_str();
    [b"fountain kek 1", &length(id)[..], id.as_bytes(), context].concat()
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKeys")
            .field("current", &self.current)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
