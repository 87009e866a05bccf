use std::borrow::Cow;

use base64_simd::URL_SAFE_NO_PAD;

use super::TokenKind;
use crate::error::Reason;
use crate::identity::Kid;
use crate::json::{Fault, Limits, read_object};
use crate::signing::Algorithm;

/// Bytes of a token that are accepted unless a host says otherwise: 8 KiB (R-08).
pub const DEFAULT_TOKEN_BYTES: usize = 8_192;
/// Bytes of a token that a host may accept at most: 64 KiB (R-08).
pub const MAX_TOKEN_BYTES: usize = 65_536;
/// Bytes of a decoded header at most (R-08).
const HEADER_BYTES: usize = 2_048;
/// What `HEADER_BYTES` take up in base64url.
const ENCODED_HEADER_BYTES: usize = (HEADER_BYTES * 4).div_ceil(3);

/// A token in JWS compact form, cut at its two dots; nothing is decoded yet (RFC 7515 section 7.1).
///
/// Its parts are decoded one by one, in the order in which they are needed: the header, the signature, and
/// the payload only after the signature has been verified (R-20).
///
/// ```
/// use fountain_core::Reason;
/// use fountain_core::token::{CompactToken, DEFAULT_TOKEN_BYTES};
///
/// let token = CompactToken::split("eyJhbGciOiJFUzI1NiJ9.e30.AAAA", DEFAULT_TOKEN_BYTES)?;
/// assert_eq!(token.payload()?, b"{}");
///
/// // Five parts are an encrypted token, which is refused (R-22).
/// let encrypted = CompactToken::split("e30.e30.e30.e30.e30", DEFAULT_TOKEN_BYTES);
/// assert_eq!(encrypted.unwrap_err(), Reason::TokenMalformed);
/// # Ok::<(), Reason>(())
/// ```
#[derive(Clone, Copy)]
pub struct CompactToken<'a> {
    signing_input: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> CompactToken<'a> {
    /// Cuts a token into its three parts.
    ///
    /// Its length is compared with `max_bytes` before a byte of it is looked at, and no memory is taken.
    ///
    /// # Errors
    /// `TokenTooLarge` beyond `max_bytes` or the 2048 bytes of a decoded header; `TokenMalformed` when there
    /// are not exactly two dots, or when header or signature are empty.
    pub fn split(token: &'a str, max_bytes: usize) -> Result<Self, Reason> {
        if token.len() > max_bytes {
            return Err(Reason::TokenTooLarge);
        }
        let parts = || {
            let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
            let (first, second) = (dots.next()?, dots.next()?);
            let (header, payload) = (token.get(..first)?, token.get(first + 1..second)?);
            let signature = token.get(second + 1..)?;
            let complete = dots.next().is_none() && !header.is_empty() && !signature.is_empty();
            complete.then_some(Self {
                signing_input: token.get(..second)?,
                header,
                payload,
                signature,
            })
        };
        let token = parts().ok_or(Reason::TokenMalformed)?;
        if token.header.len() > ENCODED_HEADER_BYTES {
            return Err(Reason::TokenTooLarge);
        }
        Ok(token)
    }

    /// The header as it stands in the token, to be compared with headers that are known.
    #[must_use]
    pub const fn encoded_header(&self) -> &'a str {
        self.header
    }

    /// What the signature is over: the first two parts and the dot between them.
    #[must_use]
    pub const fn signing_input(&self) -> &'a [u8] {
        self.signing_input.as_bytes()
    }

    /// Decodes and reads the header.
    ///
    /// # Errors
    /// As [`Header::parse`]; `TokenMalformed` when it is not canonical base64url.
    pub fn header(&self) -> Result<Header, Reason> {
        Header::parse(&decoded(self.header)?)
    }

    /// Decodes the payload.
    ///
    /// # Errors
    /// `TokenMalformed` when it is not canonical base64url: another alphabet, padding, blanks, or trailing
    /// bits that are not zero (R-07).
    ///
    /// # Security
    /// Nothing in it is true before the signature has been verified.
    pub fn payload(&self) -> Result<Vec<u8>, Reason> {
        decoded(self.payload)
    }

    /// Decodes the signature.
    ///
    /// # Errors
    /// `TokenMalformed` when it is not canonical base64url (R-07).
    pub fn signature(&self) -> Result<Vec<u8>, Reason> {
        decoded(self.signature)
    }
}

