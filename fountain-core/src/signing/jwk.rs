//! JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037), read strictly and written without private members.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use aws_lc_rs::digest;
use aws_lc_rs::rsa::KeyPairComponents;
use aws_lc_rs::signature::{RsaKeyPair, RsaPublicKeyComponents};

use super::key::PublicNumbers;
use super::{Algorithm, Family, KeyError, Kid, SigningKey, VerifyingKey};
use crate::json::{Fault, Limits, Value, read_object};
use crate::secret::SecretBytes;

/// A JSON Web Key that may verify signatures, with the id that it was published under.
///
/// Reading one checks, in this order: that it is strict JSON of at most 16 KiB without a duplicate name;
/// `use` and `key_ops`, which must both allow verifying where they are present (B-47); that `kty`, `crv` and `alg`
/// name one algorithm together (B-46); the numbers' encoding and length; that the key is not weak (B-45);
/// and, when private members are present, that they belong to the public ones (B-49). They are then dropped.
///
/// ```
/// use fountain_core::signing::{Algorithm, Jwk};
///
/// let jwk = Jwk::parse(br#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"2030-01",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// assert_eq!(jwk.key().algorithm(), Algorithm::EdDsa);
///
/// // a key that is published for encryption does not verify anything
/// let error = Jwk::parse(br#"{"kty":"OKP","crv":"Ed25519","use":"enc",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "the JWK is not usable: its `use` is not \"sig\"");
/// # Ok::<(), fountain_core::signing::KeyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Jwk {
    kid: Option<Kid>,
    key: VerifyingKey,
    had_private_members: bool,
}

impl Jwk {
    /// The longest JWK that is read, in bytes: an RSA key of 8192 bits with its private members takes half of it.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Reads a key that says itself which algorithm it is for, by `alg`, or by `crv` where that leaves no choice.
    ///
    /// # Errors
    /// Why it cannot be used. An RSA key or a secret without `alg` is refused: see [`Jwk::parse_for`].
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        Members::read(json)?.jwk(None)
    }

    /// Reads a key for this algorithm, which its `alg` must name when it is present.
    ///
    /// For issuers whose keys do not say it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn parse_for(json: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        Members::read(json)?.jwk(Some(algorithm))
    }

    /// `kid`, when it is present.
    #[must_use]
    pub const fn kid(&self) -> Option<&Kid> {
        self.kid.as_ref()
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Whether an asymmetric key came with its private members: who could read it can sign with it.
    #[must_use]
    pub const fn had_private_members(&self) -> bool {
        self.had_private_members
    }

    pub(super) fn into_parts(self) -> (Option<Kid>, VerifyingKey) {
        (self.kid, self.key)
    }
}

impl VerifyingKey {
    /// The SHA-256 thumbprint of RFC 7638, which Fountain uses as `kid` (R-27); none for a shared secret.
    #[must_use]
    pub fn thumbprint(&self) -> Option<Kid> {
        let canonical = match self.numbers()? {
            PublicNumbers::Edwards(x) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url(x))
            }
            PublicNumbers::Curve { curve, x, y } => format!(
                r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                curve.name(),
                base64url(x),
                base64url(y)
            ),
            PublicNumbers::Rsa { n, e } => {
                format!(
                    r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                    base64url(e),
                    base64url(n)
                )
            }
        };
        let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
        Kid::new(base64url(hash.as_ref())).ok()
    }

    /// The key as a public JWK: `kty`, its public numbers, `alg`, `use` and `kid`, and never anything private
    /// (R-28); none for a shared secret, which is never published.
    #[must_use]
    pub fn public_jwk(&self, kid: &Kid) -> Option<String> {
        let mut json = match self.numbers()? {
            PublicNumbers::Edwards(x) => {
                format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}""#, base64url(x))
            }
            PublicNumbers::Curve { curve, x, y } => format!(
                r#"{{"kty":"EC","crv":"{}","x":"{}","y":"{}""#,
                curve.name(),
                base64url(x),
                base64url(y)
            ),
            PublicNumbers::Rsa { n, e } => {
                format!(
                    r#"{{"kty":"RSA","n":"{}","e":"{}""#,
                    base64url(n),
                    base64url(e)
                )
            }
        };
        let algorithm = self.algorithm();
        // a kid has no character that JSON escapes; writing to a String does not fail
        write!(json, r#","alg":"{algorithm}","use":"sig","kid":"{kid}"}}"#).ok()?;
        Some(json)
    }
}

