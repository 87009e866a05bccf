//! The layers in their one right order.
//!
//! From the outside: request id, sensitive headers, what the host puts in between (a trace), authentication, the service.
//! A trace then knows the id and sees no credential; a refusal carries the id; nothing of the host runs unauthenticated
//! but what it puts in between itself.

use std::fmt;
use std::sync::Arc;

use fountain_core::{OsRandom, Random};
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderName, HeaderValue, Request};
use tower_http::request_id::{
    MakeRequestId, PropagateRequestId, PropagateRequestIdLayer, RequestId, SetRequestId,
    SetRequestIdLayer,
};
use tower_http::sensitive_headers::{SetSensitiveHeaders, SetSensitiveHeadersLayer};
use tower_layer::{Identity, Layer};

use crate::auth::{Auth, AuthLayer, X_API_KEY};
use crate::responder::ProblemJson;
use crate::step_up::STEP_UP_HEADER;

static X_REQUEST_ID: HeaderName = HeaderName::from_static(crate::answer::X_REQUEST_ID);

/// The whole stack around a service or a router.
///
/// ```
/// # fn wire(auth: fountain_tower::AuthLayer) -> axum::Router {
/// use fountain_tower::StackLayer;
///
/// axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .layer(StackLayer::new(auth))
/// # }
/// ```
#[derive(Clone)]
pub struct StackLayer<R = ProblemJson, L = Identity> {
    auth: AuthLayer<R>,
    between: L,
    ids: RequestIds,
    sensitive: Arc<[HeaderName]>,
}

impl<R> StackLayer<R> {
    /// The stack around this authentication.
    #[must_use]
    pub fn new(auth: AuthLayer<R>) -> Self {
        Self {
            auth,
            between: Identity::new(),
            ids: RequestIds::new(Arc::new(OsRandom)),
            sensitive: [
                AUTHORIZATION,
                X_API_KEY.clone(),
                STEP_UP_HEADER.clone(),
                COOKIE,
                SET_COOKIE,
            ]
            .into(),
        }
    }
}

impl<R, L> StackLayer<R, L> {
    /// The same with this layer between the sensitive headers and the authentication: the place of a trace, which is
    /// to see refused requests too.
    ///
    /// # Security
    /// What it does, it does for unauthenticated requests.
    #[must_use]
    pub fn between<M>(self, layer: M) -> StackLayer<R, M> {
        StackLayer {
            auth: self.auth,
            between: layer,
            ids: self.ids,
            sensitive: self.sensitive,
        }
    }

    /// The same with another source of request ids.
    #[must_use]
    pub fn request_ids(mut self, ids: RequestIds) -> Self {
        self.ids = ids;
        self
    }
}

impl<R, L> fmt::Debug for StackLayer<R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackLayer")
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

/// What [`StackLayer`] makes of a service `T` that holds the authentication and what is inside of it.
pub type Stacked<T> = SetRequestId<PropagateRequestId<SetSensitiveHeaders<T>>, RequestIds>;

impl<S, R, L> Layer<S> for StackLayer<R, L>
where
    R: Clone,
    L: Layer<Auth<S, R>>,
{
    type Service = Stacked<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        let service = self.between.layer(self.auth.layer(inner));
        let service =
            SetSensitiveHeadersLayer::from_shared(Arc::clone(&self.sensitive)).layer(service);
        let service = PropagateRequestIdLayer::new(X_REQUEST_ID.clone()).layer(service);
        SetRequestIdLayer::new(X_REQUEST_ID.clone(), self.ids.clone()).layer(service)
    }
}

/// Makes the ids of requests that come without `X-Request-Id`: 128 random bits, as 32 hexadecimal digits.
///
/// An id that a client or a proxy sent is kept, and repeated in the answer. A refusal repeats it in its body only when
/// it is of a harmless form.
#[derive(Debug, Clone)]
pub struct RequestIds(Arc<dyn Random>);

impl RequestIds {
    /// Ids from this source. Where it fails, a request goes without an id.
    #[must_use]
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self(random)
    }
}

impl MakeRequestId for RequestIds {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let mut bytes = [0; 16];
        self.0.fill(&mut bytes).ok()?;
        let id = format!("{:032x}", u128::from_be_bytes(bytes));
        HeaderValue::try_from(id).ok().map(RequestId::new)
    }
}
