//! Which keys are refused although they parse (R-03, R-04, B-45).

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ParsedPublicKey,
};

use super::error::{KeyError, KeyFormat, Role};
use crate::secret::{SecretBytes, is_repetition};
use crate::signing::Algorithm;

/// Secrets of 32 bytes and more that stand in tutorials and tools as the default.
const WELL_KNOWN: &[&[u8]] = &[
    b"a-string-secret-at-least-256-bits-long",
    b"a-valid-string-secret-that-is-at-least-384-bits-long",
    b"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    b"your-256-bit-secret-your-256-bit-secret",
    b"your-secret-key-your-secret-key!",
    b"my-super-secret-key-that-is-at-least-32-bytes",
    b"this-is-a-very-long-secret-key-for-jwt",
    b"super-secret-key-change-in-production",
    b"change-me-change-me-change-me-please",
    b"abcdefghijklmnopqrstuvwxyz012345",
    b"abcdefghijklmnopqrstuvwxyz123456",
    b"12345678901234567890123456789012",
    b"qwertyuiopasdfghjklzxcvbnm123456",
];

/// A secret that may sign, as a key of the operation.
pub(super) fn checked_hmac_key(
    algorithm: Algorithm,
    secret: &SecretBytes,
) -> Result<hmac::Key, KeyError> {
    let key = long_enough_hmac_key(algorithm, secret)?;
    let bytes = secret.expose();
    if is_repetition(bytes) || is_progression(bytes) || WELL_KNOWN.contains(&bytes) {
        return Err(KeyError::Weak(match algorithm {
            Algorithm::Hs384 => "this HS384 secret can be guessed: take 48 random bytes",
            Algorithm::Hs512 => "this HS512 secret can be guessed: take 64 random bytes",
            _ => "this HS256 secret can be guessed: take 32 random bytes",
        }));
    }
    Ok(key)
}

/// A secret of the right kind that is as long as the hash (RFC 7518 section 3.2), though perhaps one to be guessed.
pub(super) fn long_enough_hmac_key(
    algorithm: Algorithm,
    secret: &SecretBytes,
) -> Result<hmac::Key, KeyError> {
    let bytes = secret.expose();
    let (hash, min, too_short) = match algorithm {
        Algorithm::Hs256 => (
            hmac::HMAC_SHA256,
            32,
            "an HS256 secret needs at least 32 bytes",
        ),
        Algorithm::Hs384 => (
            hmac::HMAC_SHA384,
            48,
            "an HS384 secret needs at least 48 bytes",
        ),
        Algorithm::Hs512 => (
            hmac::HMAC_SHA512,
            64,
            "an HS512 secret needs at least 64 bytes",
        ),
        _ => return Err(KeyError::format(bytes, algorithm, Role::Sign)),
    };
    if is_public(bytes) {
        return Err(KeyError::format(bytes, algorithm, Role::Sign));
    }
    if bytes.len() < min {
        return Err(KeyError::Weak(too_short));
    }
    Ok(hmac::Key::new(hash, bytes))
}

/// Whether the bytes are another kind of key, of which the public half may be known: in PEM, DER or JWK form, or
/// as the bytes of a point. Such secrets are how a public key is made to verify HMACs (B-02, B-03).
fn is_public(bytes: &[u8]) -> bool {
    let contains = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let is_point = || {
        [
            &ECDSA_P256_SHA256_FIXED,
            &ECDSA_P384_SHA384_FIXED,
            &ECDSA_P521_SHA512_FIXED,
        ]
        .into_iter()
        .any(|curve| ParsedPublicKey::new(curve, bytes).is_ok())
    };
    KeyFormat::of(bytes) != KeyFormat::Unknown
        || contains(b"-----BEGIN ")
        || (bytes.first() == Some(&4) && is_point())
}

/// Whether each byte is the one before it plus the same step: `00 01 02 …`.
fn is_progression(bytes: &[u8]) -> bool {
    let mut steps = bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .map(|(a, b)| b.wrapping_sub(*a));
    steps
        .next()
        .is_some_and(|first| steps.all(|step| step == first))
}

