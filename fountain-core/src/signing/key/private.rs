use std::fmt;

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{encoding, hmac};
use zeroize::Zeroizing;

use super::error::{KeyError, KeyFormat, KeyKind, Role};
use super::{PublicNumbers, VerifyingKey, der, weak};
use crate::error::{Error, ErrorKind};
use crate::random::Random;
use crate::secret::{SecretBytes, is_repetition};
use crate::signing::{Algorithm, Curve, Family};

/// Signs with one algorithm.
///
/// The key was parsed and checked when it was made; [`SigningKey::sign`] is the bare operation. It has no
/// `Display`, no `Serialize` and no `Clone`, and `Debug` shows the algorithm only (R-77).
///
/// ```
/// use fountain_core::OsRandom;
/// use fountain_core::signing::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::Es256, &OsRandom)?;
/// let mut signature = Vec::new();
/// key.sign(b"message", &mut signature)?;
/// assert_eq!(signature.len(), 64);
///
/// // a key is for one algorithm, and for no other
/// let exported = key.export()?;
/// assert!(SigningKey::import(Algorithm::Es256, &exported).is_ok());
/// assert!(SigningKey::import(Algorithm::Es384, &exported).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
pub struct SigningKey {
    algorithm: Algorithm,
    material: Material,
    verifying: VerifyingKey,
}

enum Material {
    Edwards(Ed25519KeyPair),
    Curve(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Secret(Box<hmac::Key>, SecretBytes),
}

impl SigningKey {
    /// Makes a new key: Ed25519, P-256, P-384, P-521, RSA of 3072 bits (R-04), or a secret as long as the
    /// algorithm's hash: 32, 48 or 64 bytes.
    ///
    /// All but RSA keys are made from the bytes of `random` alone. An RSA key's primes are drawn by the
    /// cryptographic library, after `random` has shown that it works: without entropy there is no key (F-42).
    ///
    /// # Errors
    /// `Entropy` when `random` fails, or gives bytes that repeat themselves; `Crypto` when the key cannot be made.
    pub fn generate(algorithm: Algorithm, random: &dyn Random) -> Result<Self, Error> {
        match algorithm.family() {
            Family::Edwards => {
                let seed = draw::<32>(random)?;
                let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| FAILED)?;
                Self::of_edwards(algorithm, pair)
            }
            Family::Curve(curve) => Self::of_curve(algorithm, curve, random_point(random, curve)?),
            Family::Rsa => {
                draw::<32>(random)?;
                let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(|_| FAILED)?;
                Self::of_rsa(algorithm, pair)
            }
            Family::Secret => Self::from_secret(algorithm, random_secret(algorithm, random)?),
        }
        .map_err(Error::from)
    }

