use foldhash::{HashMap, HashMapExt};

use super::{Header, TokenKind};
use crate::clock::Timestamp;
use crate::error::{Error, Reason};
use crate::identity::Kid;
use crate::signing::VerifyingKey;

/// A key that one issuer's tokens may be signed with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    kid: Kid,
    key: VerifyingKey,
    signed_until: Option<Timestamp>,
}

impl TrustedKey {
    /// A key that signs and verifies.
    #[must_use]
    pub const fn new(kid: Kid, key: VerifyingKey) -> Self {
        Self {
            kid,
            key,
            signed_until: None,
        }
    }

    /// The same key, which no longer signs: tokens issued after `last` are refused (B-14).
    ///
    /// Give the instant of its retirement, plus the time that a node may take to hear of it.
    #[must_use]
    pub const fn signed_until(mut self, last: Timestamp) -> Self {
        self.signed_until = Some(last);
        self
    }

    /// Its id.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The key, bound to its one algorithm.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Whether it can have signed a token at this instant.
    pub(super) fn may_have_signed(&self, issued_at: Timestamp) -> Result<(), Reason> {
        match self.signed_until {
            Some(last) if issued_at > last => Err(Reason::TokenKeyState),
            _ => Ok(()),
        }
    }
}

/// Where a verifier finds the keys of one issuer (R-16). It answers from memory and never waits.
///
/// [`KeySet`] is one.
pub trait KeySource {
    /// The key whose tokens of this kind carry exactly this encoded header, if that is known.
    ///
    /// This is the way that almost every token takes: a comparison instead of decoding and reading JSON. `None`
    /// says nothing about the token.
    fn by_header(&self, kind: TokenKind, encoded: &str) -> Option<&TrustedKey>;

    /// The key with this id.
    ///
    /// # Errors
    /// `TokenUnknownKey` when there is none, `TokenKeyState` when it may not verify now,
    /// `TokenIssuerKeysUnavailable` when the issuer's keys cannot be had.
    fn by_kid(&self, kid: &Kid) -> Result<&TrustedKey, Reason>;
}

/// The keys of one issuer as of one moment.
///
/// ```
/// use fountain_core::OsRandom;
/// use fountain_core::signing::{Algorithm, Kid, SigningKey};
/// use fountain_core::token::{KeySet, KeySource, TrustedKey};
/// use fountain_core::Reason;
///
/// let key = SigningKey::generate(Algorithm::EdDsa, &OsRandom)?;
/// let active = TrustedKey::new(Kid::new("2030-01")?, key.verifying_key().clone());
/// let keys = KeySet::new([active.clone()], [Kid::new("2029-12")?])?;
///
/// assert!(keys.by_kid(&Kid::new("2030-01")?).is_ok());
/// assert_eq!(keys.by_kid(&Kid::new("2029-12")?).unwrap_err(), Reason::TokenKeyState);
/// assert_eq!(keys.by_kid(&Kid::new("other")?).unwrap_err(), Reason::TokenUnknownKey);
///
/// // One id for two keys would let the order decide.
/// assert!(KeySet::new([active.clone(), active], []).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    /// A key that is known but may not verify is `None`.
    by_kid: HashMap<Kid, Option<TrustedKey>>,
    by_header: HashMap<String, (TokenKind, TrustedKey)>,
}

impl KeySet {
    /// The keys that verify, and the ids of those that are known but may not: pending, removed, revoked.
    ///
    /// # Errors
    /// `InvalidInput` when two keys have one id, or when a shared secret stands beside public keys (R-30).
    pub fn new(
        keys: impl IntoIterator<Item = TrustedKey>,
        barred: impl IntoIterator<Item = Kid>,
    ) -> Result<Self, Error> {
        let mut set = Self {
            by_kid: HashMap::new(),
            by_header: HashMap::new(),
        };
        let mut symmetric = None;
        for trusted in keys {
            let algorithm = trusted.key.algorithm();
            if *symmetric.get_or_insert(algorithm.is_symmetric()) != algorithm.is_symmetric() {
                return Err(Error::invalid(
                    "keys",
                    "keep a shared secret and public keys in sets of their own",
                ));
            }
            for kind in TokenKind::ALL {
                let header = Header::encode(algorithm, &trusted.kid, *kind);
                set.by_header.insert(header, (*kind, trusted.clone()));
            }
            set.insert(trusted.kid.clone(), Some(trusted))?;
        }
        for kid in barred {
            set.insert(kid, None)?;
        }
        Ok(set)
    }

    fn insert(&mut self, kid: Kid, key: Option<TrustedKey>) -> Result<(), Error> {
        match self.by_kid.insert(kid, key) {
            None => Ok(()),
            Some(_) => Err(Error::invalid("keys", "give each key an id of its own")),
        }
    }
}

impl KeySource for KeySet {
    fn by_header(&self, kind: TokenKind, encoded: &str) -> Option<&TrustedKey> {
        match self.by_header.get(encoded) {
            Some((its_kind, key)) if *its_kind == kind => Some(key),
            _ => None,
        }
    }

    fn by_kid(&self, kid: &Kid) -> Result<&TrustedKey, Reason> {
        match self.by_kid.get(kid) {
            Some(Some(key)) => Ok(key),
            Some(None) => Err(Reason::TokenKeyState),
            None => Err(Reason::TokenUnknownKey),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsRandom;
    use crate::signing::{Algorithm, SigningKey};

    fn trusted(algorithm: Algorithm, kid: &str) -> TrustedKey {
        let key = SigningKey::generate(algorithm, &OsRandom).unwrap();
        TrustedKey::new(Kid::new(kid).unwrap(), key.verifying_key().clone())
    }

    /// R-30, B-44
    #[test]
    fn a_set_with_two_keys_of_one_id_or_with_a_secret_among_public_keys_is_refused() {
        let kid = Kid::new("k").unwrap();
        let one = trusted(Algorithm::EdDsa, "k");
        assert!(KeySet::new([one.clone()], []).is_ok());
        assert!(KeySet::new([one.clone(), trusted(Algorithm::EdDsa, "k")], []).is_err());
        assert!(KeySet::new([one.clone()], [kid]).is_err());
        assert!(KeySet::new([one, trusted(Algorithm::Hs256, "h")], []).is_err());
    }

    #[test]
    fn a_known_header_is_that_of_its_kind_only() {
        let key = trusted(Algorithm::EdDsa, "k");
        let header = Header::encode(Algorithm::EdDsa, key.kid(), TokenKind::StepUp);
        let set = KeySet::new([key], []).unwrap();
        assert!(set.by_header(TokenKind::StepUp, &header).is_some());
        assert!(set.by_header(TokenKind::Access, &header).is_none());
    }
}
