//! Secrets that cannot be printed, and digests that a store may hold.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use constant_time_eq::constant_time_eq_32;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A text that must not be seen: an API key, a token, a pepper.
///
/// It has no `Display`, no `Serialize` and no `PartialEq`; `Debug` is redacted; the memory is wiped on
/// drop (R-77). Read it with [`Secret::expose`], once, where it is handed to its owner.
///
/// ```
/// let key = fountain_core::Secret::from(String::from("fnt_live_abc"));
/// assert_eq!(format!("{key:?}"), "Secret(..)");
/// assert_eq!(key.expose(), "fnt_live_abc");
/// ```
///
/// ```compile_fail
/// let key = fountain_core::Secret::from(String::from("fnt_live_abc"));
/// println!("{key}");
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself. What is done with it from here on is the caller's responsibility.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Secret bytes: keys and key material. Wiped on drop, redacted in `Debug`.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// A SHA-256 or HMAC-SHA-256 digest of a secret: what a store may hold in its place (R-34).
///
/// Compared in constant time. It is no secret by itself, since what it is taken of has at least 112
/// bits of entropy; `Debug` shows only its first four bytes all the same.
///
/// ```
/// use fountain_core::Digest;
///
/// let digest = Digest::of(b"a refresh token of 256 random bits");
/// assert!(digest.matches(&Digest::of(b"a refresh token of 256 random bits")));
/// assert!(!digest.matches(&Digest::of(b"another")));
/// ```
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// SHA-256 of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_slice(digest::digest(&digest::SHA256, bytes).as_ref())
    }

    /// HMAC-SHA-256 of these bytes under `pepper`.
    #[must_use]
    pub fn keyed(pepper: &Pepper, bytes: &[u8]) -> Self {
        Self::from_slice(hmac::sign(&pepper.0, bytes).as_ref())
    }

    /// A digest read back from a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are the same, in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        constant_time_eq_32(&self.0, &other.0)
    }

    fn from_slice(slice: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes
            .iter_mut()
            .zip(slice)
            .for_each(|(to, from)| *to = *from);
        Self(bytes)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl Eq for Digest {}

impl std::hash::Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Digest({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64_simd::URL_SAFE_NO_PAD.encode_to_string(self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = base64_simd::URL_SAFE_NO_PAD
            .decode_to_vec(text)
            .map_err(|_| serde::de::Error::custom("a digest is 43 base64url characters"))?;
        <[u8; 32]>::try_from(bytes.as_slice())
            .map(Self)
            .map_err(|_| serde::de::Error::custom("a digest is 32 bytes"))
    }
}

/// A key held outside the store, mixed into digests so that a stolen table alone proves nothing.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// A pepper of exactly 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(..)")
    }
}

/// Whether the bytes are a shorter text written more than once: `changemechangeme...`, all zeros.
///
/// By chance that happens to one in 2^128 keys of 32 bytes, so who sees it sees a source that does not work.
pub(crate) fn is_repetition(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|period| {
        bytes
            .iter()
            .zip(bytes.iter().skip(period))
            .all(|(a, b)| a == b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-77, R-94
    #[test]
    fn nothing_secret_shows_in_debug() {
        let bytes = [0x41; 32];
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            Secret::from(String::from("AAAA")),
            SecretBytes::new(bytes.to_vec()),
            Pepper::new(&bytes),
            Digest::from_bytes(bytes),
        );
        assert!(!shown.contains("AAAA"));
        assert!(!shown.contains("4141414141"), "{shown}");
    }

    #[test]
    fn a_digest_survives_json() {
        let digest = Digest::of(b"x");
        let json = serde_json::to_string(&digest).unwrap();
        assert!(
            serde_json::from_str::<Digest>(&json)
                .unwrap()
                .matches(&digest)
        );
        assert!(serde_json::from_str::<Digest>("\"AAAA\"").is_err());
    }

    #[test]
    fn the_pepper_changes_the_digest() {
        let a = Digest::keyed(&Pepper::new(&[1; 32]), b"x");
        let b = Digest::keyed(&Pepper::new(&[2; 32]), b"x");
        assert!(!a.matches(&b) && !a.matches(&Digest::of(b"x")));
    }
}