    /// Reads a private key in PKCS#8 form, DER-encoded and not encrypted.
    ///
    /// RSA keys need 2048 bits or more. The public half, when it is in the file, must belong to the private one.
    ///
    /// # Errors
    /// `Format` when it is something else or for another algorithm, `Weak` when R-04 refuses it.
    pub fn from_pkcs8_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let refused = || KeyError::format(der, algorithm, Role::Sign);
        if KeyFormat::of(der) != KeyFormat::Pkcs8(KeyKind::of(algorithm)) {
            return Err(refused());
        }
        match algorithm.family() {
            Family::Edwards => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| refused())?;
                Self::of_edwards(algorithm, pair)
            }
            Family::Curve(curve) => {
                let pair = EcdsaKeyPair::from_pkcs8(signing(curve), der).map_err(|_| refused())?;
                Self::of_curve(algorithm, curve, pair)
            }
            Family::Rsa => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| refused())?;
                Self::of_rsa(algorithm, pair)
            }
            Family::Secret => Err(refused()),
        }
    }

    /// Reads a private key in PEM form (`BEGIN PRIVATE KEY`), not encrypted.
    ///
    /// # Errors
    /// `Format` when it is something else or for another algorithm, `Weak` when R-04 refuses it.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        let der = der::pem_body(pem)
            .ok_or_else(|| KeyError::format(pem.as_bytes(), algorithm, Role::Sign))?;
        Self::from_pkcs8_der(algorithm, der.expose())
    }

    /// A shared secret that signs (HS256, HS384, HS512).
    ///
    /// # Errors
    /// `Format` when the algorithm is not symmetric, or the secret is a key of another kind, such as a public
    /// key in PEM form; `Weak` when it is shorter than the algorithm's hash (32, 48 or 64 bytes) or is one that
    /// anybody could guess (R-03).
    pub fn from_secret(algorithm: Algorithm, secret: SecretBytes) -> Result<Self, KeyError> {
        let key = weak::checked_hmac_key(algorithm, &secret)?;
        Ok(Self {
            algorithm,
            verifying: VerifyingKey::of_hmac(algorithm, key.clone()),
            material: Material::Secret(Box::new(key), secret),
        })
    }

    /// The private key's bytes, to be sealed: PKCS#8 in DER, or the secret itself.
    ///
    /// # Errors
    /// `Crypto` when they cannot be written.
    ///
    /// # Security
    /// These bytes are the key. Give them to a [`Sealer`](crate::seal::Sealer), to nothing else.
    pub fn export(&self) -> Result<SecretBytes, Error> {
        let document = match &self.material {
            Material::Secret(_, secret) => return Ok(secret.clone()),
            Material::Edwards(pair) => pair.to_pkcs8v1(),
            Material::Curve(pair) => pair.to_pkcs8v1(),
            Material::Rsa(pair, _) => {
                let der: encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(|_| UNWRITABLE)?;
                return Ok(SecretBytes::new(der.as_ref().to_vec()));
            }
        };
        let document = document.map_err(|_| UNWRITABLE)?;
        Ok(SecretBytes::new(document.as_ref().to_vec()))
    }

    /// Reads back what [`SigningKey::export`] wrote.
    ///
    /// # Errors
    /// As the constructors: the bytes are checked as if they came from anywhere.
    pub fn import(algorithm: Algorithm, exported: &SecretBytes) -> Result<Self, KeyError> {
        if algorithm.is_symmetric() {
            Self::from_secret(algorithm, exported.clone())
        } else {
            Self::from_pkcs8_der(algorithm, exported.expose())
        }
    }

    /// The algorithm that it is bound to.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that checks its signatures.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs `message` and appends the signature, as RFC 7515 wants it, to `out`.
    ///
    /// # Errors
    /// `Crypto` when the operation fails; `out` is as it was then.
    pub fn sign(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match &self.material {
            Material::Edwards(pair) => {
                out.extend_from_slice(pair.try_sign(message).map_err(|_| UNSIGNED)?.as_ref());
            }
            Material::Curve(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                out.extend_from_slice(signature.map_err(|_| UNSIGNED)?.as_ref());
            }
            Material::Secret(key, _) => out.extend_from_slice(hmac::sign(key, message).as_ref()),
            Material::Rsa(pair, padding) => {
                let before = out.len();
                out.resize(before + pair.public_modulus_len(), 0);
                let signed = out
                    .get_mut(before..)
                    .map(|signature| pair.sign(*padding, &SystemRandom::new(), message, signature));
                if !matches!(signed, Some(Ok(()))) {
                    out.truncate(before);
                    return Err(UNSIGNED);
                }
            }
        }
        Ok(())
    }

    /// A key from the seed of RFC 8032, for a private JWK.
    pub(in crate::signing) fn from_edwards_seed(
        algorithm: Algorithm,
        seed: &[u8],
    ) -> Result<Self, KeyError> {
        match seed.len() {
            32 => Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| UNUSABLE),
            _ => Err(KeyError::Invalid("an Ed25519 private key has 32 bytes")),
        }
        .and_then(|pair| Self::of_edwards(algorithm, pair))
    }

    /// A key from its private scalar, for a private JWK.
    pub(in crate::signing) fn from_scalar(
        algorithm: Algorithm,
        curve: Curve,
        scalar: &[u8],
    ) -> Result<Self, KeyError> {
        point(scalar, curve)
            .ok_or(KeyError::Invalid(
                "its private number is not one of its curve",
            ))
            .and_then(|pair| Self::of_curve(algorithm, curve, pair))
    }

    /// A key from RSA's numbers, for a private JWK.
    pub(in crate::signing) fn from_rsa(
        algorithm: Algorithm,
        pair: RsaKeyPair,
    ) -> Result<Self, KeyError> {
        Self::of_rsa(algorithm, pair)
    }

    fn of_edwards(algorithm: Algorithm, pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| UNUSABLE)?;
        Ok(Self {
            algorithm,
            verifying: VerifyingKey::from_numbers(algorithm, PublicNumbers::Edwards(public))?,
            material: Material::Edwards(pair),
        })
    }

    fn of_curve(algorithm: Algorithm, curve: Curve, pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let numbers = der::point_numbers(curve, pair.public_key().as_ref()).ok_or(UNUSABLE)?;
        Ok(Self {
            algorithm,
            verifying: VerifyingKey::from_numbers(algorithm, numbers)?,
            material: Material::Curve(pair),
        })
    }

    fn of_rsa(algorithm: Algorithm, pair: RsaKeyPair) -> Result<Self, KeyError> {
        let padding: &'static dyn RsaEncoding = match algorithm {
            Algorithm::Rs256 => &RSA_PKCS1_SHA256,
            Algorithm::Rs384 => &RSA_PKCS1_SHA384,
            Algorithm::Rs512 => &RSA_PKCS1_SHA512,
            Algorithm::Ps256 => &RSA_PSS_SHA256,
            Algorithm::Ps384 => &RSA_PSS_SHA384,
            Algorithm::Ps512 => &RSA_PSS_SHA512,
            _ => return Err(KeyError::Mismatch { algorithm }),
        };
        let numbers = der::rsa_numbers(pair.public_key().as_ref()).ok_or(UNUSABLE)?;
        Ok(Self {
            algorithm,
            verifying: VerifyingKey::from_numbers(algorithm, numbers)?,
            material: Material::Rsa(Box::new(pair), padding),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.algorithm)
    }
}

