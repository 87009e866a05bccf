//! A token as a stranger sends it.
//!
//! A token that can be cut is cut where its text says, and each part has one form only. No input is accepted whose
//! signed part nobody here has signed, and jsonwebtoken accepts what is accepted.

use std::sync::LazyLock;

use fountain_core::token::{AccessClaims, CompactToken, DEFAULT_TOKEN_BYTES, verify_access};

use crate::world::{CLAIMS, IssuerKey, NOW, WORLD, decode, encode};
use crate::{Seed, Verdict, claims, header, hold, peer, plain};

pub fn check(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    if let Ok(token) = CompactToken::split(text, DEFAULT_TOKEN_BYTES) {
        canonical(text, &token);
    }
    let mut verdict = Verdict::Refused;
    for key in WORLD.iter() {
        if let Ok(read) = verify_access(text, &key.rules, &key.set, NOW) {
            let input = text.rsplit_once('.').map(|(input, _)| input);
            assert!(
                SIGNED.iter().any(|known| input == Some(known)),
                "a forgery was accepted"
            );
            agree(text, &read);
            verdict = Verdict::Accepted;
        }
    }
    verdict
}

/// The signed parts of the tokens that the issuer has signed.
static SIGNED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tokens = WORLD.iter().map(good).chain(with_another_header());
    tokens
        .filter_map(|token| Some(token.rsplit_once('.')?.0.to_owned()))
        .collect()
});

fn good(key: &IssuerKey) -> String {
    key.sign(key.header().as_bytes(), CLAIMS.as_bytes())
}

/// A good token whose header is not the known one, so that it has to be read.
fn with_another_header() -> Option<String> {
    let header = br#"{"typ":"application/at+jwt","kid":"EdDSA","alg":"EdDSA","x":[1]}"#;
    Some(WORLD.first()?.sign(header, CLAIMS.as_bytes()))
}

/// Panics unless the parts are those of the text, in their one form.
fn canonical(text: &str, token: &CompactToken<'_>) {
    let parts: Vec<_> = text.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        panic!("{} parts were taken for three", parts.len())
    };
    assert_eq!(token.encoded_header(), *header);
    assert_eq!(
        token.signing_input(),
        format!("{header}.{payload}").as_bytes()
    );
    if let Ok(read) = token.payload() {
        assert_eq!(encode(&read), *payload);
    }
    if let Ok(read) = token.signature() {
        assert_eq!(encode(&read), *signature);
    }
    if let Ok(read) = token.header() {
        let bytes = decode(header).expect("base64url in its one form");
        assert_eq!(encode(&bytes), *header);
        let plain = plain::object(&bytes).expect("JSON without a name twice");
        header::agree(&read, &plain);
    }
}

/// Panics unless jsonwebtoken accepts the token, with the key that the header names and these claims.
pub(crate) fn agree(token: &str, read: &AccessClaims) {
    let header = token.split_once('.').and_then(|(header, _)| decode(header));
    let header = plain::object(&header.expect("base64url")).expect("JSON without a name twice");
    let key = WORLD
        .iter()
        .find(|key| header.get("kid").is_some_and(|kid| kid == key.kid));
    let key = key.expect("a key of the issuer's");
    assert_eq!(
        header.get("alg").and_then(|alg| alg.as_str()),
        Some(key.kid)
    );
    let typ = header
        .get("typ")
        .and_then(|typ| typ.as_str())
        .expect("a typ")
        .to_ascii_lowercase();
    assert_eq!(typ.strip_prefix("application/").unwrap_or(&typ), "at+jwt");
    claims::agree(read, &peer::accepts(token, &header, key));
}

pub fn controls() {
    hold(seeds(), check);
}

/// ES256 is not among them: its signatures differ from run to run.
pub fn seeds() -> Vec<Seed> {
    let (edwards, secret) = (&WORLD[0], &WORLD[2]);
    let token = good(edwards);
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let (head, payload) = input.split_once('.').expect("three parts");
    let none = encode(br#"{"alg":"none","typ":"at+jwt"}"#);
    let unread = encode(br#"{"alg":"HS256","kid":"EdDSA","typ":"at+jwt"}"#);
    let expired = CLAIMS
        .replace("18000006", "17000006")
        .replace("1800000000", "1700000000");
    let seed = |name, token: String| (name, token.into_bytes());
    vec![
        seed("accepted-eddsa", token.clone()),
        seed("accepted-hs256", good(secret)),
        seed(
            "accepted-other-header",
            with_another_header().expect("a key"),
        ),
        seed(
            "refused-expired",
            edwards.sign(edwards.header().as_bytes(), expired.as_bytes()),
        ),
        seed("refused-none", format!("{none}.{payload}.")),
        seed(
            "refused-other-algorithm",
            format!("{unread}.{payload}.{signature}"),
        ),
        seed("refused-padded", format!("{head}.{payload}.{signature}=")),
        seed("refused-four-parts", format!("{token}.e30")),
        seed("refused-encrypted", "e30.e30.e30.e30.e30".to_owned()),
        seed("refused-empty-parts", "..".to_owned()),
    ]
}
