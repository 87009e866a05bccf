use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
};

use super::*;
use crate::danger::{InsecureFailingRandom, InsecureSeededRandom};
use crate::error::ErrorKind;
use crate::random::{OsRandom, Random};

/// A key of every algorithm; those of RSA have the same numbers, the harder case and the faster one.
fn all_keys() -> Vec<SigningKey> {
    let rsa = SigningKey::generate(Algorithm::Rs256, &OsRandom).unwrap();
    let rsa = rsa.export().unwrap();
    Algorithm::ALL
        .iter()
        .map(|&algorithm| match algorithm.family() {
            Family::Rsa => SigningKey::import(algorithm, &rsa).unwrap(),
            _ => SigningKey::generate(algorithm, &OsRandom).unwrap(),
        })
        .collect()
}

fn signed(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let mut signature = Vec::new();
    key.sign(message, &mut signature).unwrap();
    signature
}

/// one key verifies what it signed, and nothing that any other key or algorithm did.
#[test]
fn only_the_diagonal_of_all_keys_and_all_signatures_verifies() {
    let keys = all_keys();
    for (i, signer) in keys.iter().enumerate() {
        let signature = signed(signer, b"message");
        for (j, key) in keys.iter().enumerate() {
            let verified = key.verifying_key().verify(b"message", &signature);
            assert_eq!(verified.is_ok(), i == j, "{signer:?} {key:?}");
        }
        let own = signer.verifying_key();
        assert!(own.verify(b"messagf", &signature).is_err());
        assert!(own.verify(b"", &signature).is_err());
    }
}

/// the same numbers, or the same secret, under another algorithm of their kind are another key.
#[test]
fn a_key_imported_for_another_algorithm_of_its_kind_verifies_nothing_of_the_first() {
    let rsa = SigningKey::generate(Algorithm::Ps512, &OsRandom).unwrap();
    let secret = SigningKey::generate(Algorithm::Hs512, &OsRandom).unwrap();
    for (first, family) in [(rsa, Family::Rsa), (secret, Family::Secret)] {
        let exported = first.export().unwrap();
        let keys: Vec<_> = Algorithm::ALL
            .iter()
            .filter(|algorithm| algorithm.family() == family)
            .map(|&algorithm| SigningKey::import(algorithm, &exported).unwrap())
            .collect();
        assert!(keys.len() >= 3);
        for signer in &keys {
            let signature = signed(signer, b"m");
            for key in &keys {
                let verified = key.verifying_key().verify(b"m", &signature).is_ok();
                let same = key.algorithm() == signer.algorithm();
                assert_eq!(verified, same, "{signer:?} {key:?}");
            }
        }
    }
}

/// what was made for one algorithm is imported for its kind only.
#[test]
fn a_key_is_imported_for_no_algorithm_of_another_kind() {
    for key in all_keys() {
        let exported = key.export().unwrap();
        for &algorithm in Algorithm::ALL {
            let same_kind = algorithm.family() == key.algorithm().family();
            if same_kind && algorithm.is_symmetric() {
                continue; // it depends on the length: see `weak`
            }
            let imported = SigningKey::import(algorithm, &exported);
            assert_eq!(imported.is_ok(), same_kind, "{key:?} as {algorithm}");
        }
    }
}

/// a new secret is as long as the hash.
#[test]
fn a_new_secret_has_the_length_of_its_hash() {
    for (algorithm, len) in [
        (Algorithm::Hs256, 32),
        (Algorithm::Hs384, 48),
        (Algorithm::Hs512, 64),
    ] {
        let key = SigningKey::generate(algorithm, &OsRandom).unwrap();
        assert_eq!(key.export().unwrap().expose().len(), len);
        assert_eq!(signed(&key, b"m").len(), len);
    }
}

