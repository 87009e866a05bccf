//! A JSON Web Key.
//!
//! What is accepted, serde_json and jsonwebtoken read as well, and jsonwebtoken finds the same thumbprint. It can be
//! published, and what is published reads as the same key and has nothing private. A private key signs what its
//! public half verifies.

use fountain_core::signing::{Algorithm, Jwk, Kid, SigningKey, VerifyingKey};
use jsonwebtoken::jwk as theirs;
use serde_json::{Map, Value};

use crate::{Seed, Verdict, hold, plain};

/// Members that jsonwebtoken wants to be of a certain type, and that mean nothing to a verifier.
const THEIR_TYPES: &[&str] = &["x5u", "x5c", "x5t", "x5t#S256"];
const PUBLIC: &[&str] = &["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid"];

pub fn check(data: &[u8]) -> Verdict {
    for algorithm in Algorithm::ALL {
        if let Ok(jwk) = Jwk::parse_for(data, *algorithm) {
            assert_eq!(jwk.key().algorithm(), *algorithm);
        }
    }
    if let Ok(key) = SigningKey::from_jwk(data) {
        let mut signature = Vec::new();
        key.sign(b"message", &mut signature).expect("signing");
        let verifying = key.verifying_key();
        verifying
            .verify(b"message", &signature)
            .expect("its own signature");
        verifying
            .verify(b"massage", &signature)
            .expect_err("another message");
    }
    let Ok(jwk) = Jwk::parse(data) else {
        return Verdict::Refused;
    };
    let plain = plain::object(data).expect("an accepted key is JSON without a name twice");
    agree(&jwk, &plain);
    published(jwk.key());
    Verdict::Accepted
}

/// Panics unless serde_json and jsonwebtoken find the same key.
fn agree(jwk: &Jwk, plain: &Map<String, Value>) {
    let text = |name: &str| plain.get(name).and_then(Value::as_str);
    let algorithm = jwk.key().algorithm();
    assert_eq!(text("kid"), jwk.kid().map(AsRef::as_ref));
    assert!(text("alg").is_none_or(|alg| alg == algorithm.as_str()));
    assert!(text("use").is_none_or(|purpose| purpose == "sig"));
    if THEIR_TYPES.iter().any(|name| plain.contains_key(*name)) {
        return;
    }
    let read: theirs::Jwk = serde_json::from_value(Value::Object(plain.clone()))
        .expect("jsonwebtoken reads it as well");
    jsonwebtoken::DecodingKey::from_jwk(&read).expect("jsonwebtoken can use it as well");
    if let Some(ours) = jwk.key().thumbprint() {
        let theirs = read.thumbprint(theirs::ThumbprintHash::SHA256);
        assert_eq!(theirs.expect("a thumbprint"), ours.as_str());
    }
}

/// Panics unless the key can be published without anything private, and be read again.
fn published(key: &VerifyingKey) {
    let kid = Kid::new("k").expect("well-formed");
    let Some(json) = key.public_jwk(&kid) else {
        assert!(key.algorithm().is_symmetric());
        return;
    };
    let members = plain::object(json.as_bytes()).expect("JSON");
    assert!(members.keys().all(|name| PUBLIC.contains(&name.as_str())));
    let again = Jwk::parse(json.as_bytes()).expect("what is published can be read");
    assert_eq!(again.key().algorithm(), key.algorithm());
    assert_eq!(again.key().thumbprint(), key.thumbprint());
}

pub fn controls() {
    hold(seeds(), check);
}

/// RFC 8037 appendix A.1.
pub(crate) const EDWARDS: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","use":"sig","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 7515 appendix A.3.
pub(crate) const CURVE: &str = r#"{"kty":"EC","crv":"P-256","kid":"b","key_ops":["verify"],"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
/// RFC 7638 section 3.1.
pub(crate) const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
/// RFC 7515 appendix A.1.
pub(crate) const SECRET: &str = r#"{"kty":"oct","alg":"HS256","kid":"s","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;

pub fn seeds() -> Vec<Seed> {
    let with = |key: &str, member: &str| key.replacen('{', &format!("{{{member},"), 1);
    let seed = |name, json: &str| (name, json.into());
    vec![
        seed("accepted-ed25519", EDWARDS),
        seed("accepted-p256", CURVE),
        seed("accepted-rsa", RSA),
        seed("accepted-secret", SECRET),
        seed(
            "accepted-private",
            &with(
                EDWARDS,
                r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#,
            ),
        ),
        seed(
            "accepted-private-p256",
            &with(
                &CURVE.replace(r#"["verify"]"#, r#"["sign","verify"]"#),
                r#""d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI""#,
            ),
        ),
        seed(
            "refused-other-private",
            &with(
                EDWARDS,
                r#""d":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8""#,
            ),
        ),
        seed("refused-off-curve", &CURVE.replace("x_FE", "y_FE")),
        seed("refused-encryption", &EDWARDS.replace("sig", "enc")),
        seed("refused-confused", &RSA.replace("RS256", "HS256")),
        seed("refused-small-exponent", &RSA.replace("AQAB", "AQ")),
        seed("refused-name-twice", &with(EDWARDS, r#""kty":"oct""#)),
    ]
}
