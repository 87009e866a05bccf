//! Tokens that are well-formed in every way, and whose signature or key is not what they say.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use aws_lc_rs::{encoding, hmac, rand};
use base64::Engine as _;
use fountain_core::signing::{Algorithm, SigningKey};
use fountain_core::token::{
    KeySet, KeySource, TokenKind, TokenRules, TokenSigner, TrustedKey, verify_access, verify_signed,
};
use fountain_core::{Clock, ManualClock, Reason};
use serde_json::json;

use crate::token_world::*;

fn reason(token: &str) -> Reason {
    WORLD.verify(token).expect_err("it is forged").reason()
}

fn with_signature(header: &str, signature: impl AsRef<[u8]>) -> String {
    format!(
        "{}.{}.{}",
        encode(header),
        encode(claims().to_string()),
        encode(signature)
    )
}

/// What an attacker can make an HMAC key of: every form in which our P-256 key is known in public.
fn public_forms() -> Vec<(&'static str, Vec<u8>)> {
    let pkcs8 = WORLD.key(Algorithm::Es256).export().unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose()).unwrap();
    let point = pair.public_key().as_ref().to_vec();
    let der: encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
        &base64[..64],
        &base64[64..]
    );
    let jwk =
        json!({"crv": "P-256", "kty": "EC", "x": encode(&point[1..33]), "y": encode(&point[33..])});
    vec![
        ("PEM", pem.clone().into_bytes()),
        ("PEM without its last line end", pem.trim_end().into()),
        ("PEM behind a blank", format!(" {pem}").into_bytes()),
        (
            "PEM behind a byte-order mark",
            format!("\u{feff}{pem}").into_bytes(),
        ),
        ("PEM with CR LF", pem.replace('\n', "\r\n").into_bytes()),
        ("DER", der.as_ref().to_vec()),
        ("JWK", jwk.to_string().into_bytes()),
        ("point", point.clone()),
        ("point without its first byte", point[1..].to_vec()),
        ("x", point[1..33].to_vec()),
        ("nothing", Vec::new()),
    ]
}

const SYMMETRIC: [(Algorithm, hmac::Algorithm); 3] = [
    (Algorithm::Hs256, hmac::HMAC_SHA256),
    (Algorithm::Hs384, hmac::HMAC_SHA384),
    (Algorithm::Hs512, hmac::HMAC_SHA512),
];

/// R-02, B-02, B-03
#[test]
fn a_public_key_is_no_shared_secret() {
    for (form, secret) in public_forms() {
        for (algorithm, hash) in SYMMETRIC {
            let header = json!({"alg": algorithm, "kid": "ES256", "typ": "at+jwt"}).to_string();
            let input = format!("{}.{}", encode(&header), encode(claims().to_string()));
            let tag = hmac::sign(&hmac::Key::new(hash, &secret), input.as_bytes());
            let token = format!("{input}.{}", encode(tag));
            assert_eq!(reason(&token), Reason::TokenAlgorithm, "{form}");

            // Where it is allowed by mistake, the key still is what it is.
            let rules = TokenRules::builder()
                .issuer(ISSUER)
                .audience("orders")
                .max_life(Duration::from_secs(900));
            let rules = rules.algorithm(algorithm).build().unwrap();
            let refused = verify_access(&token, &rules, &WORLD.keys, NOW).unwrap_err();
            assert_eq!(refused.reason(), Reason::TokenAlgorithmMismatch, "{form}");
        }
    }
}

