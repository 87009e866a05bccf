//! Where a request's one credential is, told by pure functions: no header type, no framework.
//!
//! The order of the decisions, of which the first that applies holds:
//!
//! 1. More than one `Authorization` or `X-API-Key` line, or one of each: 400, ambiguous (R-85).
//! 2. A value of more than [`MAX_HEADER_BYTES`], or with bytes outside of ASCII: 400, malformed.
//! 3. `X-API-Key: k`: `k` is an API key. Whether it is a good one is for the authenticator: 401 if not.
//! 4. `Authorization: Bearer t`: an API key when `t` starts with the brand and `_`, else an access token.
//!    The scheme's case does not count; one blank parts it from `t`; `t` is a `b64token` (RFC 6750
//!    section 2.1) or holds `_`. Anything else behind `Bearer`: 400, malformed.
//! 5. `Authorization` with another scheme: 401 without an error code, since an "unsupported authentication
//!    method" is no malformed request (RFC 6750 section 3.1). It is refused where authentication is
//!    optional as well: who tries to authenticate is not anonymous.
//! 6. Neither header, but a credential in the query or in a cookie: 401, misplaced (R-37). It is not used.
//! 7. Nothing: no credential.

use fountain_core::authenticate::PresentedCredential;
use fountain_core::{Reason, Rejection, RejectionKind};

/// The longest header value that is looked at: 16 KiB, twice
/// [the token that a verifier takes](fountain_core::token::DEFAULT_TOKEN_BYTES) unless a host says otherwise (R-08).
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Query parameters and cookies in which a JWT is taken for a misplaced credential, in lower case.
const TOKEN_NAMES: [&str; 8] = [
    "access_token",
    "api_key",
    "apikey",
    "auth_token",
    "authorization",
    "bearer",
    "jwt",
    "x-api-key",
];

/// The one credential in these `Authorization` and `X-API-Key` lines, each an iterator over its values.
///
/// `brand` is what the text of an API key starts with, up to its first `_`; `None` when API keys are not admitted:
/// `X-API-Key` is then no concern of ours.
///
/// ```
/// use fountain_core::{RejectionKind, authenticate::PresentedCredential};
/// use fountain_tower::credential::from_headers;
///
/// let key = from_headers([b"bearer fnt_live_0".as_slice()], [], Some("fnt"));
/// assert_eq!(key, Ok(Some(PresentedCredential::ApiKey("fnt_live_0"))));
///
/// let two = from_headers([b"Bearer a".as_slice()], [b"fnt_live_0".as_slice()], Some("fnt"));
/// assert_eq!(two.unwrap_err().kind(), &RejectionKind::InvalidRequest);
/// ```
///
/// # Errors
/// The refusals 1, 2, 4 and 5 of the [module's list](self).
pub fn from_headers<'a>(
    authorization: impl IntoIterator<Item = &'a [u8]>,
    api_key: impl IntoIterator<Item = &'a [u8]>,
    brand: Option<&str>,
) -> Result<Option<PresentedCredential<'a>>, Rejection> {
    let mut authorization = authorization.into_iter();
    let mut api_key = api_key.into_iter();
    let bearer = authorization.next();
    let key = brand.and_then(|_| api_key.next());
    if authorization.next().is_some()
        || (key.is_some() && (bearer.is_some() || api_key.next().is_some()))
    {
        return Err(Rejection::invalid_request(Reason::CredentialAmbiguous));
    }
    match (bearer, key) {
        (Some(value), _) => bearer_token(text(value)?).map(|token| {
            Some(if is_branded(token, brand) {
                PresentedCredential::ApiKey(token)
            } else {
                PresentedCredential::AccessToken(token)
            })
        }),
        (None, Some(value)) => Ok(Some(PresentedCredential::ApiKey(text(value)?))),
        (None, None) => Ok(None),
    }
}

/// Whether a query, or one of these `Cookie` lines, holds what looks like a credential of ours.
///
/// That is: anything that starts with the brand and `_`, or a JWT under a name such as `access_token`. Values are not
/// decoded, and nothing of them is kept. A JWT under another name is not ours to judge: other systems use them in
/// links and cookies.
///
/// ```
/// use fountain_tower::credential::is_misplaced;
///
/// assert!(is_misplaced(Some("page=2&key=fnt_live_0"), [], Some("fnt")));
/// assert!(is_misplaced(None, [b"theme=dark; access_token=eyJh.eyJz.c2ln".as_slice()], Some("fnt")));
/// assert!(!is_misplaced(Some("state=eyJh.eyJz.c2ln"), [], Some("fnt")));
/// ```
#[must_use]
pub fn is_misplaced<'a>(
    query: Option<&str>,
    cookies: impl IntoIterator<Item = &'a [u8]>,
    brand: Option<&str>,
) -> bool {
    let in_query = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .any(|pair| is_credential(pair, brand));
    in_query
        || cookies
            .into_iter()
            .filter_map(|line| std::str::from_utf8(line).ok())
            .flat_map(|line| line.split(';'))
            .any(|pair| is_credential(pair.trim(), brand))
}

/// The refusal of a misplaced credential: 401 without an error code, since nothing was presented where it counts.
pub(crate) const fn misplaced() -> Rejection {
    Rejection::new(
        RejectionKind::MissingCredential,
        Reason::CredentialMisplaced,
    )
}

fn is_credential(pair: &str, brand: Option<&str>) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let value = value.trim_matches('"');
    is_branded(value, brand)
        || (value.starts_with("eyJ")
            && value.bytes().filter(|byte| *byte == b'.').count() == 2
            && TOKEN_NAMES
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name)))
}

fn is_branded(text: &str, brand: Option<&str>) -> bool {
    brand
        .and_then(|brand| text.strip_prefix(brand))
        .is_some_and(|rest| rest.starts_with('_'))
}

fn text(value: &[u8]) -> Result<&str, Rejection> {
    if value.len() > MAX_HEADER_BYTES {
        return Err(Rejection::invalid_request(Reason::TokenTooLarge));
    }
    // ASCII only, so that this is UTF-8 as well.
    match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() => Ok(text),
        _ => Err(malformed()),
    }
}

fn bearer_token(value: &str) -> Result<&str, Rejection> {
    let (scheme, rest) = match value.split_once(' ') {
        Some((scheme, rest)) => (scheme, Some(rest)),
        None => (value, None),
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        // A scheme is a token (RFC 9110 section 11.1); what does not even start with one is no scheme.
        return Err(if !scheme.is_empty() && scheme.bytes().all(is_token_byte) {
            Rejection::new(RejectionKind::MissingCredential, Reason::CredentialScheme)
        } else {
            malformed()
        });
    }
    let token = rest.unwrap_or_default();
    let body = token.trim_end_matches('=');
    // Without early exit, so that it is done many bytes at a time: a token has hundreds.
    let is_b64token = body.bytes().fold(true, |ok, b| ok & is_b64token_byte(b));
    if body.is_empty() || !is_b64token {
        return Err(malformed());
    }
    Ok(token)
}

const fn malformed() -> Rejection {
    Rejection::invalid_request(Reason::CredentialMalformed)
}

const fn is_b64token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        | (byte == b'-')
        | (byte == b'.')
        | (byte == b'_')
        | (byte == b'~')
        | (byte == b'+')
        | (byte == b'/')
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests;
