use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::KeyringConfig;
use crate::error::{Error, ErrorKind};
use crate::identity::Issuer;
use crate::seal::{SealContext, SealError, Sealer};
use crate::secret::Digest;
use crate::signing::{
    Algorithm, KeyRing, Kid, SigningKey, SigningKeyRecord, SigningKeyState, VerifyingKey,
};
use crate::token::{KeySet, TokenSigner, TrustedKey};

/// A ring as the store held it, its keys opened and parsed.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) ring: KeyRing,
    /// What can be used of the keys that are neither removed nor revoked.
    opened: HashMap<Kid, Result<VerifyingKey, ErrorKind>>,
    active: Option<Active>,
    pub(super) keys: Arc<KeySet>,
    pub(super) published: Arc<PublishedJwks>,
}

#[derive(Debug, Clone)]
struct Active {
    kid: Kid,
    signer: Result<Arc<TokenSigner>, ErrorKind>,
}

/// A JWK set, with what a server needs to serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedJwks {
    json: String,
    etag: String,
    max_age: Duration,
}

impl PublishedJwks {
    /// The media type to serve it under (RFC 7517 section 8.5.2).
    pub const MEDIA_TYPE: &'static str = "application/jwk-set+json";

    /// The set itself.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// A strong validator, quoted as the `ETag` header wants it: equal if, and only if, the set is.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// How long a client may keep it, for `Cache-Control`.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        self.max_age
    }

    fn of<'a>(keys: impl Iterator<Item = (&'a Kid, &'a VerifyingKey)>, max_age: Duration) -> Self {
        let keys: Vec<String> = keys.filter_map(|(kid, key)| key.public_jwk(kid)).collect();
        let json = format!("{{\"keys\":[{}]}}", keys.join(","));
        let digest = Digest::of(json.as_bytes());
        let tag = base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes());
        Self {
            json,
            etag: format!("\"{tag}\""),
            max_age,
        }
    }
}

impl Content {
    /// Opens a ring. Keys that were opened before are taken over from `before`.
    ///
    /// Every key comes out of its seal, the public half as well: who can write to the store but has no
    /// key-encryption key cannot bring in a key of their own. A key that does not open is barred, and the others stay (F-35).
    pub(super) async fn open(
        ring: KeyRing,
        before: Option<&Self>,
        config: &KeyringConfig,
        sealer: &Sealer,
    ) -> Result<Self, Error> {
        let mut opened = HashMap::new();
        let mut active = None;
        for record in ring.keys.iter().filter(|record| is_live(record)) {
            let signs = record.state == SigningKeyState::Active;
            if let Some(known) = before.and_then(|before| before.known(record, signs)) {
                opened.insert(record.kid.clone(), Ok(known));
                if signs {
                    active = before.and_then(|before| before.active.clone());
                }
                continue;
            }
            let key = open_key(record, config.issuer(), sealer).await?;
            if let Err(kind) = &key {
                tracing::error!(kid = %record.kid, error = %kind, "a signing key does not open");
            }
            let verifying = key.as_ref().map(|key| key.verifying_key().clone());
            opened.insert(record.kid.clone(), verifying.map_err(Clone::clone));
            if signs {
                active = Some(Active::new(&record.kid, key));
            }
        }
        let usable = |record: &SigningKeyRecord| opened.get(&record.kid)?.as_ref().ok().cloned();
        let trusted = ring.keys.iter().filter_map(|record| {
            let key = TrustedKey::new(record.kid.clone(), usable(record)?);
            match (record.state, record.retired_at) {
                (SigningKeyState::Active, _) => Some(key),
                (SigningKeyState::Retired, Some(at)) => Some(key.signed_until(at + config.grace())),
                _ => None,
            }
        });
        let trusted: Vec<TrustedKey> = trusted.collect();
        let is_trusted = |kid: &Kid| trusted.iter().any(|key| key.kid() == kid);
        let barred: Vec<Kid> = ring
            .keys
            .iter()
            .map(|record| record.kid.clone())
            .filter(|kid| !is_trusted(kid))
            .collect();
        let published = PublishedJwks::of(
            ring.keys
                .iter()
                .filter_map(|record| Some((&record.kid, opened.get(&record.kid)?.as_ref().ok()?))),
            config.jwks_max_age(),
        );
        Ok(Self {
            keys: Arc::new(
                KeySet::new(trusted, barred)
                    .map_err(|error| Error::with_source(ErrorKind::Corrupt, error))?,
            ),
            published: Arc::new(published),
            opened,
            active,
            ring,
        })
    }