const FAILED: Error = Error::new(ErrorKind::Crypto("making a key"));
const UNSIGNED: Error = Error::new(ErrorKind::Crypto("signing"));
const UNWRITABLE: Error = Error::new(ErrorKind::Crypto("writing a private key"));
const UNUSABLE: KeyError = KeyError::Invalid("its public half cannot be read");

/// Random bytes for a key. Bytes that repeat themselves come from a source that does not work: by chance
/// it happens once in 2^128.
fn draw<const N: usize>(random: &dyn Random) -> Result<Zeroizing<[u8; N]>, Error> {
    let mut bytes = Zeroizing::new([0; N]);
    random.fill(&mut *bytes)?;
    if is_repetition(&*bytes) {
        return Err(Error::new(ErrorKind::Entropy));
    }
    Ok(bytes)
}

/// A secret as long as the algorithm's hash (R-03).
fn random_secret(algorithm: Algorithm, random: &dyn Random) -> Result<SecretBytes, Error> {
    Ok(SecretBytes::new(match algorithm {
        Algorithm::Hs384 => draw::<48>(random)?.to_vec(),
        Algorithm::Hs512 => draw::<64>(random)?.to_vec(),
        _ => draw::<32>(random)?.to_vec(),
    }))
}

/// A key of the curve from random bytes. All but one in 2^32 draws are a private number of P-256 (2^190 for P-384,
/// 2^260 for P-521).
fn random_point(random: &dyn Random, curve: Curve) -> Result<EcdsaKeyPair, Error> {
    for _ in 0..8 {
        let pair = match curve {
            Curve::P256 => point(&*draw::<32>(random)?, curve),
            Curve::P384 => point(&*draw::<48>(random)?, curve),
            Curve::P521 => {
                let mut scalar = draw::<66>(random)?;
                // 66 bytes are 528 bits: the numbers of the curve have 521
                if let Some(first) = scalar.first_mut() {
                    *first &= 1;
                }
                point(&*scalar, curve)
            }
        };
        if let Some(pair) = pair {
            return Ok(pair);
        }
    }
    Err(Error::new(ErrorKind::Entropy))
}

/// The key whose private number this is, when it lies between 1 and the curve's order.
fn point(scalar: &[u8], curve: Curve) -> Option<EcdsaKeyPair> {
    let agreement = match curve {
        Curve::P256 => &ECDH_P256,
        Curve::P384 => &ECDH_P384,
        Curve::P521 => &ECDH_P521,
    };
    let private = agreement::PrivateKey::from_private_key(agreement, scalar).ok()?;
    let public = private.compute_public_key().ok()?;
    EcdsaKeyPair::from_private_key_and_public_key(signing(curve), scalar, public.as_ref()).ok()
}

const fn signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}