///
#[test]
fn a_signature_of_any_other_length_or_with_any_bit_flipped_is_refused() {
    for key in all_keys() {
        let good = signed(&key, b"m");
        let expected = match key.algorithm() {
            Algorithm::EdDsa | Algorithm::Ed25519 | Algorithm::Es256 => 64,
            Algorithm::Es384 => 96,
            Algorithm::Es512 => 132,
            Algorithm::Hs256 => 32,
            Algorithm::Hs384 => 48,
            Algorithm::Hs512 => 64,
            _ => 384, // RSA of 3072 bits
        };
        assert_eq!(good.len(), expected);
        let verifying = key.verifying_key();
        for len in 0..expected {
            assert!(verifying.verify(b"m", &good[..len]).is_err());
        }
        for longer in [[&good[..], &[0]].concat(), [&[0], &good[..]].concat()] {
            assert!(verifying.verify(b"m", &longer).is_err());
        }
        let step = if expected > 132 { 61 } else { 1 };
        for bit in (0..expected * 8).step_by(step) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(verifying.verify(b"m", &bad).is_err(), "{key:?} bit {bit}");
        }
        assert!(verifying.verify(b"m", &vec![0; expected]).is_err());
    }
}

/// B-02..B-09 in the codec; here the operation itself.
#[test]
fn a_der_encoded_ecdsa_signature_is_refused() {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    for (algorithm, asn1) in [
        (Algorithm::Es256, &ECDSA_P256_SHA256_ASN1_SIGNING),
        (Algorithm::Es384, &ECDSA_P384_SHA384_ASN1_SIGNING),
        (Algorithm::Es512, &ECDSA_P521_SHA512_ASN1_SIGNING),
    ] {
        let pair = EcdsaKeyPair::generate(asn1).unwrap();
        let key =
            SigningKey::from_pkcs8_der(algorithm, pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
        for _ in 0..50 {
            let der = pair.sign(&rng, b"m").unwrap();
            assert!(key.verifying_key().verify(b"m", der.as_ref()).is_err());
        }
    }
}

#[test]
fn what_is_exported_can_be_imported_and_is_the_same_key() {
    for key in all_keys() {
        let again = SigningKey::import(key.algorithm(), &key.export().unwrap()).unwrap();
        assert!(
            again
                .verifying_key()
                .verify(b"m", &signed(&key, b"m"))
                .is_ok()
        );
        assert!(
            key.verifying_key()
                .verify(b"m", &signed(&again, b"m"))
                .is_ok()
        );
        assert_eq!(
            key.export().unwrap().expose(),
            again.export().unwrap().expose()
        );
    }
}

#[test]
fn an_exported_key_that_was_damaged_or_cut_is_not_imported_as_another() {
    for key in all_keys() {
        if key.algorithm().is_symmetric() {
            continue; // any 32 bytes are a secret; the seal protects it
        }
        let exported = key.export().unwrap();
        for len in 0..exported.expose().len() {
            let cut = SecretBytes::new(exported.expose()[..len].to_vec());
            assert!(SigningKey::import(key.algorithm(), &cut).is_err());
        }
    }
}

/// F-42, R-78
#[test]
fn without_entropy_there_is_no_key() {
    #[derive(Debug)]
    struct Stuck(u8);
    impl Random for Stuck {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
            buffer.fill(self.0);
            Ok(())
        }
    }
    for &algorithm in Algorithm::ALL {
        for random in [
            &InsecureFailingRandom as &dyn Random,
            &Stuck(0),
            &Stuck(0xff),
        ] {
            let error = SigningKey::generate(algorithm, random).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Entropy, "{algorithm}");
        }
    }
}

/// All randomness of these keys is the injected one.
#[test]
fn keys_that_are_not_rsa_repeat_with_their_seed_and_differ_between_seeds() {
    let make = |algorithm, seed| {
        let key = SigningKey::generate(algorithm, &InsecureSeededRandom::new(seed)).unwrap();
        key.export().unwrap().expose().to_vec()
    };
    for algorithm in [
        Algorithm::EdDsa,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::Hs256,
        Algorithm::Hs384,
        Algorithm::Hs512,
    ] {
        assert_eq!(make(algorithm, 1), make(algorithm, 1));
        assert_ne!(make(algorithm, 1), make(algorithm, 2));
    }
}

