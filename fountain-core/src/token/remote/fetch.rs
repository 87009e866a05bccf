use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Fetches the key set of another issuer (RFC 7517 section 5). The core has no HTTP client: an adapter is one.
///
/// The caller sees to it that there is one fetch at a time and at most one per 30 s, and judges what came.
///
/// # Contract
/// - A: only `https` URLs are asked, with the server's certificate and name checked. Another scheme is
///   `NotHttps`, and nothing is sent (R-29).
/// - B: a redirect is not followed: it is `Redirected`. Where keys come from is the host's decision alone.
/// - C: any status but 200 is `Status`: a 204 or a 304 holds no keys.
/// - D: at most `limits.body` bytes of the body are taken in, cut while they arrive: one byte more is
///   `TooLarge`, whatever `Content-Length` said.
/// - E: nothing is inflated. A body with a `Content-Encoding` is `Encoded`.
/// - F: from the call to its answer at most `limits.timeout` passes, name look-up and the last byte of the body
///   included; then it is `Timeout`.
/// - G: the request carries no credential, no cookie and nothing about the token that made the keys necessary.
/// - H: dropping the future at any await closes what it opened.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::token::{FetchError, FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch};
///
/// /// Answers with a key set that was deployed together with the host.
/// #[derive(Debug)]
/// struct Pinned(&'static [u8]);
///
/// #[async_trait::async_trait]
/// impl JwksFetch for Pinned {
///     async fn fetch(&self, _url: &str, limits: FetchLimits) -> Result<FetchedJwks, FetchError> {
///         if self.0.len() > limits.body {
///             return Err(FetchErrorKind::TooLarge.into());
///         }
///         Ok(FetchedJwks {
///             body: self.0.to_vec(),
///             media_type: Some("application/jwk-set+json".into()),
///             max_age: Some(Duration::from_secs(3_600)),
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait JwksFetch: Debug + Send + Sync + 'static {
    /// Fetches the document at `url`.
    async fn fetch(&self, url: &str, limits: FetchLimits) -> Result<FetchedJwks, FetchError>;
}

/// How long a fetch may take and how much it may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// From the call to the last byte of the body. 2 s (R-29).
    pub timeout: Duration,
    /// Bytes of the body. 256 KiB (R-29).
    pub body: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            body: 256 * 1024,
        }
    }
}

/// What a server answered with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedJwks {
    /// The body as it came.
    pub body: Vec<u8>,
    /// The value of `Content-Type`; none when it is missing or not text.
    pub media_type: Option<String>,
    /// `max-age` of `Cache-Control` (RFC 9111 section 5.2.2.1); zero for `no-store` or `no-cache`; none when
    /// nothing is said.
    pub max_age: Option<Duration>,
}

/// Why a key set could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct FetchError {
    kind: FetchErrorKind,
    #[source]
    source: Option<BoxError>,
}

/// What a [`FetchError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The name has no address, nothing listens, the connection broke, or TLS could not be agreed on.
    #[error("the server cannot be reached")]
    Unreachable,
    /// No whole answer within the time-out.
    #[error("the server did not answer in time")]
    Timeout,
    /// The URL is not an `https` URL.
    #[error("the address is not an https URL")]
    NotHttps,
    /// The answer is a redirect.
    #[error("the server redirected, which is not followed")]
    Redirected,
    /// The status is not 200.
    #[error("the server did not answer with status 200")]
    Status,
    /// The body is larger than the bound.
    #[error("the answer is too large")]
    TooLarge,
    /// The body is compressed.
    #[error("the answer has a content encoding")]
    Encoded,
}

impl FetchError {
    /// An error of this kind, caused by `source`.
    pub fn with_source(kind: FetchErrorKind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// What the error is about.
    #[must_use]
    pub const fn kind(&self) -> FetchErrorKind {
        self.kind
    }
}

impl From<FetchErrorKind> for FetchError {
    fn from(kind: FetchErrorKind) -> Self {
        Self { kind, source: None }
    }
}
