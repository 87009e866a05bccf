//! The step-up layer: a grant in the header `Fountain-Step-Up` is spent on one act before anything behind the layer runs (L-06).
//!
//! In this order, of which the first that fails decides:
//!
//! 1. The header is there at most once and holds printable ASCII: else 400.
//! 2. There is a resource, where the layer was given a function for it: else 400.
//! 3. There is a principal, and the rest of the requirement is met: 401, 403. No grant is spent on who may not do the act.
//! 4. The grant is this principal's, for this act on this resource, and is spent: else 401 `insufficient_user_authentication`,
//!    naming the act and the resource, alike for every cause.
//! 5. The header is taken out of the request, and the proof put into its extensions, where one handler takes it once:
//!    [`take_step_up`], or the extractors for axum and the functions for tonic.
//!
//! A handler that knows the resource only after reading something itself goes without the layer: it takes the text by
//! [`presented_grant`] and calls [`StepUp::authorize`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use fountain_core::access::{CompiledRequirement, SteppedUp};
use fountain_core::otp::StepUp;
use fountain_core::{ConfigError, Principal, Reason, Rejection, Secret};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::auth::{AuthContext, Shared, take_ready};
use crate::missing_layer;
use crate::responder::{ProblemJson, Responder};

mod future;
pub use future::ResponseFuture;

/// Where a client sends a grant: `Fountain-Step-Up`.
pub static STEP_UP_HEADER: HeaderName = HeaderName::from_static("fountain-step-up");

type ResourceOf = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// Lets through who spends a grant on the act that a requirement names. Cheap to clone.
///
/// ```
/// use fountain_core::access::{Requirement, RoleCatalog};
/// use fountain_core::otp::StepUp;
/// use fountain_tower::StepUpLayer;
///
/// # fn mount(step_up: StepUp) -> Result<axum::Router, fountain_core::ConfigErrors> {
/// let catalog = RoleCatalog::builder().permissions(["keys:rotate"]).build()?;
/// let rotate = Requirement::permission("keys:rotate").step_up("keys:rotate");
/// let layer = StepUpLayer::new(step_up, catalog.compile(&rotate)?)?
///     .resource(|request| Some(request.uri.path().strip_prefix("/keys/")?.to_owned()));
/// # Ok(
/// axum::Router::new()
///     .route("/keys/{id}", axum::routing::post(|| async { "rotated" }))
///     .route_layer(layer)
/// # )
/// # }
/// ```
#[derive(Clone)]
pub struct StepUpLayer<R = ProblemJson> {
    step_up: StepUp,
    requirement: Arc<CompiledRequirement>,
    resource: Option<ResourceOf>,
    responder: R,
}

impl StepUpLayer {
    /// A layer for an act without a resource, that answers with [`ProblemJson`].
    ///
    /// # Errors
    /// When the requirement names no act: it would be met without a grant.
    pub fn new(step_up: StepUp, requirement: CompiledRequirement) -> Result<Self, ConfigError> {
        if requirement.step_up().is_none() {
            return Err(ConfigError::Invalid {
                setting: "requirement",
                hint: "name the act, by Requirement::step_up; for a requirement without one there is RequireLayer",
            });
        }
        Ok(Self {
            step_up,
            requirement: Arc::new(requirement),
            resource: None,
            responder: ProblemJson,
        })
    }
}

impl<R> StepUpLayer<R> {
    /// What the act is done to, as the client names it when it steps up: the id in the path, mostly. Where the function finds none
    /// the request is refused, with 400.
    ///
    /// # Security
    /// It must find the same as the handler. In a router that is nested the path here is what the router hands on. A handler that
    /// takes the resource from the proof, and from nowhere else, cannot act on another.
    #[must_use]
    pub fn resource(
        mut self,
        of: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.resource = Some(Arc::new(of));
        self
    }

    /// The same with another body for refusals, such as [`Grpc`](crate::Grpc).
    #[must_use]
    pub fn responder<T>(self, responder: T) -> StepUpLayer<T> {
        StepUpLayer {
            step_up: self.step_up,
            requirement: self.requirement,
            resource: self.resource,
            responder,
        }
    }
}

impl<R> fmt::Debug for StepUpLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepUpLayer")
            .field("requirement", &self.requirement)
            .field("resource", &self.resource.is_some())
            .finish_non_exhaustive()
    }
}

impl<S, R: Clone> Layer<S> for StepUpLayer<R> {
    type Service = Guarded<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`StepUpLayer`] makes.
