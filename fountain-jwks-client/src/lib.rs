#![doc = include_str!("../README.md")]

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use fountain_core::token::{FetchError, FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch};
use fountain_core::{ConfigError, ConfigErrors};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap,
};
use reqwest::{Certificate, Client, Response, StatusCode, redirect};

mod freshness;

/// Fetches key sets over HTTPS. Cheap to clone; needs a tokio runtime when it is used, none to be built.
///
/// One client serves any number of issuers, unless they are trusted by different authorities. Connections
/// are not kept: there are 30 s at least between two fetches.
///
/// # Security
/// Neither a `reqwest` client nor its builder can be handed in. Each of their settings (redirects, proxies,
/// certificate checks, default headers) would be a way to loosen what the contract of [`JwksFetch`] promises,
/// and a new one may come with every version. What hosts need is here: their own certificate authority.
///
/// Environment variables such as `HTTPS_PROXY` are not read: who sets one would answer for the issuer's reachability.
#[derive(Clone)]
pub struct HttpsFetch {
    client: Client,
}

/// Builds an [`HttpsFetch`].
#[derive(Debug, Clone, Default)]
pub struct HttpsFetchBuilder {
    roots: Option<Vec<u8>>,
}

impl HttpsFetch {
    /// Starts with the certificate authorities that the platform trusts.
    #[must_use]
    pub fn builder() -> HttpsFetchBuilder {
        HttpsFetchBuilder::default()
    }
}

impl HttpsFetchBuilder {
    /// Trusts exactly the certificates of this PEM bundle, and none of the platform's.
    ///
    /// For issuers behind a private certificate authority, and for images without a certificate store. The last
    /// call counts.
    #[must_use]
    pub fn trust_only_pem(mut self, bundle: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(bundle.into());
        self
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    /// When the bundle holds no certificate or one that cannot be read, or when there is none and the platform has
    /// no certificate store.
    pub fn build(self) -> Result<HttpsFetch, ConfigErrors> {
        let headers = [
            (ACCEPT, "application/jwk-set+json, application/json"),
            (ACCEPT_ENCODING, "identity"),
        ];
        let mut client = Client::builder()
            .https_only(true)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .http1_only()
            .user_agent(concat!("fountain-jwks-client/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter(headers.map(|(name, value)| {
                (name, reqwest::header::HeaderValue::from_static(value))
            })));
        let hint = if let Some(bundle) = &self.roots {
            let unreadable =
                "give PEM with at least one CERTIFICATE section, and nothing but X.509 in it";
            let roots = Certificate::from_pem_bundle(bundle)
                .ok()
                .filter(|roots| !roots.is_empty())
                .ok_or_else(|| invalid(unreadable))?;
            client = client.tls_certs_only(roots);
            unreadable
        } else {
            "this platform has no certificate store that can be read: install one (such as ca-certificates), or give your own"
        };
        let client = client.build().map_err(|_| invalid(hint))?;
        Ok(HttpsFetch { client })
    }
}

fn invalid(hint: &'static str) -> ConfigError {
    ConfigError::Invalid {
        setting: "trust_only_pem",
        hint,
    }
}

#[async_trait]
impl JwksFetch for HttpsFetch {
    async fn fetch(&self, url: &str, limits: FetchLimits) -> Result<FetchedJwks, FetchError> {
        if !url
            .get(..8)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
        {
            return Err(FetchErrorKind::NotHttps.into());
        }
        let mut response = self
            .client
            .get(url)
            .timeout(limits.timeout)
            .send()
            .await
            .map_err(failed)?;
        check_head(&response, limits)?;
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let max_age = max_age(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            // Both are lengths of what is in memory: their sum does not overflow.
            if body.len() + chunk.len() > limits.body {
                return Err(FetchErrorKind::TooLarge.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(FetchedJwks {
            body,
            media_type,
            max_age,
        })
    }
}

/// Judges what is known before the first byte of the body.
fn check_head(response: &Response, limits: FetchLimits) -> Result<(), FetchError> {
    let status = response.status();
    if status != StatusCode::OK {
        let redirected = status.is_redirection() && status != StatusCode::NOT_MODIFIED;
        return Err(if redirected {
            FetchErrorKind::Redirected.into()
        } else {
            FetchErrorKind::Status.into()
        });
    }
    let encoded =
        |value: &reqwest::header::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if response
        .headers()
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(encoded)
    {
        return Err(FetchErrorKind::Encoded.into());
    }
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).is_ok_and(|length| length <= limits.body) {
        Ok(())
    } else {
        Err(FetchErrorKind::TooLarge.into())
    }
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let texts = |name| {
        headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap_or_default())
    };
    freshness::left(texts(CACHE_CONTROL), texts(AGE).next())
}

/// What went wrong, without the URL: a log line has the issuer already.
fn failed(error: reqwest::Error) -> FetchError {
    let kind = if error.is_timeout() {
        FetchErrorKind::Timeout
    } else {
        FetchErrorKind::Unreachable
    };
    FetchError::with_source(kind, error.without_url())
}

impl fmt::Debug for HttpsFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpsFetch")
    }
}