    /// The active key.
    pub(super) fn signer(&self) -> Result<Arc<TokenSigner>, Error> {
        match &self.active {
            None => Err(NO_ACTIVE_KEY),
            Some(active) => active.signer.clone().map_err(Error::from),
        }
    }

    pub(super) fn active_kid(&self) -> Option<&Kid> {
        self.active.as_ref().map(|active| &active.kid)
    }

    /// Whether a key came out of its seal.
    pub(super) fn check_usable(&self, kid: &Kid) -> Result<(), Error> {
        match self.opened.get(kid) {
            Some(Ok(_)) => Ok(()),
            Some(Err(kind)) => Err(kind.clone().into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Whether every key came out of its seal. What did not is tried again when the store is read again.
    pub(super) fn is_whole(&self) -> bool {
        self.opened.values().all(Result::is_ok)
    }

    /// The key of a record that was opened as exactly the same bytes before, and for signing if it signs.
    fn known(&self, record: &SigningKeyRecord, signs: bool) -> Option<VerifyingKey> {
        let same = self.ring.keys.iter().any(|known| {
            known.kid == record.kid
                && known.algorithm == record.algorithm
                && known.sealed == record.sealed
        });
        let signed = self.active_kid() == Some(&record.kid);
        let key = self
            .opened
            .get(&record.kid)
            .filter(|_| same && (signed || !signs))?;
        key.as_ref().ok().cloned()
    }
}

impl Active {
    fn new(kid: &Kid, key: Result<SigningKey, ErrorKind>) -> Self {
        Self {
            kid: kid.clone(),
            signer: key.map(|key| Arc::new(TokenSigner::new(kid.clone(), Arc::new(key)))),
        }
    }
}

const NO_ACTIVE_KEY: Error = Error::new(ErrorKind::Conflict(
    "no signing key is active yet: call bootstrap first",
));

/// Whether a key may still be used for anything.
pub(super) const fn is_live(record: &SigningKeyRecord) -> bool {
    matches!(
        record.state,
        SigningKeyState::Pending | SigningKeyState::Active | SigningKeyState::Retired
    )
}

/// Seals a new key for its place in the store.
pub(super) async fn seal_key(
    key: &SigningKey,
    issuer: &Issuer,
    kid: &Kid,
    sealer: &Sealer,
) -> Result<Vec<u8>, Error> {
    let row = row(key.algorithm(), kid);
    Ok(sealer.seal(&key.export()?, place(issuer, &row)).await?)
}

/// The inner error is about this key alone; the outer one about the holder of the key-encryption keys.
///
/// Opened for the issuer that the ring is for, not for the one that the record names: a row that was copied from
/// another issuer does not open.
async fn open_key(
    record: &SigningKeyRecord,
    issuer: &Issuer,
    sealer: &Sealer,
) -> Result<Result<SigningKey, ErrorKind>, Error> {
    let row = row(record.algorithm, &record.kid);
    match sealer.open(&record.sealed, place(issuer, &row)).await {
        Ok(exported) => {
            Ok(SigningKey::import(record.algorithm, &exported).map_err(|_| ErrorKind::Corrupt))
        }
        Err(error @ (SealError::Unavailable(_) | SealError::Entropy)) => Err(error.into()),
        Err(error) => Ok(Err(Error::from(error).kind().clone())),
    }
}

fn place<'a>(issuer: &'a Issuer, row: &'a str) -> SealContext<'a> {
    SealContext::of_issuer(issuer, "signing_keys", "sealed", row)
}

/// The algorithm is part of the place: changed in the store, the key does not open.
fn row(algorithm: Algorithm, kid: &Kid) -> String {
    format!("{algorithm} {kid}")
}
