//! The same tokens, read and written by `jsonwebtoken` as well: what is valid must be valid for both.

use std::sync::Arc;

use fountain_core::signing::{Algorithm, SigningKey};
use fountain_core::token::{AccessClaims, KeySet, TokenRules, TokenSigner, verify_access};
use fountain_core::{Clock, SystemClock};
use jsonwebtoken as peer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::token_world::{ISSUER, kid, new_key, trusted};

/// How many random sets of claims for each algorithm.
const CASES: u32 = 1_000;

fn is_rsa(algorithm: Algorithm) -> bool {
    algorithm.as_str().starts_with(['R', 'P'])
}

struct Pair {
    ours: Arc<SigningKey>,
    keys: KeySet,
    rules: TokenRules,
    algorithm: peer::Algorithm,
    private: peer::EncodingKey,
    public: peer::DecodingKey,
}

fn pair(ours: Algorithm, algorithm: peer::Algorithm) -> Pair {
    let key = new_key(ours);
    let exported = key.export().unwrap();
    let exported = exported.expose();
    let private = match ours {
        Algorithm::EdDsa => peer::EncodingKey::from_ed_der(exported),
        Algorithm::Es256 | Algorithm::Es384 => peer::EncodingKey::from_ec_der(exported),
        // PKCS#1 is what PKCS#8 holds behind 26 bytes, for every modulus of 2048 to 8192 bits.
        _ if is_rsa(ours) => peer::EncodingKey::from_rsa_der(&exported[26..]),
        _ => peer::EncodingKey::from_secret(exported),
    };
    let jwk = peer::jwk::Jwk::from_encoding_key(&private, algorithm).unwrap();
    let rules = TokenRules::builder()
        .issuer(ISSUER)
        .audience("orders")
        .algorithm(ours);
    Pair {
        keys: KeySet::new([trusted("k", &key)], []).unwrap(),
        rules: rules.max_life(TokenRules::MAX_LIFE).build().unwrap(),
        ours: Arc::new(key),
        algorithm,
        public: peer::DecodingKey::from_jwk(&jwk).unwrap(),
        private,
    }
}

fn number() -> impl Strategy<Value = Value> {
    // A fraction that a double holds exactly, so that no rounding is compared.
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| json!(f64::from(n) / 4.0))
    ]
}

/// Claims that are good for two hours from `now` on, with anything beside them.
fn claims(now: i64) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        number(),
        "(?s).{0,12}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null)
    ];
    let tree = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("(?s).{0,4}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    (
        "[^\\p{Cc}\\p{Z}]{1,40}",
        prop::collection::vec("[!-~]{1,20}", 0..3),
        "[!-~]{1,64}",
        // `jsonwebtoken` reads the clock of the machine: what is signed first must be valid when a slow run ends.
        (0..3_600_i64, 7_200..36_000_i64, any::<bool>()),
        prop::collection::vec("[^\\p{Cc}]{1,12}", 0..3),
        prop::collection::btree_map("[x-z][^\\p{Cc}]{0,8}", tree, 0..4),
    )
        .prop_map(
            move |(subject, others, id, (age, life, half), roles, extra)| {
                let mut claims: Map<String, Value> = extra.into_iter().collect();
                let half = if half { 0.5 } else { 0.0 };
                let at = |seconds: i64| json!(f64::from(i32::try_from(seconds).unwrap()) + half);
                let audience = match others.as_slice() {
                    [] => json!("orders"),
                    others => json!(
                        others
                            .iter()
                            .map(String::as_str)
                            .chain(["orders"])
                            .collect::<Vec<_>>()
                    ),
                };
                for (name, value) in [
                    ("iss", json!(ISSUER)),
                    ("sub", json!(subject)),
                    ("aud", audience),
                    ("client_id", json!("web")),
                    ("jti", json!(id)),
                    ("iat", at(now - age)),
                    ("exp", at(now + life)),
                    ("roles", json!(roles)),
                ] {
                    claims.insert(name.to_owned(), value);
                }
                Value::Object(claims)
            },
        )
}

// Ed25519's newer name and ES512 are missing: `jsonwebtoken` does not know them.

