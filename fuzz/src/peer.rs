//! jsonwebtoken, asked about the same token with the same key.

use jsonwebtoken as theirs;
use serde_json::{Map, Value};

use crate::world::{AUDIENCE, ISSUER, IssuerKey, decode};

/// Members of a header that jsonwebtoken wants to be texts, and that mean nothing to a verifier.
const THEIR_TEXTS: &[&str] = &["cty", "x5t", "x5t#S256", "enc", "url", "nonce"];

/// Panics unless jsonwebtoken accepts the token as well; gives the claims that it finds.
///
/// It is not asked for the time, which it takes from the system's clock. Where an unknown member of the header is of
/// a type that only jsonwebtoken minds, it is asked for the signature alone.
pub(crate) fn accepts(
    token: &str,
    header: &Map<String, Value>,
    key: &IssuerKey,
) -> Map<String, Value> {
    let minds = |name: &str| {
        header
            .get(name)
            .is_some_and(|value| !value.is_string() && !value.is_null())
    };
    if THEIR_TEXTS.iter().any(|name| minds(name)) {
        let (input, signature) = token.rsplit_once('.').expect("three parts");
        let good = theirs::crypto::verify(
            signature,
            input.as_bytes(),
            &key.theirs,
            key.their_algorithm,
        );
        assert!(
            good.expect("a signature"),
            "jsonwebtoken refuses the signature"
        );
        let payload = input
            .split_once('.')
            .and_then(|(_, payload)| decode(payload));
        return serde_json::from_slice(&payload.expect("base64url")).expect("JSON");
    }
    let mut validation = theirs::Validation::new(key.their_algorithm);
    validation.validate_exp = false;
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let read = theirs::decode::<Map<String, Value>>(token, &key.theirs, &validation);
    read.expect("jsonwebtoken accepts it as well").claims
}
