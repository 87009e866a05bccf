//! One issuer with keys that are the same in every run, so that a crash can be replayed and a seed stays good.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fountain_core::Timestamp;
use fountain_core::danger::InsecureSeededRandom;
use fountain_core::signing::{Algorithm, Kid, SigningKey};
use fountain_core::token::{KeySet, TokenRules, TrustedKey};
use jsonwebtoken as theirs;

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "orders";
pub(crate) const MAX_LIFE: Duration = Duration::from_secs(900);
/// When every token is judged: 2027-01-15T08:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// The algorithms of the issuer's keys. RSA is left out: it would take most of a run's time and reads nothing new.
pub(crate) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256];

/// A key of the issuer's; its `kid` is the name of its algorithm.
pub(crate) struct IssuerKey {
    pub(crate) key: SigningKey,
    pub(crate) kid: &'static str,
    pub(crate) rules: TokenRules,
    /// The set that holds it: the public keys', or the shared secret's.
    pub(crate) set: KeySet,
    /// The same key, as jsonwebtoken holds it.
    pub(crate) theirs: theirs::DecodingKey,
    pub(crate) their_algorithm: theirs::Algorithm,
}

pub(crate) static WORLD: LazyLock<Vec<IssuerKey>> = LazyLock::new(|| {
    let random = InsecureSeededRandom::new(1);
    let keys: Vec<_> = ALGORITHMS
        .iter()
        .map(|algorithm| SigningKey::generate(*algorithm, &random).expect("a seeded key"))
        .collect();
    let trusted = |key: &SigningKey| {
        let kid = Kid::new(key.algorithm().as_str()).expect("a name is a kid");
        TrustedKey::new(kid, key.verifying_key().clone())
    };
    let set = |symmetric: bool| {
        let of_kind = keys
            .iter()
            .filter(|key| key.algorithm().is_symmetric() == symmetric);
        KeySet::new(of_kind.map(trusted), []).expect("ids differ")
    };
    let (public, secret) = (set(false), set(true));
    keys.into_iter()
        .map(|key| {
            let algorithm = key.algorithm();
            IssuerKey {
                kid: algorithm.as_str(),
                rules: rules(algorithm.is_symmetric()),
                set: if algorithm.is_symmetric() {
                    secret.clone()
                } else {
                    public.clone()
                },
                theirs: decoding_key(&key),
                their_algorithm: algorithm.as_str().parse().expect("both know it"),
                key,
            }
        })
        .collect()
});

fn rules(symmetric: bool) -> TokenRules {
    let rules = TokenRules::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .max_life(MAX_LIFE);
    ALGORITHMS
        .iter()
        .filter(|algorithm| algorithm.is_symmetric() == symmetric)
        .fold(rules, |rules, algorithm| rules.algorithm(*algorithm))
        .build()
        .expect("complete")
}

fn decoding_key(key: &SigningKey) -> theirs::DecodingKey {
    let kid = Kid::new("k").expect("well-formed");
    match key.verifying_key().public_jwk(&kid) {
        Some(json) => {
            let jwk: theirs::jwk::Jwk = serde_json::from_str(&json).expect("both read it");
            theirs::DecodingKey::from_jwk(&jwk).expect("both read it")
        }
        None => theirs::DecodingKey::from_secret(key.export().expect("a secret").expose()),
    }
}

impl IssuerKey {
    /// A token with exactly this header and payload.
    pub(crate) fn sign(&self, header: &[u8], payload: &[u8]) -> String {
        let mut token = format!("{}.{}", encode(header), encode(payload));
        let mut signature = Vec::new();
        self.key
            .sign(token.as_bytes(), &mut signature)
            .expect("signing");
        token.push('.');
        token.push_str(&encode(&signature));
        token
    }

    /// The header of its tokens.
    pub(crate) fn header(&self) -> String {
        let kid = self.kid;
        format!(r#"{{"alg":"{kid}","kid":"{kid}","typ":"at+jwt"}}"#)
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Claims that are good at [`NOW`].
pub(crate) const CLAIMS: &str = r#"{"iss":"https://auth.example.com","sub":"u1","aud":"orders","client_id":"web","jti":"t1","iat":1800000000,"exp":1800000600,"tenant":"acme","scope":"orders:read orders:write","roles":["clerk"]}"#;