impl SigningKey {
    /// Reads a private JWK.
    ///
    /// `key_ops`, when present, must allow signing. An RSA key needs all of `p`, `q`, `dp`, `dq` and `qi`.
    ///
    /// # Errors
    /// Why it cannot be used; among others when private and public members do not belong together (B-49).
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        let members = Members::read(json)?;
        members.check_purpose("sign")?;
        let algorithm = members.algorithm(None)?;
        if algorithm.is_symmetric() {
            return Self::from_secret(algorithm, secret(&members.k)?);
        }
        let numbers = members.numbers(algorithm)?;
        members
            .private(algorithm, &numbers)?
            .ok_or(KeyError::Jwk("it has no private members"))
    }
}

/// The members of a JWK that mean anything to us. Private ones point into the caller's text.
#[derive(Default)]
struct Members<'a> {
    kty: Option<Cow<'a, str>>,
    crv: Option<Cow<'a, str>>,
    alg: Option<Cow<'a, str>>,
    purpose: Option<Cow<'a, str>>,
    key_ops: Option<Vec<Cow<'a, str>>>,
    kid: Option<Kid>,
    x: Option<Cow<'a, str>>,
    y: Option<Cow<'a, str>>,
    n: Option<Cow<'a, str>>,
    e: Option<Cow<'a, str>>,
    k: Option<Cow<'a, str>>,
    d: Option<Cow<'a, str>>,
    p: Option<Cow<'a, str>>,
    q: Option<Cow<'a, str>>,
    dp: Option<Cow<'a, str>>,
    dq: Option<Cow<'a, str>>,
    qi: Option<Cow<'a, str>>,
    more_primes: bool,
}

impl<'a> Members<'a> {
    fn read(json: &'a [u8]) -> Result<Self, KeyError> {
        let mut members = Self::default();
        read_object(json, Limits::object(Jwk::MAX_BYTES), |name, value| {
            members.take(name, value)
        })?;
        Ok(members)
    }

    fn take(&mut self, name: &str, value: Value<'_, 'a>) -> Result<(), KeyError> {
        let place = match name {
            "kty" => &mut self.kty,
            "crv" => &mut self.crv,
            "alg" => &mut self.alg,
            "use" => &mut self.purpose,
            "x" => &mut self.x,
            "y" => &mut self.y,
            "n" => &mut self.n,
            "e" => &mut self.e,
            "k" => &mut self.k,
            "d" => &mut self.d,
            "p" => &mut self.p,
            "q" => &mut self.q,
            "dp" => &mut self.dp,
            "dq" => &mut self.dq,
            "qi" => &mut self.qi,
            "kid" => {
                self.kid = Some(Kid::new(value.string()?).map_err(|_| {
                    KeyError::Jwk(
                        "its `kid` is not 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', '~', '@', '-'",
                    )
                })?);
                return Ok(());
            }
            "key_ops" => {
                let mut operations = Vec::new();
                value.elements::<KeyError>(|element| {
                    operations.push(element.string()?);
                    Ok(())
                })?;
                self.key_ops = Some(operations);
                return Ok(());
            }
            _ => {
                self.more_primes |= name == "oth";
                return Ok(value.skip()?);
            }
        };
        *place = Some(value.string()?);
        Ok(())
    }

