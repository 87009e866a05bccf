//! A set of keys, as another issuer publishes it.
//!
//! Every key in an accepted set is found by its `kid`, is one of the elements, and reads alone as it reads in the set;
//! every element is either a key or was skipped for a reason.

use fountain_core::signing::{Algorithm, Jwk, Jwks};

use crate::jwk::{CURVE, EDWARDS, RSA, SECRET};
use crate::{Seed, Verdict, hold, plain};

pub fn check(data: &[u8]) -> Verdict {
    let _ = Jwks::parse_for(data, &[Algorithm::EdDsa, Algorithm::Ps256]);
    let Ok(set) = Jwks::parse(data) else {
        return Verdict::Refused;
    };
    let plain = plain::object(data).expect("an accepted set is JSON without a name twice");
    let elements = plain
        .get("keys")
        .and_then(|keys| keys.as_array())
        .expect("a list");
    assert_eq!(set.len() + set.skipped().len(), elements.len());
    assert!(elements.len() <= Jwks::MAX_KEYS);
    for (kid, key) in set.iter() {
        assert!(set.find(kid.as_str()).is_some());
        let alone = elements.iter().filter_map(|element| {
            let jwk = Jwk::parse(element.to_string().as_bytes()).ok()?;
            (jwk.kid() == Some(kid)).then_some(jwk)
        });
        let alone: Vec<_> = alone.collect();
        let [alone] = alone.as_slice() else {
            panic!("{} elements are the key {kid}", alone.len())
        };
        assert_eq!(alone.key().algorithm(), key.algorithm());
        assert_eq!(alone.key().thumbprint(), key.thumbprint());
    }
    let secrets = set.iter().filter(|(_, key)| key.algorithm().is_symmetric());
    assert!(
        [0, set.len()].contains(&secrets.count()),
        "secrets among public keys"
    );
    if set.is_empty() {
        Verdict::Refused
    } else {
        Verdict::Accepted
    }
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    let set = |name, keys: &[&str]| (name, format!("{{\"keys\":[{}]}}", keys.join(",")).into());
    vec![
        set("accepted-three", &[EDWARDS, CURVE, RSA]),
        set("accepted-secret", &[SECRET]),
        set(
            "accepted-with-skipped",
            &[
                "{}",
                "1",
                r#"{"kty":"EC","crv":"P-521","kid":"x"}"#,
                EDWARDS,
            ],
        ),
        set("refused-mixed", &[EDWARDS, SECRET]),
        set("refused-kid-twice", &[EDWARDS, EDWARDS]),
        set("refused-empty", &[]),
        ("refused-no-set", b"<html></html>".to_vec()),
    ]
}
