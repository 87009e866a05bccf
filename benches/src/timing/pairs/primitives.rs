//! Comparisons with something secret, wrong in the first byte against wrong in the last.

use std::hint::black_box;

use base64_simd::URL_SAFE_NO_PAD;
use fountain_core::signing::Algorithm;
use fountain_core::token::verify_access;
use fountain_core::{Clock, Digest, OsRandom, Random, SystemClock};

use crate::timing::{Deal, Expected, Pair};
use crate::world::Keys;

pub(super) fn all() -> Vec<Pair> {
    vec![
        pair("digest", Expected::Same, digest),
        pair("HMAC", Expected::Same, hmac),
        pair("HS256 token, signature", Expected::Same, token),
        pair("leak of a byte-wise comparison", Expected::Leak, leak),
    ]
}

fn pair(name: &str, expected: Expected, deal: impl FnMut() -> Deal + 'static) -> Pair {
    Pair {
        name: format!("{name}: first byte wrong / last byte wrong"),
        expected,
        deal: Box::new(deal),
    }
}

fn digest() -> Deal {
    let secret = secret();
    let stored = Digest::from_bytes(secret);
    dealt(&secret, move |presented| {
        let presented = Digest::from_bytes(presented.try_into().unwrap());
        assert!(!black_box(&stored).matches(&presented));
    })
}

fn hmac() -> Deal {
    let keys = Keys::new(Algorithm::Hs256);
    let mut signature = Vec::new();
    keys.key.sign(b"header.claims", &mut signature).unwrap();
    let verifying = keys.key.verifying_key().clone();
    dealt(&signature, move |presented| {
        assert!(verifying.verify(b"header.claims", presented).is_err());
    })
}

fn token() -> Deal {
    let keys = Keys::new(Algorithm::Hs256);
    let now = SystemClock::new().now();
    let token = keys.token(now);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    let whole = |place| {
        let text = |signature| format!("{input}.{}", URL_SAFE_NO_PAD.encode_to_string(signature));
        let signatures = wrong_in(&signature, place).into_iter();
        signatures.map(|s| text(s).into_bytes()).collect()
    };
    Deal {
        left: whole(0),
        right: whole(signature.len() - 1),
        run: Box::new(move |text| {
            let text = std::str::from_utf8(text).unwrap();
            assert!(verify_access(text, &keys.rules, &keys.set, now).is_err());
        }),
    }
}

fn leak() -> Deal {
    let secret = secret();
    dealt(&secret, move |presented| {
        compare_and_leak(presented, &secret)
    })
}

/// The mistake: it ends at the first byte that differs.
pub(super) fn compare_and_leak(presented: &[u8], secret: &[u8]) {
    let secret = black_box(secret);
    let common = presented
        .iter()
        .zip(secret)
        .take_while(|(a, b)| black_box(**a) == **b)
        .count();
    assert!(black_box(common) < secret.len());
}

fn dealt(secret: &[u8], run: impl FnMut(&[u8]) + 'static) -> Deal {
    Deal {
        left: wrong_in(secret, 0),
        right: wrong_in(secret, secret.len() - 1),
        run: Box::new(run),
    }
}

/// The secret, but for one bit of one byte.
fn wrong_in(secret: &[u8], place: usize) -> Vec<Vec<u8>> {
    let wrong = |mask: u8| {
        let mut bytes = secret.to_vec();
        bytes
            .iter_mut()
            .skip(place)
            .take(1)
            .for_each(|b| *b ^= mask);
        bytes
    };
    (0..8).map(|bit| wrong(1 << bit)).collect()
}

fn secret() -> [u8; 32] {
    let mut secret = [0; 32];
    OsRandom.fill(&mut secret).unwrap();
    secret
}
