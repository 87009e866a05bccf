//! The pure half of verification: no store, no network, no clock of its own.

use super::{AccessClaims, CompactToken, KeySource, TokenKind, TokenRules, TrustedKey};
use crate::clock::Timestamp;
use crate::error::{Reason, Rejection};

/// Verifies an access token, all but what a store must be asked for: revocation and a host's policy.
///
/// The order, which is also the order of costs and of trust (R-20):
/// 1. bounds: the length, two dots (R-07, R-08);
/// 2. the header: the encoded form of a known key's, or else read strictly: `alg` on the list (R-01), nothing that
///    is refused (R-11, R-12), `typ` of an access token (R-14), `kid` (R-13);
/// 3. the key: found by `kid`, bound to that `alg` (R-02);
/// 4. the signature;
/// 5. the claims: read strictly (R-15), held against the rules ([`TokenRules::check`], R-16..R-19) and against the
///    time until which the key signed (B-14).
///
/// ```
/// use fountain_core::signing::{Algorithm, Kid, SigningKey};
/// use fountain_core::token::{AccessClaims, KeySet, TokenRules, TokenSigner, TrustedKey, verify_access};
/// use fountain_core::{OsRandom, Reason, Timestamp};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let rules = TokenRules::builder()
///     .issuer("https://auth.example.com")
///     .audience("orders")
///     .algorithm(Algorithm::EdDsa)
///     .max_life(Duration::from_secs(900))
///     .build()?;
/// let key = SigningKey::generate(Algorithm::EdDsa, &OsRandom)?;
/// let kid = Kid::new("2030-01")?;
/// let keys = KeySet::new([TrustedKey::new(kid.clone(), key.verifying_key().clone())], [])?;
///
/// let now = Timestamp::from_unix_seconds(1_700_000_000);
/// let claims = AccessClaims::decode(
///     br#"{"iss":"https://auth.example.com","sub":"u1","aud":"orders","client_id":"web","jti":"t1",
///          "iat":1700000000,"exp":1700000600}"#,
/// )
/// .expect("well-formed");
/// let token = TokenSigner::new(kid, Arc::new(key)).sign_access(&claims)?;
///
/// assert_eq!(verify_access(&token, &rules, &keys, now)?, claims);
/// let later = now + Duration::from_secs(700);
/// let expired = verify_access(&token, &rules, &keys, later).unwrap_err();
/// assert_eq!(expired.reason(), Reason::TokenExpired);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `InvalidToken` with the precise reason; `Unavailable` when the issuer's keys cannot be had.
pub fn verify_access(
    token: &str,
    rules: &TokenRules,
    keys: &(impl KeySource + ?Sized),
    now: Timestamp,
) -> Result<AccessClaims, Rejection> {
    access_claims(token, rules, keys, now).map_err(rejection)
}

fn access_claims(
    token: &str,
    rules: &TokenRules,
    keys: &(impl KeySource + ?Sized),
    now: Timestamp,
) -> Result<AccessClaims, Reason> {
    let signed = signed(token, TokenKind::Access, rules, keys)?;
    let expected = Some((rules.issuer(), rules.audience()));
    let claims = AccessClaims::decode_for(&signed.payload, expected)?;
    rules.check(&claims, now)?;
    signed.key.may_have_signed(claims.issued_at)?;
    Ok(claims)
}

/// Verifies the header and the signature of a token of any kind: steps 1 to 4 of [`verify_access`].
///
/// Of the rules it takes the algorithms and the bound on the token's size.
///
/// # Errors
/// `InvalidToken` with the precise reason; `Unavailable` when the issuer's keys cannot be had.
pub fn verify_signed<'k>(
    token: &str,
    kind: TokenKind,
    rules: &TokenRules,
    keys: &'k (impl KeySource + ?Sized),
) -> Result<SignedPayload<'k>, Rejection> {
    signed(token, kind, rules, keys).map_err(rejection)
}

fn signed<'k>(
    token: &str,
    kind: TokenKind,
    rules: &TokenRules,
    keys: &'k (impl KeySource + ?Sized),
) -> Result<SignedPayload<'k>, Reason> {
    let token = CompactToken::split(token, rules.max_token_bytes())?;
    let key = match keys.by_header(kind, token.encoded_header()) {
        Some(known) if rules.algorithms().contains(&known.key().algorithm()) => known,
        Some(_) => return Err(Reason::TokenAlgorithm),
        None => key_of_header(&token, kind, rules, keys)?,
    };
    key.key()
        .verify(token.signing_input(), &token.signature()?)?;
    Ok(SignedPayload {
        payload: token.payload()?,
        key,
    })
}

/// The key that a header names which is not the known form of one of ours.
fn key_of_header<'k>(
    token: &CompactToken<'_>,
    kind: TokenKind,
    rules: &TokenRules,
    keys: &'k (impl KeySource + ?Sized),
) -> Result<&'k TrustedKey, Reason> {
    let header = token.header()?;
    if !rules.algorithms().contains(&header.algorithm) {
        return Err(Reason::TokenAlgorithm);
    }
    if !header.typ.is_some_and(|typ| kind.accepts(&typ)) {
        return Err(Reason::TokenType);
    }
    let key = keys.by_kid(&header.kid.ok_or(Reason::TokenKeyId)?)?;
    if key.key().algorithm() != header.algorithm {
        return Err(Reason::TokenAlgorithmMismatch);
    }
    Ok(key)
}

/// A payload whose signature was verified with a trusted key; made by [`verify_signed`] only.
#[derive(Clone)]
pub struct SignedPayload<'k> {
    payload: Vec<u8>,
    key: &'k TrustedKey,
}

impl<'k> SignedPayload<'k> {
    /// The decoded payload.
    ///
    /// # Security
    /// The issuer signed it. Whether it is for this audience and good now is not decided yet.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.payload
    }

    /// The key that verified it.
    #[must_use]
    pub const fn key(&self) -> &'k TrustedKey {
        self.key
    }
}

/// Shows nothing of the payload, which holds personal data.
impl std::fmt::Debug for SignedPayload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SignedPayload({} bytes, {:?})",
            self.payload.len(),
            self.key.kid()
        )
    }
}

/// One public face for everything that is the token's fault (R-20).
fn rejection(reason: Reason) -> Rejection {
    match reason {
        Reason::TokenIssuerKeysUnavailable | Reason::StoreUnavailable | Reason::StoreCorrupt => {
            Rejection::unavailable(reason)
        }
        _ => Rejection::invalid_token(reason),
    }
}