/// Modulus of 2048 bits and more, odd; exponent odd, 3 to 2^32; not made by the generator of ROCA.
pub(super) fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let bits = match n.first() {
        // the length of a modulus is far below `usize::MAX / 8`, as its caller bounds the input
        Some(&first) if first != 0 => {
            n.len().saturating_mul(8) - usize::try_from(first.leading_zeros()).unwrap_or(0)
        }
        _ => {
            return Err(KeyError::Invalid(
                "its modulus is empty or starts with a zero",
            ));
        }
    };
    if bits < 2048 {
        return Err(KeyError::Weak(
            "an RSA key needs a modulus of at least 2048 bits",
        ));
    }
    if bits > super::VerifyingKey::MAX_RSA_BITS {
        return Err(KeyError::Weak(
            "an RSA key has a modulus of at most 8192 bits",
        ));
    }
    if n.last().is_none_or(|last| last & 1 == 0) {
        return Err(KeyError::Weak("an RSA modulus is odd"));
    }
    let exponent = match e {
        [first, ..] if e.len() <= 4 && *first != 0 => e
            .iter()
            .fold(0_u32, |value, byte| value << 8 | u32::from(*byte)),
        _ => {
            return Err(KeyError::Weak(
                "an RSA public exponent is odd and lies between 3 and 2^32",
            ));
        }
    };
    if exponent < 3 || exponent & 1 == 0 {
        return Err(KeyError::Weak(
            "an RSA public exponent is odd and lies between 3 and 2^32",
        ));
    }
    if has_roca_fingerprint(n) {
        return Err(KeyError::Weak(
            "this RSA key was made by a generator whose keys can be factored (ROCA, CVE-2017-15361)",
        ));
    }
    Ok(())
}

/// The odd primes that divide the generator's constant for every key length.
const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Primes of the faulty generator are powers of 65537 modulo every small prime, and so are their products.
fn has_roca_fingerprint(n: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|&prime| {
        let residue = n
            .iter()
            .fold(0_u32, |rest, byte| (rest << 8 | u32::from(*byte)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            power = power * (65_537 % prime) % prime;
            power == residue
        })
    })
}

/// Refuses the points under which one signature fits every message, and encodings that are not canonical.
pub(super) fn check_edwards(key: &[u8; 32]) -> Result<(), KeyError> {
    let mut y = *key;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f; // the sign of x
    }
    // y >= 2^255 - 19
    let reduced = !matches!(y, [0xed..=0xff, middle @ .., 0x7f] if middle == [0xff; 30]);
    if !reduced || SMALL_ORDER.contains(&y) {
        return Err(KeyError::Weak("this Ed25519 key is a point of small order"));
    }
    Ok(())
}