/// R-02, B-04: each key verifies its own algorithm and no other, whichever the rules allow.
#[test]
fn only_the_diagonal_of_keys_and_algorithms_verifies() {
    let keys = key_of_each();
    assert_eq!(keys.len(), Algorithm::ALL.len());
    for &named in Algorithm::ALL {
        let rules = TokenRules::builder()
            .issuer(ISSUER)
            .audience("orders")
            .max_life(Duration::from_secs(900));
        let rules = rules.algorithm(named).build().unwrap();
        for signer in &keys {
            // Both the header as we write it and one that has to be read.
            let known = format!("{{\"alg\":\"{named}\",\"kid\":\"k\",\"typ\":\"at+jwt\"}}");
            for header in [known.clone(), format!("{known} ")] {
                let token = signed(signer, header, claims().to_string());
                for key in &keys {
                    let set = KeySet::new([trusted("k", key)], []).unwrap();
                    let verified = verify_access(&token, &rules, &set, NOW);
                    let good = key.algorithm() == named && std::ptr::eq(signer, key);
                    assert_eq!(
                        verified.is_ok(),
                        good,
                        "{} as {named} by {}",
                        key.algorithm(),
                        signer.algorithm()
                    );
                    let mismatch = key.algorithm() != named;
                    let expected = if mismatch {
                        Reason::TokenAlgorithmMismatch
                    } else {
                        Reason::TokenSignature
                    };
                    assert!(good || verified.unwrap_err().reason() == expected);
                }
            }
        }
    }
}

/// A key of an algorithm that the rules do not allow is not used, even under the header that it is known by.
#[test]
fn the_list_of_algorithms_also_binds_known_headers() {
    let rules = TokenRules::builder()
        .issuer(ISSUER)
        .audience("orders")
        .max_life(Duration::from_secs(900));
    let rules = rules.algorithm(Algorithm::Es256).build().unwrap();
    let signer = TokenSigner::new(kid("EdDSA"), Arc::new(reimported(Algorithm::EdDsa)));
    let token = signer
        .sign(TokenKind::Access, claims().to_string().as_bytes())
        .unwrap();
    assert!(WORLD.verify(&token).is_ok());
    let refused = verify_access(&token, &rules, &WORLD.keys, NOW).unwrap_err();
    assert_eq!(refused.reason(), Reason::TokenAlgorithm);
}

fn reimported(algorithm: Algorithm) -> SigningKey {
    SigningKey::import(algorithm, &WORLD.key(algorithm).export().unwrap()).unwrap()
}

/// R-05, B-06, B-07
#[test]
fn an_ecdsa_signature_is_two_numbers_of_32_bytes_in_range() {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let header = header(Algorithm::Es256).to_string();
    let good = signed(WORLD.key(Algorithm::Es256), &header, claims().to_string());
    assert!(WORLD.verify(&good).is_ok());
    let signature = good.rsplit('.').next().unwrap();
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(signature)
        .unwrap();
    let (r, s) = signature.split_at(32);
    let (zero, mut one, mut n_less_one) = ([0; 32], [0; 32], N);
    one[31] = 1;
    n_less_one[31] -= 1;
    let pkcs8 = WORLD.key(Algorithm::Es256).export().unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expose()).unwrap();
    let input = format!("{}.{}", encode(&header), encode(claims().to_string()));
    let der = pair
        .sign(&rand::SystemRandom::new(), input.as_bytes())
        .unwrap();
    for (name, bad) in [
        ("r = s = 0", [zero, zero].concat()),
        ("r = 0", [&zero[..], s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r = n", [N, one].concat()),
        ("s = n", [r, &N].concat()),
        ("r = n-1", [n_less_one, one].concat()),
        ("DER", der.as_ref().to_vec()),
        ("63 bytes", signature[..63].to_vec()),
        ("65 bytes", [&signature[..], &[0]].concat()),
        ("a zero in front of each", [&[0], r, &[0], s].concat()),
        ("132 bytes", [r, &[0; 34], s, &[0; 34]].concat()),
        ("r and s swapped", [s, r].concat()),
        ("one byte", vec![0]),
    ] {
        assert_eq!(
            reason(&with_signature(&header, bad)),
            Reason::TokenSignature,
            "{name}"
        );
    }
}

/// B-08
#[test]
fn a_signature_is_over_this_header_and_these_claims() {
    let eddsa = signed(
        WORLD.key(Algorithm::EdDsa),
        header(Algorithm::EdDsa).to_string(),
        claims().to_string(),
    );
    let es256 = signed(
        WORLD.key(Algorithm::Es256),
        header(Algorithm::Es256).to_string(),
        claims().to_string(),
    );
    let other = WORLD.token(with(claims(), "sub", json!("u2")).to_string());
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (a, b, c) = (parts(&eddsa), parts(&es256), parts(&other));
    assert_eq!(
        reason(&format!("{}.{}.{}", a[0], a[1], c[2])),
        Reason::TokenSignature
    );
    assert_eq!(
        reason(&format!("{}.{}.{}", a[0], c[1], a[2])),
        Reason::TokenSignature
    );
    assert_eq!(
        reason(&format!("{}.{}.{}", b[0], a[1], a[2])),
        Reason::TokenSignature
    );
    assert_eq!(
        reason(&format!("{}.{}.{}", a[0], b[1], b[2])),
        Reason::TokenSignature
    );
}

/// B-13, B-41: another issuer's key is not ours, whatever it signs and however it is named.
#[test]
fn a_key_speaks_for_its_own_issuer_only() {
    let theirs = new_key(Algorithm::EdDsa);
    let named = |kid: &str| json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}).to_string();
    let as_us = signed(&theirs, named("theirs"), claims().to_string());
    assert_eq!(reason(&as_us), Reason::TokenUnknownKey);
    let under_our_name = signed(&theirs, named("EdDSA"), claims().to_string());
    assert_eq!(reason(&under_our_name), Reason::TokenSignature);

    // In the other direction: their keys with their rules do not accept our issuer's name.
    let set = KeySet::new([trusted("theirs", &theirs)], []).unwrap();
    let rules = rules().issuer("https://other.example.com").build().unwrap();
    let refused = verify_access(&as_us, &rules, &set, NOW).unwrap_err();
    assert_eq!(refused.reason(), Reason::TokenIssuer);
}

