//! Project Wycheproof's JSON Web Signatures, against what a token goes through up to its claims.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fountain_core::Reason;
use fountain_core::signing::{Algorithm, Jwk};
use fountain_core::token::{CompactToken, MAX_TOKEN_BYTES};
use serde_json::Value;

/// Vectors that are marked valid and that Fountain refuses, each for a reason of its own.
const DELIBERATE: &[(&str, &[u64])] = &[
    ("signed with PS384 under a key for PS256", &[346, 350]),
    ("under a key for ES521, which is no algorithm", &[347, 351]),
    ("a character that is not base64url (R-07)", &[372, 373]),
    (
        "under a secret of 32 zero bytes (R-03)",
        &[357, 358, 359, 376, 377],
    ),
    ("a kid with an '@' (R-13)", &[345, 349]),
];

/// Algorithms of the vectors that Fountain does not offer; four of the valid ones each.
const NOT_OFFERED: [&str; 4] = ["RS384", "RS512", "PS384", "PS512"];

/// B-03, B-06..B-09
#[test]
fn no_forged_wycheproof_signature_is_accepted() {
    let Some(file) = vectors() else { return };
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let deliberate: BTreeSet<u64> = DELIBERATE
        .iter()
        .flat_map(|(_, ids)| *ids)
        .copied()
        .collect();
    let mut seen = 0;
    let mut accepted_forgeries: Vec<u64> = Vec::new();
    let mut refused_valid = BTreeSet::new();
    let mut algorithm_not_offered = BTreeSet::new();
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = group
            .get("public")
            .or_else(|| group.get("private"))
            .unwrap()
            .to_string();
        for test in group["tests"].as_array().unwrap() {
            seen += 1;
            let id = test["tcId"].as_u64().unwrap();
            // A few vectors are in the JSON form, which is an object and not a text.
            let token = test["jws"]
                .as_str()
                .map_or_else(|| test["jws"].to_string(), str::to_owned);
            match (test["result"].as_str().unwrap(), accept(&token, &key)) {
                ("invalid", Ok(())) => accepted_forgeries.push(id),
                ("valid", Err(Reason::TokenAlgorithm)) if !deliberate.contains(&id) => {
                    algorithm_not_offered.insert(id);
                }
                ("valid", Err(_)) => drop(refused_valid.insert(id)),
                ("valid", Ok(())) | ("invalid", Err(_)) => {}
                (other, _) => panic!("{id}: unknown result {other}"),
            }
        }
    }
    assert_eq!(seen, 401);
    assert!(accepted_forgeries.is_empty(), "{accepted_forgeries:?}");
    assert_eq!(refused_valid, deliberate);
    assert_eq!(
        algorithm_not_offered.len(),
        4 * NOT_OFFERED.len(),
        "{algorithm_not_offered:?}"
    );
    assert!(
        NOT_OFFERED
            .iter()
            .all(|name| Algorithm::from_name(name).is_none())
    );
}

/// All that is asked of a token but its claims, which these vectors do not have.
fn accept(token: &str, jwk: &str) -> Result<(), Reason> {
    let token = CompactToken::split(token, MAX_TOKEN_BYTES)?;
    let header = token.header()?;
    let jwk = Jwk::parse(jwk.as_bytes()).map_err(|_| Reason::TokenUnknownKey)?;
    if header.kid.as_ref() != jwk.kid() {
        return Err(Reason::TokenUnknownKey);
    }
    if header.algorithm != jwk.key().algorithm() {
        return Err(Reason::TokenAlgorithmMismatch);
    }
    jwk.key()
        .verify(token.signing_input(), &token.signature()?)?;
    token.payload().map(drop)
}

/// The file with the vectors, which the project may not contain; says so when there is none.
fn vectors() -> Option<PathBuf> {
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