#[derive(Clone)]
pub struct Guarded<S, R = ProblemJson> {
    inner: S,
    layer: StepUpLayer<R>,
}

impl<S, R> fmt::Debug for Guarded<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

impl<S, R, B, C> Service<Request<B>> for Guarded<S, R>
where
    S: Service<Request<B>, Response = Response<C>> + Clone,
    R: Responder<C> + Clone,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request<B>, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let responder = &self.layer.responder;
        let (mut parts, body) = request.into_parts();
        // What poll_ready reserved in it (a permit, a slot) is used for this request, or given back.
        let service = take_ready(&mut self.inner);
        let Some(AuthContext(shared)) = parts.extensions.get::<AuthContext>().cloned() else {
            return ResponseFuture::refused(missing_layer::respond(responder));
        };
        match self.layer.ask(&parts) {
            Ok(decision) => {
                parts.headers.remove(&STEP_UP_HEADER);
                let request = Request::from_parts(parts, body);
                ResponseFuture::pending(decision, request, service, shared, responder.clone())
            }
            Err(rejection) => {
                let response = shared.refuse(responder, &rejection, &parts.headers);
                ResponseFuture::refused(response)
            }
        }
    }
}

impl<R> StepUpLayer<R> {
    fn ask(&self, parts: &Parts) -> Result<future::Redemption, Rejection> {
        let presented = presented_grant(&parts.headers)?;
        let resource = match &self.resource {
            Some(of) => Some(of(parts).ok_or(Rejection::invalid_request(Reason::GrantInvalid))?),
            None => None,
        };
        let principal = parts.extensions.get::<Principal>().cloned();
        let principal = principal.ok_or_else(Rejection::missing_credential)?;
        let (step_up, requirement) = (self.step_up.clone(), Arc::clone(&self.requirement));
        Ok(Box::pin(async move {
            let presented = presented.as_ref().map(Secret::expose);
            step_up
                .redeem_for(&requirement, &principal, resource.as_deref(), presented)
                .await
        }))
    }
}

/// The text of the grant in these headers, if there is one, for a handler that redeems it itself.
///
/// ```
/// use fountain_core::RejectionKind;
/// use fountain_tower::step_up::{STEP_UP_HEADER, presented_grant};
///
/// let mut request = http::Request::get("/").header(&STEP_UP_HEADER, "fsu1.a.1.b").body(())?;
/// let grant = presented_grant(request.headers())?.expect("one was sent");
/// assert_eq!(grant.expose(), "fsu1.a.1.b");
///
/// request.headers_mut().append(&STEP_UP_HEADER, http::HeaderValue::from_static("fsu1.c.1.d"));
/// let refused = presented_grant(request.headers()).unwrap_err();
/// assert_eq!(refused.kind(), &RejectionKind::InvalidRequest);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `InvalidRequest` when there is more than one, or one with bytes outside of printable ASCII.
pub fn presented_grant(headers: &HeaderMap) -> Result<Option<Secret>, Rejection> {
    let mut values = headers.get_all(&STEP_UP_HEADER).into_iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Rejection::invalid_request(Reason::CredentialAmbiguous));
    }
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(Rejection::invalid_request(Reason::GrantInvalid))?;
    Ok(Some(Secret::from(text.to_owned())))
}

/// Takes the proof that [`StepUpLayer`] left in a request's extensions: once, however often the request was cloned.
///
/// ```
/// // No StepUpLayer has seen this request.
/// let request = http::Request::new(());
/// assert!(fountain_tower::step_up::take_step_up(request.extensions()).is_none());
/// ```
#[must_use]
pub fn take_step_up(extensions: &Extensions) -> Option<SteppedUp> {
    extensions.get::<Slot>()?.take()
}

/// Whether a [`StepUpLayer`] ran, whoever has taken its proof since.
pub(crate) fn has_step_up(extensions: &Extensions) -> bool {
    extensions.get::<Slot>().is_some()
}

/// Extensions are cloned with their request, and a proof is not: whoever comes first takes it.
#[derive(Clone)]
struct Slot(Arc<Mutex<Option<SteppedUp>>>);

impl Slot {
    fn take(&self) -> Option<SteppedUp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Shared {
    /// Leaves the proof in the request, in place of any other.
    fn admit_stepped_up<B>(request: &mut Request<B>, proof: SteppedUp) {
        let slot = Slot(Arc::new(Mutex::new(Some(proof))));
        request.extensions_mut().insert(slot);
    }
}
