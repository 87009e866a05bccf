use jsonwebtoken::jwk as oracle;
use proptest::prelude::*;

use super::*;
use crate::random::OsRandom;

fn member(bytes: &[u8]) -> String {
    base64url(bytes)
}

fn why(json: &str) -> String {
    Jwk::parse(json.as_bytes()).unwrap_err().to_string()
}

fn generate(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, &OsRandom).unwrap()
}

const RFC_7638: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
const RFC_8037: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// R-27
#[test]
fn the_thumbprints_of_rfc_7638_and_rfc_8037_come_out() {
    let rsa = Jwk::parse(RFC_7638.as_bytes()).unwrap();
    assert_eq!(rsa.kid().unwrap().as_str(), "2011-04-29");
    assert_eq!(
        rsa.key().thumbprint().unwrap().as_str(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    let edwards = Jwk::parse(RFC_8037.as_bytes()).unwrap();
    assert_eq!(
        edwards.key().thumbprint().unwrap().as_str(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}

/// RFC 7520 sections 3.1 and 4.3: the key on P-521, its thumbprint (RFC 7638) and the signature under ES512.
#[test]
fn the_p_521_key_of_rfc_7520_verifies_its_signature() {
    let jwk = Jwk::parse(RFC_7520.as_bytes()).unwrap();
    assert_eq!(jwk.key().algorithm(), Algorithm::Es512);
    assert_eq!(
        jwk.kid().unwrap().as_str(),
        "bilbo.baggins@hobbiton.example"
    );
    assert_eq!(
        jwk.key().thumbprint().unwrap().as_str(),
        "dHri3SADZkrush5HU_50AoRhcKFryN-PI6jPBtPL55M"
    );
    let (message, signature) = RFC_7520_JWS.rsplit_once('.').unwrap();
    let mut signature = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(signature)
        .unwrap();
    assert_eq!(signature.len(), 132);
    assert!(jwk.key().verify(message.as_bytes(), &signature).is_ok());
    signature[131] ^= 1;
    assert!(jwk.key().verify(message.as_bytes(), &signature).is_err());

    // the name of the curve is not that of the algorithm
    for alg in ["ES521", "ES256", "ES384", "P-521"] {
        let named = RFC_7520.replace("{", &format!("{{\"alg\":\"{alg}\","));
        assert!(Jwk::parse(named.as_bytes()).is_err(), "{alg}");
    }
    let named = RFC_7520.replace("{", "{\"alg\":\"ES512\",");
    assert!(Jwk::parse(named.as_bytes()).is_ok());
}

const RFC_7520: &str = r#"{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#;
const RFC_7520_JWS: &str = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";

/// R-28: what is published names algorithm, purpose and id, and another library reads the same key from it.
#[test]
fn a_published_key_has_public_members_only_and_jsonwebtoken_agrees_on_it() {
    for &algorithm in Algorithm::ALL {
        let key = generate(algorithm);
        let verifying = key.verifying_key();
        let Some(kid) = verifying.thumbprint() else {
            assert!(algorithm.is_symmetric());
            assert_eq!(verifying.public_jwk(&Kid::new("x").unwrap()), None);
            continue;
        };
        let json = verifying.public_jwk(&kid).unwrap();
        let members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&json).unwrap();
        assert_eq!(members["alg"], algorithm.as_str());
        assert_eq!(members["use"], "sig");
        assert_eq!(members["kid"], kid.as_str());
        for name in members.keys() {
            let public = ["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid"];
            assert!(public.contains(&name.as_str()), "{name}");
        }
        let ours = Jwk::parse(json.as_bytes()).unwrap();
        let mut signature = Vec::new();
        key.sign(b"m", &mut signature).unwrap();
        assert!(ours.key().verify(b"m", &signature).is_ok());
        if algorithm == Algorithm::Ed25519 {
            continue; // the oracle knows the older name only
        }
        // for ES512 it knows the curve, though not the algorithm
        let theirs: oracle::Jwk = serde_json::from_str(&json).unwrap();
        assert_eq!(
            theirs.thumbprint(oracle::ThumbprintHash::SHA256).unwrap(),
            kid.as_str()
        );
    }
}

/// B-48
#[test]
fn only_public_members_of_a_private_jwk_leave() {
    let key = Jwk::parse(RFC_8037.as_bytes()).unwrap();
    let json = key.key().public_jwk(&Kid::new("k").unwrap()).unwrap();
    assert!(
        !json.contains("nWGxne") && !json.contains("\"d\""),
        "{json}"
    );
    assert!(!format!("{key:?}").contains("nWGxne"));
}

/// R-06: each of the two names is its own algorithm.
#[test]
fn an_ed25519_key_is_bound_to_the_name_that_it_was_published_with() {
    let named = |alg: &str| RFC_8037.replace("\"kty\"", &format!("\"alg\":\"{alg}\",\"kty\""));
    for (alg, algorithm) in [("EdDSA", Algorithm::EdDsa), ("Ed25519", Algorithm::Ed25519)] {
        let key = Jwk::parse(named(alg).as_bytes()).unwrap();
        assert_eq!(key.key().algorithm(), algorithm);
        assert!(Jwk::parse_for(named(alg).as_bytes(), algorithm).is_ok());
        assert!(Jwk::parse_for(RFC_8037.as_bytes(), algorithm).is_ok());
    }
    assert!(Jwk::parse_for(named("EdDSA").as_bytes(), Algorithm::Ed25519).is_err());
    for alg in ["ES256", "Ed448", "none", "eddsa", ""] {
        assert!(Jwk::parse(named(alg).as_bytes()).is_err(), "{alg}");
    }
}

#[test]
fn a_key_that_does_not_say_its_algorithm_must_be_told() {
    let unnamed = RFC_7638.replace(r#""alg":"RS256","#, "");
    assert!(why(&unnamed).contains("has no `alg`"));
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ] {
        let named = RFC_7638.replace("RS256", algorithm.as_str());
        assert_eq!(
            Jwk::parse(named.as_bytes()).unwrap().key().algorithm(),
            algorithm
        );
        let key = Jwk::parse_for(unnamed.as_bytes(), algorithm).unwrap();
        assert_eq!(key.key().algorithm(), algorithm);
    }
    assert!(Jwk::parse_for(unnamed.as_bytes(), Algorithm::Es256).is_err());
    assert!(Jwk::parse_for(unnamed.as_bytes(), Algorithm::Hs256).is_err());
    let secret = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
    assert!(why(secret).contains("has no `alg`"));
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        assert!(Jwk::parse_for(secret.as_bytes(), algorithm).is_ok());
    }
    // 32 bytes are enough for the shortest hash only
    let short = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#;
    assert!(Jwk::parse_for(short.as_bytes(), Algorithm::Hs256).is_ok());
    assert!(Jwk::parse_for(short.as_bytes(), Algorithm::Hs384).is_err());
    assert!(Jwk::parse_for(short.as_bytes(), Algorithm::Hs512).is_err());
}

/// B-45
#[test]
fn weak_rsa_keys_are_refused() {
    let with = |n: &[u8], e: &[u8]| {
        format!(
            r#"{{"kty":"RSA","alg":"RS256","n":"{}","e":"{}"}}"#,
            member(n),
            member(e)
        )
    };
    let mut n = vec![0xab; 256];
    assert!(Jwk::parse(with(&n, &[1, 0, 1]).as_bytes()).is_ok());
    for e in [&[1][..], &[2], &[0], &[], &[0, 1, 0, 1], &[1, 0, 0, 0, 1]] {
        assert!(Jwk::parse(with(&n, e).as_bytes()).is_err(), "{e:?}");
    }
    assert!(why(&with(&n[..128], &[1, 0, 1])).contains("2048"));
    assert!(Jwk::parse(with(&[0; 256], &[1, 0, 1]).as_bytes()).is_err());
    assert!(Jwk::parse(with(&[], &[1, 0, 1]).as_bytes()).is_err());
    n[255] = 0xaa;
    assert!(Jwk::parse(with(&n, &[1, 0, 1]).as_bytes()).is_err());
}

/// B-46
#[test]
fn a_point_that_is_not_one_of_its_curve_is_refused() {
    let key = generate(Algorithm::Es256);
    let Some(PublicNumbers::Curve { x, y, .. }) = key.verifying_key().numbers() else {
        panic!("an EC key has coordinates");
    };
    let with = |crv: &str, alg: &str, x: &[u8], y: &[u8]| {
        format!(
            r#"{{"kty":"EC","crv":"{crv}","alg":"{alg}","x":"{}","y":"{}"}}"#,
            member(x),
            member(y)
        )
    };
    assert!(Jwk::parse(with("P-256", "ES256", x, y).as_bytes()).is_ok());
    let mut off = y.clone();
    off[31] ^= 1;
    let longer = [&[0], &x[..]].concat();
    for bad in [
        with("P-256", "ES256", x, &off),
        with("P-256", "ES256", y, x),
        with("P-256", "ES256", &x[..31], y),
        with("P-256", "ES256", &longer, y),
        with("P-256", "ES256", &[], &[]),
        with("P-256", "ES256", &[0; 32], &[0; 32]),
        with("P-256", "ES256", &[0xff; 32], y),
        with("P-256", "ES384", x, y),
        with("P-384", "ES384", x, y),
        with("P-384", "ES256", x, y),
        with("P-521", "ES512", x, y),
        with("P-521", "ES256", x, y),
        with("P-256", "ES512", x, y),
        with("P-521", "ES512", &[0; 66], &[0; 66]),
        with("P-521", "ES512", &[0xff; 66], &[0xff; 66]),
        with("secp256k1", "ES256", x, y),
        with("p-256", "ES256", x, y),
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{}"}}"#, member(x)),
        with("P-256", "ES256", x, y).replace("EC", "OKP"),
        with("P-256", "ES256", x, y).replace(r#""crv":"P-256","#, ""),
    ] {
        assert!(Jwk::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// B-47: jsonwebtoken and PyJWT verify with such keys.
#[test]
fn a_key_that_is_not_for_verifying_does_not_verify() {
    let with = |more: &str| RFC_8037.replace("\"kty\"", &format!("{more},\"kty\""));
    for good in [
        r#""use":"sig""#,
        r#""key_ops":["verify"]"#,
        r#""key_ops":["sign","verify"]"#,
        r#""use":"sig","key_ops":["verify"]"#,
    ] {
        assert!(Jwk::parse(with(good).as_bytes()).is_ok(), "{good}");
    }
    for bad in [
        r#""use":"enc""#,
        r#""use":"SIG""#,
        r#""use":"""#,
        r#""use":null"#,
        r#""use":["sig"]"#,
        r#""key_ops":["encrypt"]"#,
        r#""key_ops":["verify","encrypt"]"#,
        r#""key_ops":["sign"]"#,
        r#""key_ops":[]"#,
        r#""key_ops":["verify","verify"]"#,
        r#""key_ops":["sign, verify"]"#,
        r#""key_ops":"verify""#,
        r#""key_ops":[1]"#,
        r#""use":"sig","key_ops":["encrypt"]"#,
        r#""use":"enc","key_ops":["verify"]"#,
    ] {
        assert!(Jwk::parse(with(bad).as_bytes()).is_err(), "{bad}");
    }
}

/// B-49
#[test]
fn private_members_of_another_key_are_refused() {
    let other = RFC_8037.replace("nWGxne", "nWGxnf");
    assert!(why(&other).contains("not of one key"));
    assert!(SigningKey::from_jwk(other.as_bytes()).is_err());

    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let (a, b) = (generate(algorithm), generate(algorithm));
        assert!(Jwk::parse(private_ec(&a, &a).as_bytes()).is_ok());
        assert!(why(&private_ec(&a, &b)).contains("not of one key"));
    }
}

/// The public numbers of one EC key with the private one of another.
fn private_ec(public: &SigningKey, private: &SigningKey) -> String {
    use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    };
    let curve = match private.algorithm() {
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => &ECDSA_P521_SHA512_FIXED_SIGNING,
    };
    let exported = private.export().unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(curve, exported.expose()).unwrap();
    let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    let json = public
        .verifying_key()
        .public_jwk(&Kid::new("k").unwrap())
        .unwrap();
    json.replace("{", &format!("{{\"d\":\"{}\",", member(d.as_ref())))
}

#[test]
fn a_private_jwk_signs_what_its_public_half_verifies() {
    let ec = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512].map(generate);
    let ec = ec.iter().map(|key| private_ec(key, key));
    for json in ec.chain([RFC_8037.to_owned()]) {
        let key = SigningKey::from_jwk(json.as_bytes()).unwrap();
        let mut signature = Vec::new();
        key.sign(b"m", &mut signature).unwrap();
        let verifying = Jwk::parse(json.as_bytes()).unwrap();
        assert!(verifying.key().verify(b"m", &signature).is_ok());
    }
    assert!(SigningKey::from_jwk(RFC_7638.as_bytes()).is_err());
    let verify_only = RFC_8037.replace("\"kty\"", "\"key_ops\":[\"verify\"],\"kty\"");
    assert!(SigningKey::from_jwk(verify_only.as_bytes()).is_err());
}

#[test]
fn members_of_the_wrong_form_are_refused() {
    let with = |from: &str, to: &str| RFC_8037.replace(from, to);
    for bad in [
        String::new(),
        "[]".into(),
        with("}", "},"),
        with("\"kty\":\"OKP\"", "\"kty\":1"),
        with("\"kty\":\"OKP\",", ""),
        with("\"kty\":\"OKP\"", "\"kty\":\"OKP\",\"kty\":\"OKP\""),
        with("URo\"", "URo=\""),
        with("URo\"", "URp\""), // unused bits that are not zero
        with("URo\"", "UR+\""),
        with("URo\"", "UR\""),
        with("URo\"", "URo \""),
        with("\"kty\"", "\"kid\":\"\",\"kty\""),
        with("\"kty\"", "\"kid\":\"a b\",\"kty\""),
        with("\"kty\"", "\"kid\":7,\"kty\""),
        with("\"kty\"", "\"kid\":null,\"kty\""),
        with("\"kty\"", "\"alg\":null,\"kty\""),
        with(
            "\"kty\"",
            &format!("\"kid\":\"{}\",\"kty\"", "k".repeat(129)),
        ),
        with(
            "\"kty\"",
            &format!("\"pad\":\"{}\",\"kty\"", "x".repeat(Jwk::MAX_BYTES)),
        ),
    ] {
        assert!(Jwk::parse(bad.as_bytes()).is_err(), "{bad:.200}");
    }
    assert!(Jwk::parse(with("\"kty\"", "\"x5t\":\"any\",\"kty\"").as_bytes()).is_ok());
}

proptest! {
    /// R-23: whatever is written where a JWK is expected, the answer is an error, not a panic.
    #[test]
    fn no_text_panics(text in ".{0,200}", at in 0..RFC_8037.len(), byte: u8) {
        let _ = Jwk::parse(text.as_bytes());
        let mut damaged = RFC_8037.as_bytes().to_vec();
        damaged[at] = byte;
        if let Ok(key) = Jwk::parse(&damaged) {
            prop_assert_eq!(key.key().algorithm(), Algorithm::EdDsa);
        }
    }

    /// R-28: names of members beyond ours never come back out.
    #[test]
    fn members_that_were_added_do_not_leave(name in "[a-z]{2,6}") {
        prop_assume!(!["kty", "crv", "alg", "use", "kid", "key_ops", "oth", "sig"].contains(&&*name));
        let json = RFC_8037.replace("\"kty\"", &format!("\"{name}\":\"secretvalue\",\"kty\""));
        if let Ok(key) = Jwk::parse(json.as_bytes()) {
            let out = key.key().public_jwk(&Kid::new("k").unwrap()).unwrap();
            prop_assert!(!out.contains("secretvalue"));
        }
    }
}
