use std::fmt;

use serde::{Deserialize, Serialize};

/// The signature algorithms that Fountain knows (RFC 7518, RFC 8037, RFC 9864). There is no `none` (R-01).
///
/// ```
/// use fountain_core::signing::Algorithm;
///
/// assert_eq!(Algorithm::from_name("ES256"), Some(Algorithm::Es256));
/// for spelling in ["none", "None", "es256", "ES256 ", ""] {
///     assert_eq!(Algorithm::from_name(spelling), None);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 under its RFC 8037 name, which every verifier knows. The default.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// Ed25519 under its RFC 9864 name. The same operation: a key is bound to one of the two names, and
    /// a header with the other one is refused (R-06).
    #[serde(rename = "Ed25519")]
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// ECDSA on P-521 with SHA-512. The curve has 521 bits, the name counts the hash's.
    #[serde(rename = "ES512")]
    Es512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 bytes.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes.
    #[serde(rename = "PS512")]
    Ps512,
    /// HMAC with SHA-256: one secret of at least 32 bytes that signs and verifies, never published.
    #[serde(rename = "HS256")]
    Hs256,
    /// HMAC with SHA-384: as HS256, of at least 48 bytes.
    #[serde(rename = "HS384")]
    Hs384,
    /// HMAC with SHA-512: as HS256, of at least 64 bytes.
    #[serde(rename = "HS512")]
    Hs512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &'static [Self] = &[
        Self::EdDsa,
        Self::Ed25519,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The name in `alg`, compared byte for byte.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The algorithm with exactly this name, case included.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether signer and verifier hold the same secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self.family(), Family::Secret)
    }

    /// What kind of key it works with.
    pub(super) const fn family(self) -> Family {
        match self {
            Self::EdDsa | Self::Ed25519 => Family::Edwards,
            Self::Es256 => Family::Curve(Curve::P256),
            Self::Es384 => Family::Curve(Curve::P384),
            Self::Es512 => Family::Curve(Curve::P521),
            Self::Rs256 | Self::Rs384 | Self::Rs512 => Family::Rsa,
            Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Secret,
        }
    }
}

/// Algorithms that work with the same kind of key. A key still is for one of them only (R-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Ed25519.
    Edwards,
    /// ECDSA, which has one algorithm for each curve (RFC 7518 section 3.4).
    Curve(Curve),
    /// Both paddings of RSA.
    Rsa,
    /// HMAC.
    Secret,
}

/// The curves of ECDSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Its name in a JWK's `crv`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// How many bytes a coordinate or a private number has, and each half of a signature (R-05).
    pub(super) const fn field_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-01
    #[test]
    fn only_the_exact_name_is_an_algorithm() {
        for &algorithm in Algorithm::ALL {
            let name = algorithm.as_str();
            assert_eq!(Algorithm::from_name(name), Some(algorithm));
            for bad in [
                name.to_ascii_lowercase(),
                format!(" {name}"),
                format!("{name} "),
                format!("{name}\0"),
                name.replace(['S', 'E'], "\u{17f}"),
            ] {
                assert_ne!(Algorithm::from_name(&bad), Some(algorithm), "{bad:?}");
            }
        }
        for bad in [
            "none", "None", "NONE", "nOnE", "", "HS1", "RS1", "dir", "ES256K", "ES521", "HS", "PS1",
        ] {
            assert_eq!(Algorithm::from_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_stored_form_is_the_name() {
        for &algorithm in Algorithm::ALL {
            let json = serde_json::to_string(&algorithm).unwrap();
            assert_eq!(json, format!("\"{algorithm}\""));
            assert_eq!(serde_json::from_str::<Algorithm>(&json).unwrap(), algorithm);
        }
    }
}
