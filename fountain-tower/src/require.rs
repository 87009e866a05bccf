//! The authorisation layer: the principal that [`AuthLayer`](crate::AuthLayer) found meets one requirement, or not.
//!
//! # Where to put it
//! On the route (`route_layer` in axum), never on a path's text: the router decides which route a request means, and the
//! requirement belongs to that route. `/admin/`, `//admin`, `/ADMIN` and `/admin/%2e%2e/x` are then other routes or none,
//! and none is 404 (B-71). A rule that compares prefixes of the path decides on another text than the router does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fountain_core::access::CompiledRequirement;
use fountain_core::{Principal, Rejection};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::auth::{AuthContext, take_ready};
use crate::missing_layer;
use crate::responder::{ProblemJson, Responder};

/// Lets through who meets a requirement. Cheap to clone.
///
/// The requirement is a value, compiled by the catalogue that made the principals' grants. A handler that must not
/// run without it takes [`Authorize`](crate::axum::Authorize) as well, or instead: then the compiler asks for it.
///
/// ```
/// use fountain_core::access::{Requirement, RoleCatalog};
/// use fountain_tower::RequireLayer;
///
/// let catalog = RoleCatalog::builder().permissions(["orders:write"]).build()?;
/// let layer = RequireLayer::new(catalog.compile(&Requirement::permission("orders:write"))?);
/// # fn mount(layer: RequireLayer) -> axum::Router {
/// // 403 for who may not, 401 for who is nobody, 500 and a log line where no AuthLayer ran before it.
/// axum::Router::new()
///     .route("/orders", axum::routing::post(|| async { "ordered" }))
///     .route_layer(layer)
/// # }
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
#[derive(Clone)]
pub struct RequireLayer<R = ProblemJson> {
    requirement: Arc<CompiledRequirement>,
    responder: R,
}

impl RequireLayer {
    /// A layer that answers with [`ProblemJson`].
    #[must_use]
    pub fn new(requirement: CompiledRequirement) -> Self {
        Self {
            requirement: Arc::new(requirement),
            responder: ProblemJson,
        }
    }
}

impl<R> RequireLayer<R> {
    /// The same with another body for refusals, such as [`Grpc`](crate::Grpc).
    #[must_use]
    pub fn responder<T>(self, responder: T) -> RequireLayer<T> {
        RequireLayer {
            requirement: self.requirement,
            responder,
        }
    }
}

impl<R> fmt::Debug for RequireLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireLayer")
            .field("requirement", &self.requirement)
            .finish_non_exhaustive()
    }
}

impl<S, R: Clone> Layer<S> for RequireLayer<R> {
    type Service = Required<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Required {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`RequireLayer`] makes.
#[derive(Clone)]
pub struct Required<S, R = ProblemJson> {
    inner: S,
    layer: RequireLayer<R>,
}

impl<S, R> fmt::Debug for Required<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Required")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

impl<S, R, B, C> Service<Request<B>> for Required<S, R>
where
    S: Service<Request<B>, Response = Response<C>> + Clone,
    R: Responder<C>,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Response<C>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match self.layer.refusal(&request) {
            None => State::Called {
                future: self.inner.call(request),
            },
            Some(response) => {
                // What poll_ready reserved in it (a permit, a slot) is given back.
                drop(take_ready(&mut self.inner));
                State::Refused {
                    response: Some(response),
                }
            }
        };
        ResponseFuture { state }
    }
}

impl<R> RequireLayer<R> {
    fn refusal<B, C>(&self, request: &Request<B>) -> Option<Response<C>>
    where
        R: Responder<C>,
    {
        let extensions = request.extensions();
        let Some(AuthContext(shared)) = extensions.get::<AuthContext>() else {
            return Some(missing_layer::respond(&self.responder));
        };
        let met = match extensions.get::<Principal>() {
            Some(principal) => self.requirement.check(principal, shared.clock.now()),
            None => Err(Rejection::missing_credential()),
        };
        met.err()
            .map(|rejection| shared.refuse(&self.responder, &rejection, request.headers()))
    }
}

pin_project! {
    /// The future of [`Required`].
    ///
    /// # Cancel safety
    /// It may be dropped at any point; the decision was made before it was there.
    pub struct ResponseFuture<F, T> {
        #[pin]
        state: State<F, T>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, T> {
        Called { #[pin] future: F },
        Refused { response: Option<T> },
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for ResponseFuture<F, T> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Called { future } => Poll::Ready(ready!(future.poll(cx))),
            StateProjection::Refused { response } => response
                .take()
                .map_or(Poll::Pending, |r| Poll::Ready(Ok(r))),
        }
    }
}

impl<F, T> fmt::Debug for ResponseFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
