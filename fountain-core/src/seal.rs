//! Sealing: what a store must keep but may not read, such as private signing keys (R-72, R-75).
//!
//! Every record gets its own data key, used once. The data key is wrapped by a key-encryption key that is
//! held outside the store: by [`LocalKeys`], or by a service such as Vault or a cloud's KMS behind [`KeyEncryption`].
//! A sealed record is bound to its place, its [`SealContext`]: moved to another row, column, table or tenant
//! it does not open.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::identity::{Issuer, Tenant};
use crate::random::Random;
use crate::secret::SecretBytes;
use crate::text::{is_all, text_type};

mod aead;
mod envelope;
mod error;
mod local;

use envelope::Envelope;
pub use error::SealError;
pub use local::LocalKeys;

text_type!(
    /// The id of a key-encryption key. 1 to 128 bytes of `[A-Za-z0-9._:/-]`.
    KekId,
    "key-encryption key id",
    |t| is_all(t, 1, 128, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'/' | b'-')),
    "write 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', ':', '/', '-'"
);

/// Wraps data keys: who holds the key-encryption keys.
///
/// # Contract
/// - A: what `wrap` gives, `unwrap` turns back into the same bytes, with the same id and context.
/// - B: `unwrap` fails when the id, the context or any bit of the wrapped key differs; it never gives other bytes.
/// - C: an id that is not known is `UnknownKek`; other keys are not tried.
/// - D: not being able to ask the holder of the keys is `Unavailable`, and never anything else.
#[async_trait]
pub trait KeyEncryption: fmt::Debug + Send + Sync + 'static {
    /// Wraps a data key under the current key-encryption key, bound to `context`.
    ///
    /// # Errors
    /// Why it was not done.
    async fn wrap(&self, data_key: &DataKey, context: &[u8]) -> Result<WrappedKey, SealError>;

    /// Unwraps a data key that was wrapped under `kek` with the same `context`.
    ///
    /// # Errors
    /// `UnknownKek`, `Tampered` or `Unavailable`.
    async fn unwrap(
        &self,
        kek: &KekId,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<DataKey, SealError>;
}

/// A key of AES-256 that seals one record. Wiped on drop, redacted in `Debug`.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves, for a [`KeyEncryption`].
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// A wrapped data key, with the id of what wrapped it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key-encryption key.
    pub kek: KekId,
    /// The wrapped bytes: at most 2048.
    pub bytes: Vec<u8>,
}

