use std::fmt;

use super::der::{self, CONTEXT_0, OCTET_STRING, Reader, SEQUENCE};
use crate::signing::{Algorithm, Curve, Family};

/// Why a key cannot be used: what was given, and what to give instead. Never holds key bytes.
///
/// ```
/// use fountain_core::signing::{Algorithm, SigningKey};
///
/// let error = SigningKey::from_pem(Algorithm::Es256, "-----BEGIN PUBLIC KEY-----
/// MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
/// -----END PUBLIC KEY-----").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "this is an Ed25519 public key in SPKI form; ES256 needs a P-256 private key in PKCS#8 form",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is of another form, or for another algorithm.
    #[error("this is {given}; {needed}{hint}")]
    Format {
        /// What it looks like.
        given: KeyFormat,
        /// What is needed.
        needed: &'static str,
        /// How to make one of the other; empty, or starting with a colon.
        hint: &'static str,
    },
    /// The key's numbers belong to another kind of key than the algorithm needs.
    #[error("this kind of key cannot be used with {algorithm}")]
    Mismatch {
        /// The algorithm that was asked for.
        algorithm: Algorithm,
    },
    /// It is well-formed, but too weak to use (R-03, R-04).
    #[error("the key is too weak: {0}")]
    Weak(&'static str),
    /// Its parts are not those of a key, or do not belong together.
    #[error("the key is not valid: {0}")]
    Invalid(&'static str),
    /// A JSON Web Key breaks a rule of RFC 7517, or one of ours.
    #[error("the JWK is not usable: {0}")]
    Jwk(&'static str),
}

impl KeyError {
    /// What is wrong with `bytes` as a key for this.
    pub(super) fn format(bytes: &[u8], algorithm: Algorithm, role: Role) -> Self {
        let given = KeyFormat::of(bytes);
        let wanted = KeyKind::of(algorithm);
        let hint = match (role, given) {
            (Role::Sign, KeyFormat::Sec1(kind) | KeyFormat::Pkcs1(kind)) if kind == wanted => {
                ": convert it with `openssl pkcs8 -topk8 -nocrypt`"
            }
            (_, KeyFormat::Encrypted) => ": decrypt it with `openssl pkcs8 -topk8 -nocrypt`",
            (Role::Verify, KeyFormat::Pkcs8(kind)) if kind == wanted => {
                ": write its public half with `openssl pkey -pubout`"
            }
            (Role::Verify, KeyFormat::Certificate) => {
                ": write its key with `openssl x509 -noout -pubkey`"
            }
            (Role::Sign, KeyFormat::Pkcs8(kind)) | (Role::Verify, KeyFormat::Spki(kind))
                if kind == wanted =>
            {
                ": it is of that kind, but damaged, or in PEM where DER is read"
            }
            _ => "",
        };
        Self::Format {
            given,
            needed: needed(algorithm, role),
            hint,
        }
    }

    /// The same without what is known only at run time, for an error of which only this is shown.
    pub(super) const fn summary(&self) -> &'static str {
        match self {
            Self::Format { needed, .. } => needed,
            Self::Mismatch { .. } => "it is of another kind than its algorithm needs",
            Self::Weak(why) | Self::Invalid(why) | Self::Jwk(why) => why,
        }
    }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Sign,
    Verify,
}

const fn needed(algorithm: Algorithm, role: Role) -> &'static str {
    match (algorithm, role) {
        (Algorithm::EdDsa, Role::Sign) => "EdDSA needs an Ed25519 private key in PKCS#8 form",
        (Algorithm::EdDsa, Role::Verify) => "EdDSA needs an Ed25519 public key in SPKI form",
        (Algorithm::Ed25519, Role::Sign) => "Ed25519 needs an Ed25519 private key in PKCS#8 form",
        (Algorithm::Ed25519, Role::Verify) => "Ed25519 needs an Ed25519 public key in SPKI form",
        (Algorithm::Es256, Role::Sign) => "ES256 needs a P-256 private key in PKCS#8 form",
        (Algorithm::Es256, Role::Verify) => "ES256 needs a P-256 public key in SPKI form",
        (Algorithm::Es384, Role::Sign) => "ES384 needs a P-384 private key in PKCS#8 form",
        (Algorithm::Es384, Role::Verify) => "ES384 needs a P-384 public key in SPKI form",
        (Algorithm::Es512, Role::Sign) => "ES512 needs a P-521 private key in PKCS#8 form",
        (Algorithm::Es512, Role::Verify) => "ES512 needs a P-521 public key in SPKI form",
        (Algorithm::Rs256, Role::Sign) => "RS256 needs an RSA private key in PKCS#8 form",
        (Algorithm::Rs256, Role::Verify) => "RS256 needs an RSA public key in SPKI form",
        (Algorithm::Rs384, Role::Sign) => "RS384 needs an RSA private key in PKCS#8 form",
        (Algorithm::Rs384, Role::Verify) => "RS384 needs an RSA public key in SPKI form",
        (Algorithm::Rs512, Role::Sign) => "RS512 needs an RSA private key in PKCS#8 form",
        (Algorithm::Rs512, Role::Verify) => "RS512 needs an RSA public key in SPKI form",
        (Algorithm::Ps256, Role::Sign) => "PS256 needs an RSA private key in PKCS#8 form",
        (Algorithm::Ps256, Role::Verify) => "PS256 needs an RSA public key in SPKI form",
        (Algorithm::Ps384, Role::Sign) => "PS384 needs an RSA private key in PKCS#8 form",
        (Algorithm::Ps384, Role::Verify) => "PS384 needs an RSA public key in SPKI form",
        (Algorithm::Ps512, Role::Sign) => "PS512 needs an RSA private key in PKCS#8 form",
        (Algorithm::Ps512, Role::Verify) => "PS512 needs an RSA public key in SPKI form",
        (Algorithm::Hs256, _) => "HS256 needs a secret of at least 32 random bytes",
        (Algorithm::Hs384, _) => "HS384 needs a secret of at least 48 random bytes",
        (Algorithm::Hs512, _) => "HS512 needs a secret of at least 64 random bytes",
    }
}