/// Shows no part of the token.
impl std::fmt::Debug for CompactToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "CompactToken({} bytes)",
            self.signing_input.len() + 1 + self.signature.len()
        )
    }
}

/// Decodes base64url in the one form that encoding gives: no padding, no blanks, trailing bits zero (R-07).
fn decoded(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD
        .decode_to_vec(part)
        .map_err(|_| Reason::TokenMalformed)
}

/// What a token's header says, of that which a verifier may look at (RFC 7515 section 4).
///
/// It selects nothing by itself: the algorithm is the key's, and the header only confirms it (R-02).
///
/// ```
/// use fountain_core::Reason;
/// use fountain_core::signing::Algorithm;
/// use fountain_core::token::Header;
///
/// let header = Header::parse(br#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#)?;
/// assert_eq!(header.algorithm, Algorithm::Es256);
///
/// let none = Header::parse(br#"{"alg":"none"}"#);
/// assert_eq!(none.unwrap_err(), Reason::TokenAlgorithm);
/// let own_key = Header::parse(br#"{"alg":"ES256","jwk":{"kty":"EC"}}"#);
/// assert_eq!(own_key.unwrap_err(), Reason::TokenHeader);
/// # Ok::<(), Reason>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `alg`: one of the algorithms that there are.
    pub algorithm: Algorithm,
    /// `kid`, if there is one.
    pub kid: Option<Kid>,
    /// `typ`, if there is one.
    pub typ: Option<String>,
}

impl Header {
    /// Reads a decoded header.
    ///
    /// Members that would change what the signature means or where the key comes from are refused, whatever
    /// they hold: `crit`, `b64`, `zip` (R-11), `jku`, `x5u`, `jwk`, `x5c` (R-12). Unknown members have no effect.
    ///
    /// # Errors
    /// `TokenTooLarge` beyond 2048 bytes; `TokenJson` when it is not one strict JSON object (R-08..R-10);
    /// `TokenAlgorithm` when `alg` is missing or not byte for byte the name of an [`Algorithm`] (R-01);
    /// `TokenKeyId` when `kid` is not a [`Kid`] (R-13); `TokenType` when `typ` is not a string; `TokenHeader`
    /// for a member that is refused.
    pub fn parse(header: &[u8]) -> Result<Self, Reason> {
        if header.len() > HEADER_BYTES {
            return Err(Reason::TokenTooLarge);
        }
        let mut algorithm = None;
        let mut kid = None;
        let mut typ = None;
        read_object(header, Limits::object(HEADER_BYTES), |name, value| {
            match name {
                "alg" => {
                    let name = string_or(value.string(), Reason::TokenAlgorithm)?;
                    algorithm = Some(Algorithm::from_name(&name).ok_or(Reason::TokenAlgorithm)?);
                }
                "kid" => {
                    let id = string_or(value.string(), Reason::TokenKeyId)?;
                    kid = Some(Kid::new(id).map_err(|_| Reason::TokenKeyId)?);
                }
                "typ" => typ = Some(string_or(value.string(), Reason::TokenType)?.into_owned()),
                "crit" | "b64" | "zip" | "jku" | "x5u" | "jwk" | "x5c" => {
                    return Err(Reason::TokenHeader);
                }
                _ => value.skip()?,
            }
            Ok::<_, Reason>(())
        })?;
        Ok(Self {
            algorithm: algorithm.ok_or(Reason::TokenAlgorithm)?,
            kid,
            typ,
        })
    }

    /// The header of tokens that Fountain issues, encoded.
    ///
    /// Made once for a key: a verifier that knows its own keys' headers compares them instead of decoding.
    #[must_use]
    pub fn encode(algorithm: Algorithm, kid: &Kid, kind: TokenKind) -> String {
        // None of the three holds a character that JSON escapes: two are constants, and a Kid has only [A-Za-z0-9._~@-].
        let typ = kind.typ();
        URL_SAFE_NO_PAD.encode_to_string(format!(
            r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"{typ}"}}"#
        ))
    }
}

fn string_or(
    read: Result<Cow<'_, str>, Fault>,
    wrong_type: Reason,
) -> Result<Cow<'_, str>, Reason> {
    read.map_err(|fault| match fault {
        Fault::Malformed => Reason::TokenJson,
        Fault::WrongType => wrong_type,
    })
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => Self::TokenJson,
            Fault::WrongType => Self::TokenClaims,
        }
    }
}

#[cfg(test)]
mod tests;
