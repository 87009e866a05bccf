//! The header of a token, read strictly.
//!
//! What is accepted, serde_json reads as well, and finds the same `alg`, `kid` and `typ`, no name twice, and none of
//! the members that are refused.

use fountain_core::token::{Header, TokenKind};
use serde_json::{Map, Value};

use crate::world::decode;
use crate::{Seed, Verdict, hold, plain};

const REFUSED: &[&str] = &["crit", "b64", "zip", "jku", "x5u", "jwk", "x5c"];

pub fn check(data: &[u8]) -> Verdict {
    let Ok(header) = Header::parse(data) else {
        return Verdict::Refused;
    };
    let plain = plain::object(data).expect("an accepted header is JSON without a name twice");
    agree(&header, &plain);
    if let Some(kid) = &header.kid {
        for kind in TokenKind::ALL {
            let written = Header::encode(header.algorithm, kid, *kind);
            let written = decode(&written).expect("base64url");
            let again = Header::parse(&written).expect("what is written can be read");
            assert_eq!(again.algorithm, header.algorithm);
            assert_eq!(again.kid.as_ref(), Some(kid));
            assert_eq!(again.typ.as_deref(), Some(kind.typ()));
        }
    }
    Verdict::Accepted
}

/// Panics unless the header says what the plain object says.
pub(crate) fn agree(header: &Header, plain: &Map<String, Value>) {
    let text = |name: &str| plain.get(name).map(|value| value.as_str().expect("a text"));
    assert_eq!(text("alg"), Some(header.algorithm.as_str()));
    assert_eq!(text("kid"), header.kid.as_ref().map(AsRef::as_ref));
    assert_eq!(text("typ"), header.typ.as_deref());
    for name in REFUSED {
        assert!(!plain.contains_key(*name), "{name} was accepted");
    }
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    let seed = |name, json: &str| (name, json.into());
    vec![
        seed(
            "accepted-usual",
            r#"{"alg":"EdDSA","kid":"EdDSA","typ":"at+jwt"}"#,
        ),
        seed("accepted-alone", r#"{"alg":"HS256"}"#),
        seed(
            "accepted-unknown-members",
            r#" {"alg":"ES\u0032\u0035\u0036","kid":"a.b_c~d-e","typ":"JWT","cty":"x","x":[{"y":[1e3,null]}]} "#,
        ),
        seed("refused-none", r#"{"alg":"none","typ":"JWT"}"#),
        seed("refused-crit", r#"{"alg":"ES256","crit":["exp"]}"#),
        seed("refused-own-key", r#"{"alg":"ES256","jwk":{"kty":"EC"}}"#),
        seed(
            "refused-foreign-key",
            r#"{"alg":"ES256","jku":"https://evil.example","x5u":"x","x5c":[]}"#,
        ),
        seed(
            "refused-unencoded",
            r#"{"alg":"ES256","b64":false,"zip":"DEF"}"#,
        ),
        seed("refused-name-twice", r#"{"alg":"none","alg":"ES256"}"#),
        seed("refused-kid", r#"{"alg":"ES256","kid":"../../etc/passwd"}"#),
    ]
}