    fn jwk(self, wanted: Option<Algorithm>) -> Result<Jwk, KeyError> {
        self.check_purpose("verify")?;
        let algorithm = self.algorithm(wanted)?;
        let key = if algorithm.is_symmetric() {
            VerifyingKey::from_secret(algorithm, &secret(&self.k)?)?
        } else {
            let numbers = self.numbers(algorithm)?;
            match self.private(algorithm, &numbers)? {
                Some(private) => private.verifying_key().clone(),
                None => VerifyingKey::from_numbers(algorithm, numbers)?,
            }
        };
        Ok(Jwk {
            had_private_members: self.d.is_some() && !algorithm.is_symmetric(),
            kid: self.kid,
            key,
        })
    }

    /// `use` and `key_ops` must not say anything but signatures, and must allow what is wanted (RFC 7517 section 4.3).
    fn check_purpose(&self, operation: &str) -> Result<(), KeyError> {
        if self
            .purpose
            .as_ref()
            .is_some_and(|purpose| purpose != "sig")
        {
            return Err(KeyError::Jwk("its `use` is not \"sig\""));
        }
        let Some(operations) = &self.key_ops else {
            return Ok(());
        };
        if operations.iter().any(|op| op != "sign" && op != "verify") {
            return Err(KeyError::Jwk("its `key_ops` names more than signatures"));
        }
        let repeated = |(at, op)| operations.iter().skip(at + 1).any(|other| other == op);
        if operations.iter().enumerate().any(repeated) {
            return Err(KeyError::Jwk("its `key_ops` names one operation twice"));
        }
        if operations.iter().all(|op| op != operation) {
            return Err(KeyError::Jwk("its `key_ops` does not allow this operation"));
        }
        Ok(())
    }

    /// The one algorithm that `kty`, `crv`, `alg` and the caller agree on.
    fn algorithm(&self, wanted: Option<Algorithm>) -> Result<Algorithm, KeyError> {
        let kty = self
            .kty
            .as_deref()
            .ok_or(KeyError::Jwk("it has no `kty`"))?;
        let fitting: &[Algorithm] = match (kty, self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => &[Algorithm::EdDsa, Algorithm::Ed25519],
            ("EC", Some("P-256")) => &[Algorithm::Es256],
            ("EC", Some("P-384")) => &[Algorithm::Es384],
            ("EC", Some("P-521")) => &[Algorithm::Es512],
            ("OKP" | "EC", _) => {
                return Err(KeyError::Jwk(
                    "its `crv` is not Ed25519, P-256, P-384 or P-521",
                ));
            }
            ("RSA", _) => &[
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
            ],
            ("oct", _) => &[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512],
            _ => return Err(KeyError::Jwk("its `kty` is not OKP, EC, RSA or oct")),
        };
        let named = match self.alg.as_deref() {
            None => None,
            Some(name) => Some(Algorithm::from_name(name).ok_or(KeyError::Jwk(
                "its `alg` is none of the signature algorithms that Fountain knows",
            ))?),
        };
        let algorithm = match (named, wanted, fitting) {
            (Some(named), Some(wanted), _) if named != wanted => {
                return Err(KeyError::Jwk("its `alg` is not the one that is wanted"));
            }
            (Some(algorithm), _, _) | (None, Some(algorithm), _) => algorithm,
            // a curve other than Ed25519 has one algorithm
            (None, None, [only]) => *only,
            // RFC 8037 knew this name only
            (None, None, [Algorithm::EdDsa, ..]) => Algorithm::EdDsa,
            (None, None, _) => {
                return Err(KeyError::Jwk(
                    "it has no `alg`, and its `kty` leaves more than one: say which",
                ));
            }
        };
        if fitting.contains(&algorithm) {
            Ok(algorithm)
        } else {
            Err(KeyError::Jwk(
                "its `alg` is not one for its `kty` and `crv`",
            ))
        }
    }