/// The y of every point whose order divides 8: 1, -1, 0, and the two of order 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    fn hmac(bytes: &[u8]) -> bool {
        hmac_for(Algorithm::Hs256, bytes)
    }

    fn hmac_for(algorithm: Algorithm, bytes: &[u8]) -> bool {
        checked_hmac_key(algorithm, &SecretBytes::new(bytes.to_vec())).is_ok()
    }

    fn random(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        aws_lc_rs::rand::fill(&mut bytes).unwrap();
        bytes
    }

    ///
    #[test]
    fn an_hmac_secret_has_at_least_32_bytes_that_nobody_guesses() {
        assert!(hmac(&random(32)) && hmac(&random(64)));
        assert!(!hmac(&[]) && !hmac(&random(31)));
        assert!(!hmac(&[0; 32]) && !hmac(&[0xff; 64]));
        assert!(!hmac(b"changemechangemechangemechangeme"));
        assert!(!hmac(b"0123456789abcdef0123456789abcdef"));
        assert!(!hmac(&(0..32).collect::<Vec<u8>>()));
        for secret in WELL_KNOWN {
            assert!(secret.len() >= 32 && !hmac(secret), "{secret:?}");
        }
    }

    /// RFC 7518 section 3.2.
    #[test]
    fn an_hmac_secret_is_as_long_as_the_hash_of_its_algorithm() {
        for (algorithm, min) in [
            (Algorithm::Hs256, 32),
            (Algorithm::Hs384, 48),
            (Algorithm::Hs512, 64),
        ] {
            let refused = |bytes: Vec<u8>| {
                let secret = SecretBytes::new(bytes);
                checked_hmac_key(algorithm, &secret)
                    .unwrap_err()
                    .to_string()
            };
            assert!(hmac_for(algorithm, &random(min)) && hmac_for(algorithm, &random(200)));
            for len in [0, 1, min - 1] {
                let expected = format!("{algorithm} secret needs at least {min} bytes");
                assert!(refused(random(len)).ends_with(&expected), "{len}");
            }
            for guessed in [vec![0; min], vec![0xff; 2 * min], (0..).take(min).collect()] {
                let shown = refused(guessed);
                let expected = format!("{algorithm} secret can be guessed: take {min} random");
                assert!(shown.contains(&expected), "{shown}");
            }
            for secret in WELL_KNOWN {
                assert!(!hmac_for(algorithm, secret), "{secret:?}");
            }
        }
        for &algorithm in Algorithm::ALL {
            assert_eq!(
                hmac_for(algorithm, &random(64)),
                algorithm.is_symmetric(),
                "{algorithm}"
            );
        }
    }

    /// What is left out in `danger` is the guess alone.
    #[test]
    fn a_guessable_secret_for_test_vectors_still_is_long_enough_and_a_secret() {
        let long_enough = |algorithm, bytes: &[u8]| {
            long_enough_hmac_key(algorithm, &SecretBytes::new(bytes.to_vec())).is_ok()
        };
        let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".repeat(2);
        for (algorithm, min) in [
            (Algorithm::Hs256, 32),
            (Algorithm::Hs384, 48),
            (Algorithm::Hs512, 64),
        ] {
            assert!(long_enough(algorithm, &vec![0; min]));
            assert!(!long_enough(algorithm, &vec![0; min - 1]) && !long_enough(algorithm, &[]));
            assert!(!long_enough(algorithm, pem.as_bytes()));
        }
        assert!(!long_enough(Algorithm::EdDsa, &[0; 64]));
    }

    /// B-02, B-03
    #[test]
    fn a_point_of_any_curve_is_no_hmac_secret() {
        use crate::signing::SigningKey;
        use crate::signing::key::PublicNumbers;
        for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
            let key = SigningKey::generate(algorithm, &crate::random::OsRandom).unwrap();
            let Some(PublicNumbers::Curve { x, y, .. }) = key.verifying_key().numbers() else {
                panic!("an EC key has coordinates");
            };
            let point = [&[4], &x[..], &y[..]].concat();
            let mut no_point = point.clone();
            no_point[50] ^= 1;
            for symmetric in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
                assert!(!hmac_for(symmetric, &point), "{algorithm} {symmetric}");
                assert!(hmac_for(symmetric, &no_point), "{algorithm} {symmetric}");
            }
        }
    }

    /// B-02, B-03
    #[test]
    fn another_kind_of_key_is_no_hmac_secret_in_whatever_form() {
        use crate::signing::SigningKey;
        use crate::signing::key::{PublicNumbers, der};
        let jwk = |algorithm| {
            let key = SigningKey::generate(algorithm, &crate::random::OsRandom).unwrap();
            let kid = key.verifying_key().thumbprint().unwrap();
            (key.verifying_key().public_jwk(&kid).unwrap(), key)
        };
        let (json, key) = jwk(Algorithm::Es256);
        let Some(PublicNumbers::Curve { x, y, .. }) = key.verifying_key().numbers() else {
            panic!("an EC key has coordinates");
        };
        let spki = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
        let point = [&[4], &x[..], &y[..]].concat();
        let spki = [&spki[..], &point].concat();
        let base64 = base64_simd::STANDARD.encode_to_string(&spki);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
        let (rsa_json, rsa) = jwk(Algorithm::Rs256);
        let Some(PublicNumbers::Rsa { n, e }) = rsa.verifying_key().numbers() else {
            panic!("an RSA key has a modulus");
        };
        for secret in [
            pem.clone().into_bytes(),
            format!("  \n{pem}").into_bytes(),
            format!("\u{feff}{pem}").into_bytes(),
            pem.replace("END", "E").into_bytes(),
            spki,
            point.clone(),
            json.into_bytes(),
            format!(" {rsa_json}").into_bytes(),
            der::rsa_public_key(n, e),
        ] {
            assert!(!hmac(&secret), "{:?}", String::from_utf8_lossy(&secret));
        }
        let mut no_point = point;
        no_point[40] ^= 1;
        assert!(hmac(&no_point) && hmac(b"{a sentence in braces is no JWK}, nor is this"));
    }

    /// An odd modulus of `bits` bits.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut n = random(bits / 8);
        n[0] |= 0x80;
        n[bits / 8 - 1] |= 1;
        n
    }

    /// R-04, B-45
    #[test]
    fn a_small_or_odd_rsa_key_is_refused() {
        let n = modulus(2048);
        assert!(check_rsa(&n, &[1, 0, 1]).is_ok());
        assert!(check_rsa(&n, &[3]).is_ok());
        assert!(check_rsa(&n, &[0xff, 0xff, 0xff, 0xff]).is_ok());
        for e in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[1, 0, 0],
            &[0, 3],
            &[1, 0, 0, 0, 1],
        ] {
            assert!(check_rsa(&n, e).is_err(), "{e:?}");
        }
        assert!(check_rsa(&modulus(1024), &[1, 0, 1]).is_err());
        assert!(check_rsa(&modulus(2040), &[1, 0, 1]).is_err());
        assert!(check_rsa(&modulus(8200), &[1, 0, 1]).is_err());
        for bad in [vec![], vec![0], vec![0; 256], [&[0][..], &n].concat()] {
            assert!(check_rsa(&bad, &[1, 0, 1]).is_err());
        }
        let mut even = n;
        even[255] &= 0xfe;
        assert!(check_rsa(&even, &[1, 0, 1]).is_err());
    }

    /// R-04, B-45
    #[test]
    fn the_fingerprint_of_roca_is_found_and_random_moduli_have_none() {
        // 65537^130 is a power of 65537 modulo every prime, as the products of the faulty primes are
        let mut n = vec![1_u8];
        for _ in 0..130 {
            let shifted = [&n[..], &[0, 0]].concat();
            let mut carry = 0;
            let mut sum: Vec<u8> = shifted
                .iter()
                .rev()
                .zip(n.iter().rev().chain(std::iter::repeat(&0)))
                .map(|(a, b)| {
                    let digit = u16::from(*a) + u16::from(*b) + carry;
                    carry = digit >> 8;
                    u8::try_from(digit & 0xff).unwrap()
                })
                .collect();
            sum.push(u8::try_from(carry).unwrap());
            sum.reverse();
            n = sum.into_iter().skip_while(|byte| *byte == 0).collect();
        }
        assert!(matches!(
            check_rsa(&n, &[1, 0, 1]),
            Err(KeyError::Weak(why)) if why.contains("ROCA")
        ));
        assert!((0..200).all(|_| !has_roca_fingerprint(&modulus(2048))));
    }

    ///
    #[test]
    fn points_of_small_order_and_unreduced_ones_are_refused() {
        for sign in [0, 0x80] {
            for point in SMALL_ORDER {
                let mut point = point;
                point[31] |= sign;
                assert!(check_edwards(&point).is_err());
            }
            for low in 0xed..=0xff {
                let mut point = [0xff; 32];
                point[0] = low;
                point[31] = 0x7f | sign;
                assert!(check_edwards(&point).is_err());
            }
        }
        let mut largest = [0xff; 32];
        largest[0] = 0xeb;
        largest[31] = 0x7f;
        assert!(check_edwards(&largest).is_ok());
    }
}