/// R-25, B-14
#[test]
fn a_retired_key_verifies_what_it_signed_and_nothing_later() {
    let key = new_key(Algorithm::EdDsa);
    let retired = trusted("EdDSA", &key).signed_until(NOW - Duration::from_secs(10));
    let set = KeySet::new([retired], []).unwrap();
    for (issued_at, good) in [
        (1_799_999_990, true),
        (1_799_999_991, false),
        (1_800_000_000, false),
    ] {
        let payload = with(claims(), "iat", json!(issued_at)).to_string();
        let token = signed(&key, header(Algorithm::EdDsa).to_string(), payload);
        let verified = verify_access(&token, &WORLD.rules, &set, NOW);
        assert_eq!(verified.is_ok(), good, "{issued_at}");
        assert!(good || verified.unwrap_err().reason() == Reason::TokenKeyState);
    }
}

/// kinds of tokens against kinds of verifiers.
#[test]
fn only_a_token_of_its_own_kind_is_accepted() {
    let signer = TokenSigner::new(kid("EdDSA"), Arc::new(reimported(Algorithm::EdDsa)));
    for made in TokenKind::ALL {
        let token = signer.sign(*made, claims().to_string().as_bytes()).unwrap();
        for wanted in TokenKind::ALL {
            let verified = verify_signed(&token, *wanted, &WORLD.rules, &WORLD.keys);
            assert_eq!(verified.is_ok(), made == wanted, "{made:?} as {wanted:?}");
            assert!(made == wanted || verified.unwrap_err().reason() == Reason::TokenType);
        }
    }
}

/// R-18, B-42
#[test]
fn a_token_is_accepted_until_a_tick_before_its_end_and_the_leeway() {
    let token = WORLD.token(claims().to_string());
    let verify =
        |clock: &ManualClock| verify_access(&token, &WORLD.rules, &WORLD.keys, clock.now());
    let clock = ManualClock::at(NOW);
    clock.advance(Duration::from_secs(630) - Duration::from_micros(1));
    assert!(verify(&clock).is_ok());
    clock.advance(Duration::from_micros(1));
    assert_eq!(verify(&clock).unwrap_err().reason(), Reason::TokenExpired);
}

/// nothing in the claims is judged before the signature.
#[test]
fn a_bad_signature_is_found_before_bad_claims() {
    for payload in ["not JSON", "{}", "{\"exp\":1}"] {
        let token = signed(
            &new_key(Algorithm::EdDsa),
            header(Algorithm::EdDsa).to_string(),
            payload,
        );
        assert_eq!(reason(&token), Reason::TokenSignature, "{payload}");
    }
}

