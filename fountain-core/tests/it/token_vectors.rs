//! Project Wycheproof's JSON Web Signatures, against what a token goes through up to its claims.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fountain_core::danger::insecure_hmac_key;
use fountain_core::signing::{Algorithm, Jwk, Kid, VerifyingKey};
use fountain_core::token::{CompactToken, MAX_TOKEN_BYTES};
use fountain_core::{Reason, SecretBytes};
use serde_json::Value;

/// Vectors that are marked valid and that Fountain refuses, and why. It refuses no other.
const DELIBERATE: [(u64, Reason); 6] = [
    // signed with PS384, and the key says PS256
    (346, Reason::TokenAlgorithmMismatch),
    (350, Reason::TokenAlgorithmMismatch),
    // the key says ES521, which is no algorithm
    (347, Reason::TokenUnknownKey),
    (351, Reason::TokenUnknownKey),
    // a character that is not base64url, which their MAC leaves out; a header is read before the MAC is
    // compared, a payload is not
    (372, Reason::TokenMalformed),
    (373, Reason::TokenSignature),
];

/// Vectors that are marked invalid and hold, byte for byte, the token and the key of 357, which is marked valid: their
/// comments speak of padding that the file has lost. Whoever accepts the one accepts the others.
const SAME_AS_A_VALID_ONE: [u64; 2] = [367, 370];

/// B-03, B-06..B-09
#[test]
fn exactly_the_valid_wycheproof_signatures_are_accepted_but_for_six() {
    let Some(file) = file() else { return };
    let vectors = read(&file);
    let is_valid_elsewhere = |vector: &Vector| {
        let same = |other: &Vector| other.token == vector.token && other.key == vector.key;
        vectors.iter().any(|other| other.valid && same(other))
    };
    let mut accepted_forgeries = Vec::new();
    let mut contradicted = Vec::new();
    let mut refused_valid = BTreeMap::new();
    for vector in &vectors {
        match (vector.valid, accept(&vector.token, &vector.key)) {
            (false, Ok(())) if is_valid_elsewhere(vector) => contradicted.push(vector.id),
            (false, Ok(())) => accepted_forgeries.push(vector.id),
            (true, Err(reason)) => drop(refused_valid.insert(vector.id, reason)),
            (true, Ok(())) | (false, Err(_)) => {}
        }
    }
    assert_eq!(vectors.len(), 401);
    assert_eq!(accepted_forgeries, [] as [u64; 0]);
    assert_eq!(contradicted, SAME_AS_A_VALID_ONE);
    assert_eq!(refused_valid, BTreeMap::from(DELIBERATE));
}

/// What is wrong with four of the six is the name in their key alone.
#[test]
fn a_refused_vector_is_accepted_once_its_key_names_the_algorithm_that_signed() {
    let Some(file) = file() else { return };
    let vectors = read(&file);
    let mut mended = 0;
    for vector in &vectors {
        let (wrong, right) = match vector.id {
            346 | 350 => ("PS256", "PS384"),
            347 | 351 => ("ES521", "ES512"),
            _ => continue,
        };
        let key = vector.key.replace(wrong, right);
        assert_eq!(accept(&vector.token, &key), Ok(()), "{}", vector.id);
        mended += 1;
    }
    assert_eq!(mended, 4);
}

/// All that is asked of a token but its claims, which these vectors do not have.
fn accept(token: &str, jwk: &str) -> Result<(), Reason> {
    let token = CompactToken::split(token, MAX_TOKEN_BYTES)?;
    let header = token.header()?;
    let (kid, key) = trusted(jwk).ok_or(Reason::TokenUnknownKey)?;
    if header.kid != kid {
        return Err(Reason::TokenUnknownKey);
    }
    if header.algorithm != key.algorithm() {
        return Err(Reason::TokenAlgorithmMismatch);
    }
    key.verify(token.signing_input(), &token.signature()?)?;
    token.payload().map(drop)
}

/// The key of a vector, read as any other; except that a secret of zero bytes, which R-03 refuses and some of the
/// vectors use, is let in, so that it is the signature that is judged.
fn trusted(jwk: &str) -> Option<(Option<Kid>, VerifyingKey)> {
    if let Ok(jwk) = Jwk::parse(jwk.as_bytes()) {
        return Some((jwk.kid().cloned(), jwk.key().clone()));
    }
    let members: Value = serde_json::from_str(jwk).ok()?;
    let text = |name: &str| members.get(name)?.as_str();
    let secret = URL_SAFE_NO_PAD.decode(text("k")?).ok()?;
    if text("kty") != Some("oct") || text("use") != Some("sig") || secret != [0; 32] {
        return None;
    }
    let algorithm = Algorithm::from_name(text("alg")?)?;
    let key = insecure_hmac_key(algorithm, &SecretBytes::new(secret)).ok()?;
    Some((Some(Kid::new(text("kid")?).ok()?), key))
}

struct Vector {
    id: u64,
    valid: bool,
    key: String,
    token: String,
}

fn read(file: &Path) -> Vec<Vector> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut vectors = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        let key = group.get("public").or_else(|| group.get("private"));
        let key = key.unwrap().to_string();
        for test in group["tests"].as_array().unwrap() {
            let result = test["result"].as_str().unwrap();
            assert!(matches!(result, "valid" | "invalid"), "{result}");
            vectors.push(Vector {
                id: test["tcId"].as_u64().unwrap(),
                valid: result == "valid",
                key: key.clone(),
                // A few are in the JSON form, which is an object and not a text.
                token: test["jws"]
                    .as_str()
                    .map_or_else(|| test["jws"].to_string(), str::to_owned),
            });
        }
    }
    vectors
}

/// The file with the vectors, which the project may not contain; says so when there is none.
fn file() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var_os("FOUNTAIN_VECTORS").map_or(default, PathBuf::from);
    let file = folder.join("wycheproof/json_web_signature_test.json");
    if file.is_file() {
        return Some(file);
    }
    eprintln!(
        "LEFT OUT: no Wycheproof vectors at {}: set FOUNTAIN_VECTORS to the folder that holds them",
        file.display()
    );
    None
}
