//! Keys: bound to one algorithm each, checked and parsed once, kept ready (R-02).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};

use super::{Algorithm, Curve, Family};
use crate::error::{Error, Reason, Rejection};
use crate::secret::SecretBytes;

mod der;
mod error;
mod private;
mod weak;

use error::Role;
pub use error::{KeyError, KeyFormat, KeyKind};
pub use private::SigningKey;

/// Checks signatures of one algorithm. Cheap to clone.
///
/// The key was parsed and checked when it was made: [`VerifyingKey::verify`] is the bare operation. It
/// cannot be used with another algorithm than its own, whatever a token's header says (R-02).
///
/// ```
/// use fountain_core::OsRandom;
/// use fountain_core::signing::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::EdDsa, &OsRandom)?;
/// let mut signature = Vec::new();
/// key.sign(b"header.claims", &mut signature)?;
/// assert!(key.verifying_key().verify(b"header.claims", &signature).is_ok());
/// assert!(key.verifying_key().verify(b"header.other", &signature).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Clone)]
pub struct VerifyingKey(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    signature_len: usize,
    material: Material,
}

enum Material {
    Public {
        ready: ParsedPublicKey,
        numbers: PublicNumbers,
    },
    Secret(Box<hmac::Key>),
}

/// What a public key consists of, big-endian without leading zeros where they are integers.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicNumbers {
    /// The 32 bytes of RFC 8032.
    Edwards([u8; 32]),
    /// The curve and both coordinates, each as long as its field.
    Curve {
        curve: Curve,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    /// Modulus and exponent.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl VerifyingKey {
    /// The largest modulus that is accepted, in bits: beyond it a verification costs more than it is worth.
    pub const MAX_RSA_BITS: usize = 8192;

    /// Reads a public key in X.509 `SubjectPublicKeyInfo` form (RFC 5280), DER-encoded.
    ///
    /// # Errors
    /// `Format` when it is something else or for another algorithm, `Weak` when R-04 refuses it.
    pub fn from_spki_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        if KeyFormat::of(der) != KeyFormat::Spki(KeyKind::of(algorithm)) {
            return Err(KeyError::format(der, algorithm, Role::Verify));
        }
        let numbers =
            der::spki_numbers(der).ok_or_else(|| KeyError::format(der, algorithm, Role::Verify))?;
        Self::from_numbers(algorithm, numbers)
    }

    /// Reads a public key in PEM form, as `openssl pkey -pubout` writes it (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// `Format` when it is something else or for another algorithm, `Weak` when R-04 refuses it.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        let der = der::pem_body(pem)
            .ok_or_else(|| KeyError::format(pem.as_bytes(), algorithm, Role::Verify))?;
        Self::from_spki_der(algorithm, der.expose())
    }

    /// The verifying side of a shared secret (HS256, HS384, HS512).
    ///
    /// # Errors
    /// `Format` when the algorithm is not symmetric, or the secret is a key of another kind, such as a public
    /// key in PEM form; `Weak` when it is shorter than the algorithm's hash (32, 48 or 64 bytes) or is one that
    /// anybody could guess (R-03).
    ///
    /// # Security
    /// Who can verify with a shared secret can also sign with it. Prefer an asymmetric algorithm.
    pub fn from_secret(algorithm: Algorithm, secret: &SecretBytes) -> Result<Self, KeyError> {
        Ok(Self::of_hmac(
            algorithm,
            weak::checked_hmac_key(algorithm, secret)?,
        ))
    }

    /// The algorithm that it is bound to.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// Checks that `signature` is this key's over `message`.
    ///
    /// The length is checked first and exactly: 64 bytes for Ed25519 and ES256, 96 for ES384, 132 for ES512; 32, 48
    /// and 64 for HS256, HS384 and HS512 (compared in constant time); the modulus's length for RSA. A DER-encoded
    /// ECDSA signature is refused (R-05).
    ///
    /// # Errors
    /// When it is not. Why is not said.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        if signature.len() != self.0.signature_len {
            return Err(InvalidSignature);
        }
        match &self.0.material {
            Material::Public { ready, .. } => ready.verify_sig(message, signature),
            Material::Secret(key) => hmac::verify(key, message, signature),
        }
        .map_err(|_| InvalidSignature)
    }

    /// The public numbers; none for a shared secret, which has no public half (R-28).
    pub(super) fn numbers(&self) -> Option<&PublicNumbers> {
        match &self.0.material {
            Material::Public { numbers, .. } => Some(numbers),
            Material::Secret(_) => None,
        }
    }

    /// Checks and parses public numbers for an algorithm.
    pub(super) fn from_numbers(
        algorithm: Algorithm,
        numbers: PublicNumbers,
    ) -> Result<Self, KeyError> {
        let (encoded, signature_len) = match (&numbers, algorithm.family()) {
            (PublicNumbers::Edwards(bytes), Family::Edwards) => {
                weak::check_edwards(bytes)?;
                (bytes.to_vec(), 64)
            }
            (PublicNumbers::Curve { curve, x, y }, Family::Curve(wanted)) if *curve == wanted => {
                let len = curve.field_bytes();
                (uncompressed(x, y, len)?, 2 * len)
            }
            (PublicNumbers::Rsa { n, e }, Family::Rsa) => {
                weak::check_rsa(n, e)?;
                (der::rsa_public_key(n, e), n.len())
            }
            _ => return Err(KeyError::Mismatch { algorithm }),
        };
        let ready = ParsedPublicKey::new(operation(algorithm)?, encoded)
            .map_err(|_| KeyError::Invalid("it is not a point of its curve, or not a modulus"))?;
        Ok(Self(Arc::new(Inner {
            algorithm,
            signature_len,
            material: Material::Public { ready, numbers },
        })))
    }

    /// As [`VerifyingKey::from_secret`], for a secret that may be guessed: see `danger::insecure_hmac_key`.
    pub(crate) fn from_guessable_secret(
        algorithm: Algorithm,
        secret: &SecretBytes,
    ) -> Result<Self, KeyError> {
        Ok(Self::of_hmac(
            algorithm,
            weak::long_enough_hmac_key(algorithm, secret)?,
        ))
    }

    /// The verifying side of a secret that was checked.
    fn of_hmac(algorithm: Algorithm, key: hmac::Key) -> Self {
        Self(Arc::new(Inner {
            algorithm,
            signature_len: key.algorithm().tag_len(),
            material: Material::Secret(Box::new(key)),
        }))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.0.algorithm)
    }
}

/// The signature is not the key's over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct InvalidSignature;

impl From<InvalidSignature> for Reason {
    fn from(_: InvalidSignature) -> Self {
        Self::TokenSignature
    }
}

impl From<InvalidSignature> for Rejection {
    fn from(error: InvalidSignature) -> Self {
        Self::invalid_token(error.into())
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::with_source(
            crate::error::ErrorKind::InvalidInput {
                field: "key",
                problem: error.summary(),
            },
            error,
        )
    }
}

/// The point in the uncompressed form of SEC 1, both coordinates of exactly the field's length.
fn uncompressed(x: &[u8], y: &[u8], len: usize) -> Result<Vec<u8>, KeyError> {
    if x.len() != len || y.len() != len {
        return Err(KeyError::Invalid(
            "its coordinates are not as long as the field of its curve",
        ));
    }
    Ok([&[4], x, y].concat())
}

fn operation(algorithm: Algorithm) -> Result<&'static dyn VerificationAlgorithm, KeyError> {
    Ok(match algorithm {
        Algorithm::EdDsa | Algorithm::Ed25519 => &ED25519,
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &ECDSA_P521_SHA512_FIXED,
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
            return Err(KeyError::Mismatch { algorithm });
        }
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