/// RFC 8037 appendix A.4.
#[test]
fn the_signature_of_rfc_8037_is_made_and_verified() {
    let seed = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let key = SigningKey::from_edwards_seed(Algorithm::EdDsa, &seed).unwrap();
    let signature = signed(
        &key,
        b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    );
    assert_eq!(
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(signature),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

/// RFC 7515 appendix A.1.
#[test]
fn the_hmac_of_rfc_7515_is_made() {
    let secret = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        )
        .unwrap();
    let key = SigningKey::from_secret(Algorithm::Hs256, SecretBytes::new(secret)).unwrap();
    let signature = signed(
        &key,
        b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    );
    assert_eq!(
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(signature),
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = base64_simd::STANDARD.encode_to_string(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn sec1(pair: &EcdsaKeyPair) -> Vec<u8> {
    let key = pair.private_key();
    let der: EcPrivateKeyRfc5915Der<'_> = key.as_der().unwrap();
    der.as_ref().to_vec()
}

fn sentence(algorithm: Algorithm, key: &str) -> String {
    SigningKey::from_pem(algorithm, key)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_key_of_the_wrong_form_is_named_with_the_form_that_is_needed() {
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let k256 = EcdsaKeyPair::generate(&ECDSA_P256K1_SHA256_ASN1_SIGNING).unwrap();
    let parameters = pem("EC PARAMETERS", b"\x06\x05\x2b\x81\x04\x00\x0a");
    assert_eq!(
        sentence(Algorithm::Es256, &pem("EC PRIVATE KEY", &sec1(&p256))),
        "this is a P-256 private key in SEC1 form; ES256 needs a P-256 private key in PKCS#8 form: \
         convert it with `openssl pkcs8 -topk8 -nocrypt`"
    );
    assert_eq!(
        sentence(
            Algorithm::Es256,
            &(parameters + &pem("EC PRIVATE KEY", &sec1(&k256)))
        ),
        "this is a secp256k1 private key in SEC1 form; ES256 needs a P-256 private key in PKCS#8 form"
    );
    assert_eq!(
        sentence(
            Algorithm::EdDsa,
            &pem("PRIVATE KEY", p256.to_pkcs8v1().unwrap().as_ref())
        ),
        "this is a P-256 private key in PKCS#8 form; EdDSA needs an Ed25519 private key in PKCS#8 form"
    );
    let rsa = SigningKey::generate(Algorithm::Rs256, &OsRandom)
        .unwrap()
        .export()
        .unwrap();
    let mut outer = der::Reader::new(rsa.expose());
    let mut info = outer.sequence().unwrap();
    info.version().and_then(|_| info.key_kind()).unwrap();
    let pkcs1 = info.next(der::OCTET_STRING).unwrap();
    assert_eq!(
        sentence(Algorithm::Ps256, &pem("RSA PRIVATE KEY", pkcs1)),
        "this is an RSA private key in PKCS#1 form; PS256 needs an RSA private key in PKCS#8 form: \
         convert it with `openssl pkcs8 -topk8 -nocrypt`"
    );
    for (given, text) in [
        ("a certificate", CERTIFICATE),
        ("an encrypted private key", ENCRYPTED),
        ("an Ed448 private key in PKCS#8 form", ED448),
        ("a P-256 public key in SPKI form", SPKI),
        ("a JSON Web Key", "{\"kty\":\"EC\"}"),
        ("no key in a known form", "-----BEGIN PRIVATE KEY-----"),
        ("no key in a known form", ""),
    ] {
        let shown = sentence(Algorithm::Es384, text);
        assert!(
            shown.starts_with(&format!("this is {given}; ES384 needs")),
            "{shown}"
        );
    }
    let shared = SecretBytes::new(b"not symmetric, and 32 bytes long".to_vec());
    assert!(SigningKey::from_secret(Algorithm::Es256, shared).is_err());
}

#[test]
fn a_public_key_in_pem_form_is_read_for_its_own_algorithm_only() {
    assert!(VerifyingKey::from_pem(Algorithm::Es256, SPKI).is_ok());
    for &algorithm in Algorithm::ALL {
        if algorithm == Algorithm::Es256 {
            continue;
        }
        let error = VerifyingKey::from_pem(algorithm, SPKI).unwrap_err();
        assert!(matches!(error, KeyError::Format { .. }), "{algorithm}");
        let name = algorithm.as_str();
        let shown = error.to_string();
        assert!(shown.contains(&format!("; {name} needs a")), "{shown}");
    }
    let off_curve = SPKI.replace("5gV79", "5gV78");
    assert!(VerifyingKey::from_pem(Algorithm::Es256, &off_curve).is_err());
}

/// no key byte is in a message or in `Debug`.
#[test]
fn neither_debug_nor_errors_show_key_bytes() {
    for key in all_keys() {
        let name = key.algorithm().as_str();
        assert_eq!(format!("{key:?}"), format!("SigningKey({name}, ..)"));
        assert_eq!(
            format!("{:?}", key.verifying_key()),
            format!("VerifyingKey({name})")
        );
    }
    let error = SigningKey::from_pem(Algorithm::Es256, ED448).unwrap_err();
    let shown = format!("{error} {error:?} {:?}", Error::from(error.clone()));
    assert!(!shown.contains("Oe"), "{shown}");
}

const SPKI: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFgiWrAT5gV79SeGh2jJxYykV/x0y
DhiZYSSRDcYbOiDaaosgv3dck+fRMXfoShZnqBJ2+EvJ2Ui0fUKUdbV53Q==
-----END PUBLIC KEY-----
";

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIUewUhsyt+v2VNQQYjfoyzx0NRfl4wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjExMjQxNDIyMjVaFw0yNjExMjUxNDIyMjVaMAwx
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQWCJasBPmBXv1J
4aHaMnFjKRX/HTIOGJlhJJENxhs6INpqiyC/d1yT59Exd+hKFmeoEnb4S8nZSLR9
QpR1tXndo1MwUTAdBgNVHQ4EFgQUC2iZkJhszwax58O3g4yhOIxvuAQwHwYDVR0j
BBgwFoAUC2iZkJhszwax58O3g4yhOIxvuAQwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiBksh6nad1oTMKVuFs/VCdn/p3Y9MMvg50Gwd7jjuk6vQIh
AIeD98CsfIS5JNk6vUuE8NuRnOfJ5keoANvhICE3cycl
-----END CERTIFICATE-----
";

const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjdII7ekyXADQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIsyo+kSGnkPTs4beykoppIEgZAA
xlC2JwcwtRTfRp+IepNou+c93rdW57NCiVYZ+E1ji5eRUnF38MCz8UXmypYG4JV0
uuPiwoX38VhBugjtyN1sJlI+9SjJ8xpPd/tDFNNbGHgrcBWbV5u8pfCmgWTw/4gR
fPm48l5wrnpyQjZjFSmHqL7J34d4Z2j2uvC1mJN8z+DM37salFFHy6w9/NlgIkM=
-----END ENCRYPTED PRIVATE KEY-----
";

/// Made for this test: nothing is signed with it.
const ED448: &str = "-----BEGIN PRIVATE KEY-----
MEcCAQAwBQYDK2VxBDsEOe+hbGBz+RngJD9EREf/4q9LFyD0MD9Yg5zePv2Ta3sk
hxyMrLche2hXkWXuEHBLIHL5CqY9KaMylA==
-----END PRIVATE KEY-----
";
