//! A header and claims of the fuzzer's choice, signed by the issuer: what lies behind the signature check.
//!
//! The first byte chooses the key; the rest, up to the first line feed, is the header, and what follows is the payload.
//! What is accepted, jsonwebtoken accepts as well, keeps the rules by a plain reading of its claims, and is refused
//! again when one character is another. A good signature is never called a bad one.

use fountain_core::Reason;
use fountain_core::token::{AccessClaims, verify_access};
use serde_json::{Map, Value};

use crate::world::{AUDIENCE, CLAIMS, ISSUER, IssuerKey, MAX_LIFE, NOW, WORLD, decode};
use crate::{Seed, Verdict, hold, plain, token};

pub fn check(data: &[u8]) -> Verdict {
    let Some((choice, rest)) = data.split_first() else {
        return Verdict::Refused;
    };
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len());
    let (header, payload) = rest.split_at(end);
    let payload = payload.strip_prefix(b"\n").unwrap_or_default();
    let key = &WORLD[usize::from(*choice) % WORLD.len()];
    let token = key.sign(header, payload);
    match verify_access(&token, &key.rules, &key.set, NOW) {
        Ok(claims) => {
            token::agree(&token, &claims);
            keeps_the_rules(&claims, &plain::object(payload).expect("JSON"));
            changed(&token, data, key);
            Verdict::Accepted
        }
        Err(refused) => {
            if refused.reason() == Reason::TokenSignature {
                let named = plain::object(header).and_then(|header| header.get("kid").cloned());
                assert!(
                    named.is_some_and(|kid| kid != key.kid),
                    "a good signature was refused"
                );
            }
            Verdict::Refused
        }
    }
}

/// The rules once more, from what serde_json reads.
fn keeps_the_rules(claims: &AccessClaims, plain: &Map<String, Value>) {
    assert_eq!(plain.get("iss").and_then(Value::as_str), Some(ISSUER));
    let is_ours = match plain.get("aud") {
        Some(Value::Array(entries)) => entries.iter().any(|entry| entry == AUDIENCE),
        Some(one) => one == AUDIENCE,
        None => false,
    };
    assert!(is_ours, "it is for somebody else");
    let seconds = |name: &str| plain.get(name).and_then(Value::as_f64);
    let (now, leeway) = (1_800_000_000.0, 30.0);
    let issued = seconds("iat").expect("iat");
    let expires = seconds("exp").expect("exp");
    // What a double rounds, and what is cut below a microsecond.
    let blur = 1e-4;
    assert!(now < expires + leeway + blur, "it has expired");
    assert!(issued <= now + leeway + blur, "it comes from the future");
    assert!(issued < expires + blur && expires - issued <= MAX_LIFE.as_secs_f64() + blur);
    assert!(seconds("nbf").is_none_or(|nbf| nbf <= now + leeway + blur && nbf < expires + blur));
    assert!(claims.issued_at < claims.expires_at);
}

/// The same token with one character changed, at a place that the input chooses.
fn changed(token: &str, data: &[u8], key: &IssuerKey) {
    let sum = data.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    let mut bytes = token.as_bytes().to_vec();
    let at = sum % bytes.len();
    bytes[at] = match bytes[at] {
        b'A' => b'B',
        _ => b'A',
    };
    let forged = String::from_utf8(bytes).expect("ASCII");
    assert!(
        verify_access(&forged, &key.rules, &key.set, NOW).is_err(),
        "a changed token was accepted"
    );
}

pub fn controls() {
    hold(seeds(), check);
    let key = &WORLD[0];
    let token = key.sign(key.header().as_bytes(), CLAIMS.as_bytes());
    assert!(token.split('.').all(|part| decode(part).is_some()));
}

pub fn seeds() -> Vec<Seed> {
    let seed = |name, choice: u8, header: &str, claims: &str| {
        let mut input = vec![choice];
        input.extend_from_slice(header.as_bytes());
        input.push(b'\n');
        input.extend_from_slice(claims.as_bytes());
        (name, input)
    };
    let [edwards, curve, secret] = [0, 1, 2].map(|at: usize| WORLD[at].header());
    vec![
        seed("accepted-eddsa", b'0', &edwards, CLAIMS),
        seed("accepted-es256", b'1', &curve, CLAIMS),
        seed("accepted-hs256", b'2', &secret, CLAIMS),
        seed(
            "accepted-read-header",
            b'2',
            r#"{"cty":1,"typ":"application/AT+JWT","alg":"HS256","kid":"HS256"}"#,
            &CLAIMS
                .replace("1800000600", "1.8000003E9")
                .replace("\"orders\",", "[\"x\",\"orders\"],"),
        ),
        seed("refused-other-kid", b'0', &curve, CLAIMS),
        seed(
            "refused-other-audience",
            b'2',
            &secret,
            &CLAIMS.replace("\"orders\",", "\"billing\","),
        ),
        seed(
            "refused-life",
            b'2',
            &secret,
            &CLAIMS.replace("1800000600", "1800009999"),
        ),
        seed(
            "refused-future",
            b'2',
            &secret,
            &CLAIMS.replace("00000,", "00031,"),
        ),
        seed(
            "refused-crit",
            b'2',
            r#"{"alg":"HS256","kid":"HS256","typ":"at+jwt","crit":["b64"]}"#,
            CLAIMS,
        ),
    ]
}