/// What the bytes of a key look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFormat {
    /// A private key in PKCS#8 form (RFC 5208, RFC 5958).
    Pkcs8(KeyKind),
    /// An encrypted private key.
    Encrypted,
    /// An EC private key in SEC 1 form (RFC 5915).
    Sec1(KeyKind),
    /// An RSA private key in PKCS#1 form (RFC 8017).
    Pkcs1(KeyKind),
    /// A public key in X.509 `SubjectPublicKeyInfo` form (RFC 5280).
    Spki(KeyKind),
    /// An RSA public key in PKCS#1 form (RFC 8017).
    Pkcs1Public,
    /// An X.509 certificate.
    Certificate,
    /// A JSON Web Key (RFC 7517).
    Jwk,
    /// None of these.
    Unknown,
}

/// What kind of key a format holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// X25519: for key agreement, it cannot sign.
    X25519,
    /// The curve P-256, also called prime256v1 and secp256r1.
    P256,
    /// The curve P-384, also called secp384r1.
    P384,
    /// The curve P-521, also called secp521r1.
    P521,
    /// The curve secp256k1.
    Secp256k1,
    /// RSA.
    Rsa,
    /// RSA restricted to PSS.
    RsaPss,
    /// Another kind.
    Other,
}

impl KeyFormat {
    /// What these bytes, DER or text, look like. A wrong guess costs a less helpful message, no more.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains("-----BEGIN ") => match der::pem_body(text) {
                Some(body) => Self::of_der(body.expose()),
                None if text.contains("ENCRYPTED") => Self::Encrypted,
                None => Self::Unknown,
            },
            Ok(text) if text.trim_start().starts_with('{') && text.contains("\"kty\"") => Self::Jwk,
            _ => Self::of_der(bytes),
        }
    }

    fn of_der(bytes: &[u8]) -> Self {
        [
            pkcs8,
            sec1,
            pkcs1,
            spki,
            pkcs1_public,
            encrypted,
            certificate,
        ]
        .iter()
        .find_map(|read| read(&mut Reader::new(bytes).sequence()?))
        .unwrap_or(Self::Unknown)
    }
}

