//! Verifying a token without any cache.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64_simd::URL_SAFE_NO_PAD;
use fountain_core::signing::Algorithm;
use fountain_core::token::verify_access;
use fountain_core::{Clock, SystemClock};

use super::sign::Pair;
use crate::world::{Keys, TheirClaims};
use crate::{Case, Group, Role, Target};

pub(super) fn hs256(name: &'static str) -> Group {
    group(name, Algorithm::Hs256, Target::TimesPeer(0.5))
}

pub(super) fn es256(name: &'static str) -> Group {
    group(name, Algorithm::Es256, Target::TimesLimit(1.08))
}

pub(super) fn eddsa(name: &'static str) -> Group {
    group(name, Algorithm::EdDsa, Target::TimesLimit(1.08))
}

pub(super) fn rs256(name: &'static str) -> Group {
    group(name, Algorithm::Rs256, Target::TimesLimit(1.08))
}

fn group(name: &'static str, algorithm: Algorithm, target: Target) -> Group {
    let keys = Keys::new(algorithm);
    let clock = SystemClock::new();
    let token = keys.token(clock.now());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let input = input.as_bytes().to_vec();
    let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();

    let limit = match Pair::new(&keys) {
        Pair::Secret(key) => Case::new(Role::Limit, "hmac::verify", move || {
            hmac::verify(&key, &input, &signature).unwrap();
        }),
        pair => {
            let key = pair.public();
            Case::new(Role::Limit, "ParsedPublicKey::verify_sig", move || {
                key.verify_sig(&input, &signature).unwrap();
            })
        }
    };
    let (decoding, validation) = (keys.decoding.clone(), keys.validation.clone());
    let their_token = token.clone();
    let peer = Case::new(Role::Peer, "jsonwebtoken::decode", move || {
        jsonwebtoken::decode::<TheirClaims>(&their_token, &decoding, &validation).unwrap()
    });
    let ours = Case::new(Role::Ours, "verify_access", move || {
        verify_access(&token, &keys.rules, &keys.set, clock.now()).unwrap()
    });
    Group {
        name,
        target,
        cases: vec![limit, peer, ours],
    }
}

impl Pair {
    fn public(&self) -> ParsedPublicKey {
        let parsed = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            ParsedPublicKey::new(algorithm, key).unwrap()
        };
        match self {
            Self::Edwards(pair) => parsed(&ED25519, pair.public_key().as_ref()),
            Self::Curve(pair) => parsed(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Self::Rsa(pair) => parsed(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
            Self::Secret(_) => unreachable!("a secret has no public half"),
        }
    }
}
