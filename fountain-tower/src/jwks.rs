//! Publishes the public signing keys: `application/jwk-set+json`, cacheable, revalidated by `ETag` (R-28).

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use fountain_core::Rejection;
use fountain_core::signing::{Keyring, PublishedJwks};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service;

use crate::answer::Answers;
use crate::responder::ProblemJson;

/// Serves a [`Keyring`]'s public keys; mount it at `/.well-known/jwks.json`, outside of authentication.
///
/// GET gives the set, HEAD its headers, a tag that still holds 304, another method 405. A store that must be asked and
/// does not answer is 503 with `Retry-After`: a set that may hold a revoked key is not served.
///
/// `C` is the body to answer with: for axum write [`axum::jwks`](crate::axum::jwks), elsewhere name it.
///
/// ```
/// use std::sync::Arc;
/// use bytes::Bytes;
/// use fountain_core::signing::Keyring;
/// use fountain_tower::jwks::JwksService;
/// use http_body_util::Full;
///
/// fn service(keyring: Arc<Keyring>) -> JwksService<Full<Bytes>> {
///     JwksService::new(keyring)
/// }
/// ```
pub struct JwksService<C> {
    keyring: Arc<Keyring>,
    answers: Answers,
    body: PhantomData<fn() -> C>,
}

impl<C> JwksService<C> {
    /// Serves the keys of this ring.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self {
            keyring,
            answers: Answers::default(),
            body: PhantomData,
        }
    }

    /// The same with a host's own problem types.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }
}

impl<C> Clone for JwksService<C> {
    fn clone(&self) -> Self {
        Self {
            keyring: Arc::clone(&self.keyring),
            answers: self.answers.clone(),
            body: PhantomData,
        }
    }
}

impl<C> fmt::Debug for JwksService<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksService")
            .field("issuer", self.keyring.issuer())
            .finish_non_exhaustive()
    }
}

impl<B, C: From<Bytes> + 'static> Service<Request<B>> for JwksService<C> {
    type Response = Response<C>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<C>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self {
            keyring, answers, ..
        } = self.clone();
        let (parts, _) = request.into_parts();
        Box::pin(async move {
            Ok(match keyring.jwks().await {
                Ok(set) => respond(&set, &parts.method, &parts.headers),
                Err(error) => {
                    tracing::warn!(%error, "the signing keys cannot be published now");
                    answers.respond(&ProblemJson, &Rejection::from(error), None)
                }
            })
        })
    }
}

/// The answer to a request for the set, for a framework that does not mount services.
#[must_use]
pub fn respond<C: From<Bytes>>(
    set: &PublishedJwks,
    method: &Method,
    headers: &HeaderMap,
) -> Response<C> {
    if method != Method::GET && method != Method::HEAD {
        return not_allowed();
    }
    let unchanged = headers
        .get_all(IF_NONE_MATCH)
        .into_iter()
        .any(|line| names(line, set.etag()));
    let body = if unchanged || method == Method::HEAD {
        Bytes::new()
    } else {
        Bytes::copy_from_slice(set.json().as_bytes())
    };
    let mut response = Response::new(C::from(body));
    let headers = response.headers_mut();
    headers.extend(
        HeaderValue::try_from(set.etag())
            .ok()
            .map(|tag| (ETAG, tag)),
    );
    let age = format!("public, max-age={}", set.max_age().as_secs());
    headers.extend(
        HeaderValue::try_from(age)
            .ok()
            .map(|age| (CACHE_CONTROL, age)),
    );
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let media_type = HeaderValue::from_static(PublishedJwks::MEDIA_TYPE);
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(set.json().len()));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn not_allowed<C: From<Bytes>>() -> Response<C> {
    let mut response = Response::new(C::from(Bytes::new()));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// Whether this line of `If-None-Match` names the tag, by weak comparison (RFC 9110 section 13.1.2). Ours hold no comma.
fn names(line: &HeaderValue, etag: &str) -> bool {
    line.as_bytes().split(|byte| *byte == b',').any(|tag| {
        let tag = tag.trim_ascii();
        tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes()
    })
}