fn pkcs8(key: &mut Reader<'_>) -> Option<KeyFormat> {
    (key.version()? <= 1).then_some(())?;
    let kind = key.key_kind()?;
    key.next(OCTET_STRING)?;
    Some(KeyFormat::Pkcs8(kind))
}

fn sec1(key: &mut Reader<'_>) -> Option<KeyFormat> {
    (key.version()? == 1).then_some(())?;
    key.next(OCTET_STRING)?;
    let kind = key
        .next(CONTEXT_0)
        .map_or(KeyKind::Other, |named| Reader::new(named).curve());
    Some(KeyFormat::Sec1(kind))
}

fn pkcs1(key: &mut Reader<'_>) -> Option<KeyFormat> {
    (key.version()? <= 1).then_some(())?;
    (0..8).try_for_each(|_| key.positive().map(drop))?;
    Some(KeyFormat::Pkcs1(KeyKind::Rsa))
}

fn spki(key: &mut Reader<'_>) -> Option<KeyFormat> {
    let kind = key.key_kind()?;
    key.bits()?;
    key.is_empty().then_some(KeyFormat::Spki(kind))
}

fn pkcs1_public(key: &mut Reader<'_>) -> Option<KeyFormat> {
    key.positive().and_then(|_| key.positive())?;
    key.is_empty().then_some(KeyFormat::Pkcs1Public)
}

fn encrypted(key: &mut Reader<'_>) -> Option<KeyFormat> {
    key.key_kind()?;
    key.next(OCTET_STRING)?;
    key.is_empty().then_some(KeyFormat::Encrypted)
}

fn certificate(outer: &mut Reader<'_>) -> Option<KeyFormat> {
    outer.next(SEQUENCE).and_then(|_| outer.key_kind())?;
    outer.bits()?;
    Some(KeyFormat::Certificate)
}

impl KeyKind {
    /// The kind that an algorithm needs. A shared secret is none of them.
    pub(super) const fn of(algorithm: Algorithm) -> Self {
        match algorithm.family() {
            Family::Edwards => Self::Ed25519,
            Family::Curve(Curve::P256) => Self::P256,
            Family::Curve(Curve::P384) => Self::P384,
            Family::Curve(Curve::P521) => Self::P521,
            Family::Rsa => Self::Rsa,
            Family::Secret => Self::Other,
        }
    }
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pkcs8(kind) => write!(f, "{kind} private key in PKCS#8 form"),
            Self::Encrypted => f.write_str("an encrypted private key"),
            Self::Sec1(kind) => write!(f, "{kind} private key in SEC1 form"),
            Self::Pkcs1(kind) => write!(f, "{kind} private key in PKCS#1 form"),
            Self::Spki(kind) => write!(f, "{kind} public key in SPKI form"),
            Self::Pkcs1Public => f.write_str("an RSA public key in PKCS#1 form"),
            Self::Certificate => f.write_str("a certificate"),
            Self::Jwk => f.write_str("a JSON Web Key"),
            Self::Unknown => f.write_str("no key in a known form"),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "an Ed25519",
            Self::Ed448 => "an Ed448",
            Self::X25519 => "an X25519",
            Self::P256 => "a P-256",
            Self::P384 => "a P-384",
            Self::P521 => "a P-521",
            Self::Secp256k1 => "a secp256k1",
            Self::Rsa => "an RSA",
            Self::RsaPss => "an RSASSA-PSS",
            Self::Other => "an unknown kind of",
        })
    }
}
