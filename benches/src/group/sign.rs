//! Signing a token.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use fountain_core::signing::Algorithm;
use fountain_core::{Clock, SystemClock};

use crate::world::{Keys, TheirClaims, claims};
use crate::{Case, Group, Role, Target};

/// A private key as the primitive holds it.
pub(super) enum Pair {
    Edwards(Ed25519KeyPair),
    Curve(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Secret(Box<hmac::Key>),
}

impl Pair {
    pub(super) fn new(keys: &Keys) -> Self {
        let private = &keys.private;
        match keys.algorithm {
            Algorithm::EdDsa => Self::Edwards(Ed25519KeyPair::from_pkcs8(private).unwrap()),
            Algorithm::Es256 => {
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                Self::Curve(EcdsaKeyPair::from_pkcs8(algorithm, private).unwrap())
            }
            Algorithm::Rs256 => Self::Rsa(RsaKeyPair::from_pkcs8(private).unwrap()),
            _ => Self::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, private))),
        }
    }

    fn sign(&self, message: &[u8], out: &mut [u8]) -> usize {
        match self {
            Self::Edwards(pair) => pair.try_sign(message).unwrap().as_ref().len(),
            Self::Curve(pair) => pair
                .sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .len(),
            Self::Rsa(pair) => {
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, out)
                    .unwrap();
                out.len()
            }
            Self::Secret(key) => hmac::sign(key, message).as_ref().len(),
        }
    }
}

pub(super) fn es256(name: &'static str) -> Group {
    group(name, Algorithm::Es256)
}

pub(super) fn eddsa(name: &'static str) -> Group {
    group(name, Algorithm::EdDsa)
}

pub(super) fn rs256(name: &'static str) -> Group {
    group(name, Algorithm::Rs256)
}

fn group(name: &'static str, algorithm: Algorithm) -> Group {
    let keys = Keys::new(algorithm);
    let now = SystemClock::new().now();
    let token = keys.token(now);
    let input = token.rsplit_once('.').unwrap().0.as_bytes().to_vec();
    let pair = Pair::new(&keys);
    let mut out = match &pair {
        Pair::Rsa(pair) => vec![0; pair.public_modulus_len()],
        _ => Vec::new(),
    };
    let limit = Case::new(Role::Limit, "the key pair's sign", move || {
        pair.sign(&input, &mut out)
    });

    let read = jsonwebtoken::decode::<TheirClaims>(&token, &keys.decoding, &keys.validation);
    let (their_claims, encoding) = (read.unwrap().claims, keys.encoding.clone());
    let mut header = jsonwebtoken::Header::new(algorithm.as_str().parse().unwrap());
    header.kid = Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".to_owned());
    header.typ = Some("at+jwt".to_owned());
    let peer = Case::new(Role::Peer, "jsonwebtoken::encode", move || {
        jsonwebtoken::encode(&header, &their_claims, &encoding).unwrap()
    });

    let claims = claims(now);
    let ours = Case::new(Role::Ours, "TokenSigner::sign_access", move || {
        keys.signer.sign_access(&claims).unwrap()
    });
    Group {
        name,
        target: Target::TimesLimit(1.08),
        cases: vec![limit, peer, ours],
    }
}