    fn numbers(&self, algorithm: Algorithm) -> Result<PublicNumbers, KeyError> {
        Ok(match algorithm.family() {
            Family::Edwards => PublicNumbers::Edwards(
                public(&self.x)?
                    .try_into()
                    .map_err(|_| KeyError::Jwk("an Ed25519 `x` has 32 bytes"))?,
            ),
            Family::Curve(curve) => PublicNumbers::Curve {
                curve,
                x: public(&self.x)?,
                y: public(&self.y)?,
            },
            Family::Rsa => PublicNumbers::Rsa {
                n: public(&self.n)?,
                e: public(&self.e)?,
            },
            Family::Secret => return Err(KeyError::Mismatch { algorithm }),
        })
    }

    /// The private key, when there is one: it must be that of the public numbers.
    fn private(
        &self,
        algorithm: Algorithm,
        numbers: &PublicNumbers,
    ) -> Result<Option<SigningKey>, KeyError> {
        if self.d.is_none() {
            return Ok(None);
        }
        let d = secret(&self.d)?;
        let key = match numbers {
            PublicNumbers::Edwards(_) => SigningKey::from_edwards_seed(algorithm, d.expose())?,
            PublicNumbers::Curve { curve, .. } => {
                SigningKey::from_scalar(algorithm, *curve, d.expose())?
            }
            PublicNumbers::Rsa { n, e } => self.rsa(algorithm, n, e, &d)?,
        };
        if key.verifying_key().numbers() == Some(numbers) {
            Ok(Some(key))
        } else {
            Err(KeyError::Jwk(
                "its private and public members are not of one key",
            ))
        }
    }

    fn rsa(
        &self,
        algorithm: Algorithm,
        n: &[u8],
        e: &[u8],
        d: &SecretBytes,
    ) -> Result<SigningKey, KeyError> {
        if self.more_primes {
            return Err(KeyError::Jwk(
                "RSA keys of more than two primes are not read",
            ));
        }
        let [p, q, dp, dq, qi] = [&self.p, &self.q, &self.dp, &self.dq, &self.qi];
        let [p, q, dp, dq, qi] = [
            secret(p)?,
            secret(q)?,
            secret(dp)?,
            secret(dq)?,
            secret(qi)?,
        ];
        // weak numbers are refused before anything is computed with them
        VerifyingKey::from_numbers(
            algorithm,
            PublicNumbers::Rsa {
                n: n.to_vec(),
                e: e.to_vec(),
            },
        )?;
        RsaKeyPair::from_components(&KeyPairComponents {
            public_key: RsaPublicKeyComponents { n, e },
            d: d.expose(),
            p: p.expose(),
            q: q.expose(),
            dP: dp.expose(),
            dQ: dq.expose(),
            qInv: qi.expose(),
        })
        .map_err(|_| KeyError::Jwk("its private and public members are not of one key"))
        .and_then(|pair| SigningKey::from_rsa(algorithm, pair))
    }
}

impl From<Fault> for KeyError {
    fn from(fault: Fault) -> Self {
        Self::Jwk(match fault {
            Fault::Malformed => {
                "it is not one strict JSON object without duplicate names within the bounds"
            }
            Fault::WrongType => "one of its members has the wrong type",
        })
    }
}

/// The bytes of a member in canonical base64url: no padding, no blanks, unused bits zero.
fn public(member: &Option<Cow<'_, str>>) -> Result<Vec<u8>, KeyError> {
    let text = member
        .as_deref()
        .ok_or(KeyError::Jwk("a member that its `kty` needs is missing"))?;
    base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(text)
        .map_err(|_| KeyError::Jwk("one of its members is not base64url"))
}

fn secret(member: &Option<Cow<'_, str>>) -> Result<SecretBytes, KeyError> {
    public(member).map(SecretBytes::new)
}

fn base64url(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Members(..)")
    }
}

#[cfg(test)]
mod tests;