/// Every single character matters: no token verifies with one of them changed.
#[test]
fn a_token_with_any_character_changed_is_refused() {
    let token = WORLD.token(claims().to_string());
    for at in 0..token.len() {
        for with in ["A", "-", "_", "z", ".", "=", " ", ""] {
            let mut changed = token.clone();
            changed.replace_range(at..=at, with);
            if changed != token {
                assert!(WORLD.verify(&changed).is_err(), "{at} {with}");
            }
        }
    }
}

/// The header that is compared and the header that is read lead to the same key.
#[test]
fn a_known_header_gives_the_key_that_reading_it_gives() {
    for algorithm in ALGORITHMS {
        let encoded = encode(format!(
            "{{\"alg\":\"{algorithm}\",\"kid\":\"{algorithm}\",\"typ\":\"at+jwt\"}}"
        ));
        let known: &TrustedKey = WORLD.keys.by_header(TokenKind::Access, &encoded).unwrap();
        assert_eq!(
            known.kid(),
            WORLD.keys.by_kid(&kid(algorithm.as_str())).unwrap().kid()
        );
        assert_eq!(known.key().algorithm(), algorithm);
    }
}

/// B-02, R-03: a shared secret works for whom it is meant.
#[test]
fn a_shared_secret_verifies_among_its_own_kind() {
    for (algorithm, _) in SYMMETRIC {
        let key = new_key(algorithm);
        let rules = TokenRules::builder()
            .issuer(ISSUER)
            .audience("orders")
            .max_life(Duration::from_secs(900));
        let rules = rules.algorithm(algorithm).build().unwrap();
        let set = KeySet::new([trusted(algorithm.as_str(), &key)], []).unwrap();
        let token = signed(&key, header(algorithm).to_string(), claims().to_string());
        assert!(verify_access(&token, &rules, &set, NOW).is_ok());
        assert_eq!(reason(&token), Reason::TokenAlgorithm);
    }
}

/// R-05, B-06, B-07: P-521's numbers have 66 bytes and may be shorter than their place, never longer.
#[test]
fn an_es512_signature_is_two_numbers_of_66_bytes_in_range() {
    let key = new_key(Algorithm::Es512);
    let rules = TokenRules::builder()
        .issuer(ISSUER)
        .audience("orders")
        .max_life(Duration::from_secs(900));
    let rules = rules.algorithm(Algorithm::Es512).build().unwrap();
    let set = KeySet::new([trusted("ES512", &key)], []).unwrap();
    let header = header(Algorithm::Es512).to_string();
    let good = signed(&key, &header, claims().to_string());
    assert!(verify_access(&good, &rules, &set, NOW).is_ok());
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(good.rsplit('.').next().unwrap())
        .unwrap();
    let (r, s) = signature.split_at(66);
    let zero = [0; 66];
    for (name, bad) in [
        ("r = s = 0", [zero, zero].concat()),
        ("r = 0", [&zero[..], s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r far beyond n", [&[0xff; 66], s].concat()),
        ("s far beyond n", [r, &[0xff; 66]].concat()),
        ("r + 2^521", [&[r[0] | 2], &r[1..], s].concat()),
        ("s + 2^521", [r, &[s[0] | 2], &s[1..]].concat()),
        ("131 bytes", signature[..131].to_vec()),
        ("133 bytes", [&signature[..], &[0]].concat()),
        ("65 bytes each", [&r[1..], &s[1..]].concat()),
        ("64 bytes each", [&r[2..], &s[2..]].concat()),
        ("a zero in front of each", [&[0], r, &[0], s].concat()),
        ("r and s swapped", [s, r].concat()),
        ("one byte", vec![0]),
    ] {
        let token = with_signature(&header, bad);
        let refused = verify_access(&token, &rules, &set, NOW).unwrap_err();
        assert_eq!(refused.reason(), Reason::TokenSignature, "{name}");
    }
}
