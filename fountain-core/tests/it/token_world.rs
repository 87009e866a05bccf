//! An issuer with three keys, the rules of a verifier that trusts it, and the means to sign anything at all.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fountain_core::signing::{Algorithm, Kid, SigningKey};
use fountain_core::token::{
    AccessClaims, KeySet, KeySource, TokenKind, TokenRules, TokenRulesBuilder, TrustedKey,
    verify_access,
};
use fountain_core::{OsRandom, Reason, Rejection, Timestamp};
use serde_json::{Value, json};

pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
pub(crate) const ISSUER: &str = "https://auth.example.com";

/// The algorithms of the issuer's keys; the `kid` of each is its name.
pub(crate) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];

pub(crate) struct World {
    pub(crate) rules: TokenRules,
    pub(crate) keys: KeySet,
    signing: Vec<SigningKey>,
}

/// Made once: an RSA key takes its time.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    let signing: Vec<_> = ALGORITHMS
        .iter()
        .map(|algorithm| new_key(*algorithm))
        .collect();
    let trusted = signing
        .iter()
        .map(|key| trusted(key.algorithm().as_str(), key));
    World {
        rules: rules().build().unwrap(),
        keys: KeySet::new(trusted, ["pending", "removed", "revoked"].map(kid)).unwrap(),
        signing,
    }
});

impl World {
    pub(crate) fn key(&self, algorithm: Algorithm) -> &SigningKey {
        self.signing
            .iter()
            .find(|key| key.algorithm() == algorithm)
            .unwrap()
    }

    pub(crate) fn verify(&self, token: &str) -> Result<AccessClaims, Rejection> {
        verify_access(token, &self.rules, &self.keys, NOW)
    }

    /// A token of the issuer's with this payload.
    pub(crate) fn token(&self, payload: impl AsRef<[u8]>) -> String {
        signed(
            self.key(Algorithm::EdDsa),
            header(Algorithm::EdDsa).to_string(),
            payload,
        )
    }

    /// A token of the issuer's with good claims under this header.
    pub(crate) fn token_under(&self, header: impl AsRef<[u8]>) -> String {
        signed(self.key(Algorithm::EdDsa), header, claims().to_string())
    }
}

pub(crate) fn rules() -> TokenRulesBuilder {
    let builder = TokenRules::builder()
        .issuer(ISSUER)
        .audience("orders")
        .max_life(Duration::from_secs(900));
    ALGORITHMS
        .iter()
        .fold(builder, |builder, algorithm| builder.algorithm(*algorithm))
}

pub(crate) fn new_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, &OsRandom).unwrap()
}

/// A key of each algorithm; those of RSA have the same numbers, the harder case and the faster one.
pub(crate) fn key_of_each() -> Vec<SigningKey> {
    let rsa = WORLD.key(Algorithm::Rs256).export().unwrap();
    Algorithm::ALL
        .iter()
        .map(|&algorithm| {
            // an algorithm of another kind does not read an RSA key
            SigningKey::import(algorithm, &rsa).unwrap_or_else(|_| new_key(algorithm))
        })
        .collect()
}

pub(crate) fn kid(text: &str) -> Kid {
    Kid::new(text).unwrap()
}

pub(crate) fn trusted(name: &str, key: &SigningKey) -> TrustedKey {
    TrustedKey::new(kid(name), key.verifying_key().clone())
}

pub(crate) fn header(algorithm: Algorithm) -> Value {
    json!({"alg": algorithm.as_str(), "kid": algorithm.as_str(), "typ": "at+jwt"})
}

/// Claims that the rules accept at [`NOW`].
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "u1", "aud": "orders", "client_id": "web", "jti": "t1",
        "iat": 1_800_000_000, "exp": 1_800_000_600, "tenant": "acme",
        "scope": "orders:read orders:write", "roles": ["clerk"],
    })
}

/// A copy of an object with one member set.
pub(crate) fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

/// A copy of an object without one member.
pub(crate) fn without(mut object: Value, name: &str) -> Value {
    assert!(object.as_object_mut().unwrap().remove(name).is_some());
    object
}

/// The text of an object with one member replaced by text that need not be JSON.
pub(crate) fn with_text(object: Value, name: &str, text: &str) -> String {
    let rest = match object.get(name) {
        Some(_) => without(object, name),
        None => object,
    };
    format!("{{\"{name}\":{text},{}", &rest.to_string()[1..])
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Anything, signed.
pub(crate) fn signed(
    key: &SigningKey,
    header: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> String {
    signed_input(key, &format!("{}.{}", encode(header), encode(payload)))
}

pub(crate) fn signed_input(key: &SigningKey, input: &str) -> String {
    let mut signature = Vec::new();
    key.sign(input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", encode(signature))
}

/// Counts the look-ups of keys by what a token says.
pub(crate) struct CountingKeys<'k> {
    keys: &'k KeySet,
    look_ups: AtomicUsize,
}

impl<'k> CountingKeys<'k> {
    pub(crate) fn new(keys: &'k KeySet) -> Self {
        Self {
            keys,
            look_ups: AtomicUsize::new(0),
        }
    }

    pub(crate) fn look_ups(&self) -> usize {
        self.look_ups.load(Ordering::Relaxed)
    }
}

impl KeySource for CountingKeys<'_> {
    fn by_header(&self, kind: TokenKind, encoded: &str) -> Option<&TrustedKey> {
        self.keys.by_header(kind, encoded)
    }

    fn by_kid(&self, kid: &Kid) -> Result<&TrustedKey, Reason> {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
        self.keys.by_kid(kid)
    }
}