/// Where a sealed record belongs: whose it is, and its table, column and row.
///
/// It is authenticated with the record and not stored in it (R-72): opening needs the same context again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealContext<'a> {
    owner: Owner<'a>,
    table: &'static str,
    column: &'static str,
    row: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner<'a> {
    Tenant(&'a Tenant),
    Issuer(&'a Issuer),
}

impl<'a> SealContext<'a> {
    /// The place of a tenant's record.
    #[must_use]
    pub const fn of_tenant(
        tenant: &'a Tenant,
        table: &'static str,
        column: &'static str,
        row: &'a str,
    ) -> Self {
        Self {
            owner: Owner::Tenant(tenant),
            table,
            column,
            row,
        }
    }

    /// The place of an issuer's record.
    #[must_use]
    pub const fn of_issuer(
        issuer: &'a Issuer,
        table: &'static str,
        column: &'static str,
        row: &'a str,
    ) -> Self {
        Self {
            owner: Owner::Issuer(issuer),
            table,
            column,
            row,
        }
    }

    /// The context as bytes, every part with its length before it, so that no two contexts give the same.
    fn encode(&self, version: u8) -> Vec<u8> {
        let (kind, owner) = match self.owner {
            Owner::Tenant(tenant) => ("tenant", tenant.as_str()),
            Owner::Issuer(issuer) => ("issuer", issuer.as_str()),
        };
        let mut bytes = b"fountain seal".to_vec();
        bytes.push(version);
        for part in [kind, owner, self.table, self.column, self.row] {
            bytes.extend_from_slice(&length(part));
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// The length of a text, the same on every platform.
fn length(text: &str) -> [u8; 8] {
    u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes()
}

/// Seals and opens records.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::{OsRandom, SecretBytes, Tenant};
/// use fountain_core::seal::{KekId, LocalKeys, SealContext, SealError, Sealer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let thirty_two_bytes_from_the_environment = *b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64";
/// let random = Arc::new(OsRandom);
/// let keys = LocalKeys::new(KekId::new("2030-01")?, &thirty_two_bytes_from_the_environment, random.clone())?;
/// let sealer = Sealer::new(Arc::new(keys), random);
///
/// let tenant = Tenant::default();
/// let place = SealContext::of_tenant(&tenant, "webhooks", "secret", "42");
/// let sealed = sealer.seal(&SecretBytes::new(b"secret".to_vec()), place).await?;
/// assert_eq!(sealer.open(&sealed, place).await?.expose(), b"secret");
///
/// // a record that was moved to another row does not open
/// let elsewhere = SealContext::of_tenant(&tenant, "webhooks", "secret", "43");
/// assert!(matches!(sealer.open(&sealed, elsewhere).await, Err(SealError::Tampered)));
/// # Ok::<(), fountain_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Sealer {
    keys: Arc<dyn KeyEncryption>,
    random: Arc<dyn Random>,
}

impl Sealer {
    /// The longest plaintext, in bytes.
    pub const MAX_PLAINTEXT: usize = 1 << 20;

    /// A sealer whose data keys are wrapped by `keys`.
    #[must_use]
    pub fn new(keys: Arc<dyn KeyEncryption>, random: Arc<dyn Random>) -> Self {
        Self { keys, random }
    }

    /// Seals a record under a new data key.
    ///
    /// # Errors
    /// `TooLarge` beyond 1 MiB, `Entropy`, or why the data key could not be wrapped.
    ///
    /// # Cancel safety
    /// Nothing is kept: a dropped call has done nothing.
    pub async fn seal(
        &self,
        plaintext: &SecretBytes,
        context: SealContext<'_>,
    ) -> Result<Vec<u8>, SealError> {
        if plaintext.expose().len() > Self::MAX_PLAINTEXT {
            return Err(SealError::TooLarge);
        }
        let aad = context.encode(envelope::CURRENT_VERSION);
        let mut data_key = DataKey::new([0; 32]);
        self.random.fill(&mut *data_key.0)?;
        let mut nonce = [0; aead::NONCE_LEN];
        self.random.fill(&mut nonce)?;
        let wrapped = self.keys.wrap(&data_key, &aad).await?;
        let ciphertext =
            aead::Key::new(data_key.expose())?.seal(nonce, &aad, plaintext.expose())?;
        Envelope {
            version: envelope::CURRENT_VERSION,
            kek: wrapped.kek,
            wrapped: &wrapped.bytes,
            nonce,
            ciphertext: &ciphertext,
        }
        .write()
    }

    /// Opens a record that was sealed for the same place.
    ///
    /// The record names its key-encryption key; no other one is tried.
    ///
    /// # Errors
    /// `Malformed`, `Version` or `UnknownKek` before anything is decrypted, `Tampered` when the record, its
    /// place or the key-encryption key is not what it was sealed with, or `Unavailable`. There is no plaintext then.
    ///
    /// # Cancel safety
    /// Nothing is kept: a dropped call has done nothing.
    pub async fn open(
        &self,
        sealed: &[u8],
        context: SealContext<'_>,
    ) -> Result<SecretBytes, SealError> {
        let envelope = Envelope::read(sealed)?;
        let aad = context.encode(envelope.version);
        let data_key = self
            .keys
            .unwrap(&envelope.kek, envelope.wrapped, &aad)
            .await?;
        aead::Key::new(data_key.expose())?.open(envelope.nonce, &aad, envelope.ciphertext)
    }

    /// Which key-encryption key a record is sealed under, without opening it.
    ///
    /// # Errors
    /// `Malformed` or `Version`.
    pub fn kek_of(sealed: &[u8]) -> Result<KekId, SealError> {
        Envelope::read(sealed).map(|envelope| envelope.kek)
    }

    /// Seals and opens a probe: shows that the key-encryption key is there and works (R-74).
    ///
    /// # Errors
    /// As [`Sealer::seal`] and [`Sealer::open`].
    ///
    /// # Cancel safety
    /// Nothing is kept: a dropped call has done nothing.
    pub async fn check(&self) -> Result<(), SealError> {
        let tenant = Tenant::default();
        let place = SealContext::of_tenant(&tenant, "fountain", "probe", "probe");
        let probe = SecretBytes::new(b"probe".to_vec());
        let sealed = self.seal(&probe, place).await?;
        let opened = self.open(&sealed, place).await?;
        if constant_time_eq::constant_time_eq(opened.expose(), probe.expose()) {
            Ok(())
        } else {
            Err(SealError::Tampered)
        }
    }
}

#[cfg(test)]
mod tests;