///
#[test]
fn what_either_signs_on_a_curve_or_with_a_secret_both_read_alike() {
    read_alike([
        (Algorithm::EdDsa, peer::Algorithm::EdDSA),
        (Algorithm::Es256, peer::Algorithm::ES256),
        (Algorithm::Es384, peer::Algorithm::ES384),
        (Algorithm::Hs256, peer::Algorithm::HS256),
        (Algorithm::Hs384, peer::Algorithm::HS384),
        (Algorithm::Hs512, peer::Algorithm::HS512),
    ]);
}

///
#[test]
fn what_either_signs_with_rsa_pkcs1_both_read_alike() {
    read_alike([
        (Algorithm::Rs256, peer::Algorithm::RS256),
        (Algorithm::Rs384, peer::Algorithm::RS384),
        (Algorithm::Rs512, peer::Algorithm::RS512),
    ]);
}

///
#[test]
fn what_either_signs_with_rsa_pss_both_read_alike() {
    read_alike([
        (Algorithm::Ps256, peer::Algorithm::PS256),
        (Algorithm::Ps384, peer::Algorithm::PS384),
        (Algorithm::Ps512, peer::Algorithm::PS512),
    ]);
}

fn read_alike(pairs: impl IntoIterator<Item = (Algorithm, peer::Algorithm)>) {
    let now = SystemClock::new().now();
    for (ours, theirs) in pairs {
        let pair = pair(ours, theirs);
        let mut runner = TestRunner::new(Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        });
        runner
            .run(&claims(now.as_unix_seconds()), |sent| {
                // Theirs, read by us.
                let mut header = peer::Header::new(pair.algorithm);
                header.kid = Some("k".to_owned());
                header.typ = Some("at+jwt".to_owned());
                let token = peer::encode(&header, &sent, &pair.private).unwrap();
                let read = verify_access(&token, &pair.rules, &pair.keys, now);
                let read = read.map_err(|refused| {
                    TestCaseError::fail(format!("{ours}: {}", refused.reason()))
                })?;
                agree(&read, &sent)?;

                // Ours, read by them.
                let signer = TokenSigner::new(kid("k"), Arc::clone(&pair.ours));
                let token = signer.sign_access(&read).unwrap();
                let mut validation = peer::Validation::new(pair.algorithm);
                validation.set_audience(&["orders"]);
                validation.set_issuer(&[ISSUER]);
                let theirs = peer::decode::<Value>(&token, &pair.public, &validation);
                let theirs =
                    theirs.map_err(|error| TestCaseError::fail(format!("{ours}: {error}")))?;
                prop_assert_eq!(theirs.header.typ.as_deref(), Some("at+jwt"));
                agree(&read, &theirs.claims)?;
                prop_assert_eq!(
                    verify_access(&token, &pair.rules, &pair.keys, now).unwrap(),
                    read
                );
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{ours}: {failure}"));
    }
}

/// The claims that we read say what a plain JSON reader finds.
fn agree(read: &AccessClaims, sent: &Value) -> Result<(), TestCaseError> {
    let audience: Vec<_> = match &sent["aud"] {
        Value::Array(entries) => entries.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let roles: Vec<_> = sent["roles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let seconds = |name: &str| sent[name].as_f64().map(|seconds| (seconds * 2.0).round());
    let half_seconds = |at: fountain_core::Timestamp| at.as_unix_micros() / 500_000;
    prop_assert_eq!(Some(read.subject.as_str()), sent["sub"].as_str());
    prop_assert_eq!(Some(read.id.as_str()), sent["jti"].as_str());
    prop_assert_eq!(
        read.audience
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<&str>>(),
        audience
    );
    prop_assert_eq!(read.roles.as_deref().unwrap_or_default(), &roles);
    prop_assert_eq!(
        json!(half_seconds(read.expires_at)).as_f64(),
        seconds("exp")
    );
    prop_assert_eq!(json!(half_seconds(read.issued_at)).as_f64(), seconds("iat"));
    for (name, value) in &read.extra {
        prop_assert_eq!(Some(value), sent.get(name), "{}", name);
    }
    let named = [
        "iss",
        "sub",
        "aud",
        "client_id",
        "jti",
        "iat",
        "exp",
        "roles",
    ];
    let others = sent
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !named.contains(&name.as_str()));
    prop_assert_eq!(others.count(), read.extra.len());
    Ok(())
}
