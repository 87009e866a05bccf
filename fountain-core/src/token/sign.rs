use std::borrow::Cow;
use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD;

use super::{AccessClaims, Header, MAX_TOKEN_BYTES, TokenKind};
use crate::error::Error;
use crate::identity::Kid;
use crate::signing::SigningKey;

/// Bytes kept for a signature: an encoded one of RSA 3072, which is the longest that is usual.
const SIGNATURE_ROOM: usize = 520;

/// Signs tokens with one key. Its headers are encoded once.
///
/// ```
/// use fountain_core::OsRandom;
/// use fountain_core::signing::{Algorithm, Kid, SigningKey};
/// use fountain_core::token::{CompactToken, MAX_TOKEN_BYTES, TokenKind, TokenSigner};
/// use std::sync::Arc;
///
/// let key = SigningKey::generate(Algorithm::EdDsa, &OsRandom)?;
/// let signer = TokenSigner::new(Kid::new("2030-01")?, Arc::new(key));
/// let token = signer.sign(TokenKind::StepUp, b"{}")?;
/// let read = CompactToken::split(&token, MAX_TOKEN_BYTES).expect("what was signed can be read");
/// assert_eq!(read.header().expect("a header").typ.as_deref(), Some("fountain-step-up+jwt"));
///
/// assert!(signer.sign(TokenKind::StepUp, &[b' '; 60_000]).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TokenSigner {
    kid: Kid,
    key: Arc<SigningKey>,
    /// As `TokenKind::ALL`.
    headers: Vec<(TokenKind, String)>,
}

impl TokenSigner {
    /// A signer whose tokens name this key.
    #[must_use]
    pub fn new(kid: Kid, key: Arc<SigningKey>) -> Self {
        let header = |kind| (kind, Header::encode(key.algorithm(), &kid, kind));
        let headers = TokenKind::ALL.iter().copied().map(header).collect();
        Self { kid, key, headers }
    }

    /// The id of its key.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// `InvalidInput` for claims that a verifier would have to refuse, `Crypto` when signing fails.
    ///
    /// # Security
    /// The claims are signed as they are; whether they may be is for [`TokenRules::check`](super::TokenRules::check)
    /// and a policy to say before.
    pub fn sign_access(&self, claims: &AccessClaims) -> Result<String, Error> {
        self.sign(TokenKind::Access, &claims.encode()?)
    }

    /// Signs a payload as a token of this kind.
    ///
    /// # Errors
    /// `InvalidInput` when the token would have more than 64 KiB, `Crypto` when signing fails.
    pub fn sign(&self, kind: TokenKind, payload: &[u8]) -> Result<String, Error> {
        let kept = self.headers.iter().find(|(its_kind, _)| *its_kind == kind);
        let header = match kept {
            Some((_, header)) => Cow::Borrowed(header.as_str()),
            None => Cow::Owned(Header::encode(self.key.algorithm(), &self.kid, kind)),
        };
        let mut token =
            String::with_capacity(header.len() + payload.len() * 4 / 3 + SIGNATURE_ROOM);
        token.push_str(&header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_append(payload, &mut token);
        let mut signature = Vec::with_capacity(SIGNATURE_ROOM);
        self.key.sign(token.as_bytes(), &mut signature)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_append(&signature, &mut token);
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Error::invalid(
                "claims",
                "give fewer: a token has at most 64 KiB",
            ));
        }
        Ok(token)
    }
}
