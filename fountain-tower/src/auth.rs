//! The authentication layer: a request's credential becomes a [`Principal`] once, before anything else sees it.
//!
//! In this order:
//!
//! 1. The credential is read from the headers, see [`credential`].
//! 2. The authenticator [recalls](Authenticator::recall) it, or verifies it within the
//!    [deadline](AuthLayerBuilder::deadline).
//! 3. The request loses every identity header (R-87) and every `Principal` that something put into its
//!    extensions before; `Authorization`, `X-API-Key` and `Fountain-Step-Up` are marked sensitive, so that no `Debug` shows them.
//! 4. The principal goes into the extensions and the request to the wrapped service; or the refusal is answered.
//!
//! What is refused never reaches the wrapped service. Whatever cannot be decided is refused: 503 with `Retry-After`.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use fountain_core::authenticate::{Authenticator, PresentedCredential};
use fountain_core::{Fountain, Principal, Rejection};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::Answers;
use crate::credential;
use crate::responder::{ProblemJson, Responder};

mod builder;
mod future;
mod pending;
mod shared;

pub use builder::AuthLayerBuilder;
pub use future::ResponseFuture;
pub(crate) use pending::{Decision, Pending};
pub(crate) use shared::{AuthContext, Shared};

pub(crate) static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Authenticates every request that passes. Cheap to clone.
///
/// The wrapped service finds the [`Principal`] in the request's extensions; with the feature `axum` a handler
/// takes [`Authenticated`](crate::axum::Authenticated).
///
/// ```
/// # use std::sync::Arc;
/// # use bytes::Bytes;
/// # use fountain_core::authenticate::{Authenticator, PresentedCredential};
/// # use fountain_core::identity::{Assurance, Credential, Grants, KeyId, PrincipalParts, Subject, Tenant};
/// # use fountain_core::{Principal, Reason, Rejection, Timestamp};
/// # #[derive(Debug)]
/// # struct OneKey(Principal);
/// # #[async_trait::async_trait]
/// # impl Authenticator for OneKey {
/// #     fn recall(&self, credential: &PresentedCredential<'_>) -> Option<Principal> {
/// #         (*credential == PresentedCredential::ApiKey("fnt_test_1")).then(|| self.0.clone())
/// #     }
/// #     async fn authenticate(&self, _: PresentedCredential<'_>) -> Result<Principal, Rejection> {
/// #         Err(Rejection::invalid_token(Reason::KeyUnknown))
/// #     }
/// # }
/// # if cfg!(not(feature = "tokio")) { return Ok(()); } // there is no timer then
/// # let authenticator = Arc::new(OneKey(Principal::new(PrincipalParts {
/// #     tenant: Tenant::default(),
/// #     subject: Subject::new("billing")?,
/// #     credential: Credential::ApiKey { id: KeyId::new("0123456789abcdef")? },
/// #     roles: vec![],
/// #     scopes: vec![],
/// #     grants: Grants::none(),
/// #     assurance: Assurance::default(),
/// #     expires_at: Timestamp::MAX,
/// #     superseded_at: None,
/// # })));
/// use fountain_tower::AuthLayer;
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let service = ServiceBuilder::new()
///     .layer(AuthLayer::builder(authenticator).realm("orders").build()?)
///     .service(service_fn(|request: Request<Bytes>| async move {
///         let principal = request.extensions().get::<Principal>().cloned();
///         let name = principal.map_or(String::new(), |p| p.subject().to_string());
///         Ok::<_, std::convert::Infallible>(Response::new(Bytes::from(name)))
///     }));
///
/// let good = Request::get("/").header("x-api-key", "fnt_test_1").body(Bytes::new())?;
/// assert_eq!(service.clone().oneshot(good).await?.body(), "billing");
///
/// let bad = Request::get("/").header("x-api-key", "fnt_test_2").body(Bytes::new())?;
/// let refused = service.clone().oneshot(bad).await?;
/// assert_eq!(refused.status(), 401);
/// assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"orders\", error=\"invalid_token\"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AuthLayer<R = ProblemJson> {
    shared: Arc<Shared>,
    responder: R,
    required: bool,
}

impl AuthLayer {
    /// Starts a layer in front of this [`Fountain`], with its roles, its clock and the brand of its keys.
    #[must_use]
    pub fn for_fountain(fountain: &Fountain) -> AuthLayerBuilder {
        AuthLayerBuilder::new(Arc::new(fountain.clone()))
            .roles(fountain.roles().clone())
            .clock(Arc::clone(fountain.clock()))
            .api_key_brand(fountain.api_keys().format().brand())
    }

    /// Starts a layer that asks an authenticator of the host's own, answers with [`ProblemJson`] and refuses who shows no credential.
    #[must_use]
    pub fn builder(authenticator: Arc<dyn Authenticator>) -> AuthLayerBuilder {
        AuthLayerBuilder::new(authenticator)
    }
}

impl<R> AuthLayer<R> {
    /// Lets requests without a credential pass, without a principal.
    ///
    /// Absent is not invalid: a credential that is malformed, misplaced, of another scheme or not good is refused as
    /// ever, and so is one that cannot be verified because a store does not answer.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// How this layer answers, for handlers that refuse by themselves.
    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.shared.answers
    }
}

impl<R> fmt::Debug for AuthLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("required", &self.required)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl<S, R: Clone> Layer<S> for AuthLayer<R> {
    type Service = Auth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`AuthLayer`] makes.
#[derive(Clone)]
pub struct Auth<S, R = ProblemJson> {
    inner: S,
    layer: AuthLayer<R>,
}

impl<S, R> fmt::Debug for Auth<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

impl<S, R, B, C> Service<Request<B>> for Auth<S, R>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = &self.layer.shared;
        let verdict = self.layer.decide(&request);
        shared.cleanse(&mut request);
        match verdict {
            // `self.inner` is the one that was polled ready: nothing is cloned, boxed or spawned.
            Verdict::Known(principal) => {
                let superseded_at = principal.superseded_at();
                shared.admit(&mut request, Some(principal));
                ResponseFuture::called(self.inner.call(request), superseded_at)
            }
            Verdict::Anonymous => {
                shared.admit(&mut request, None);
                ResponseFuture::called(self.inner.call(request), None)
            }
            Verdict::Ask(decision) => ResponseFuture::pending(Pending {
                decision,
                deadline: None,
                request,
                service: take_ready(&mut self.inner),
                shared: Arc::clone(shared),
                responder: self.layer.responder.clone(),
            }),
            Verdict::Refuse(rejection) => {
                let response = shared.refuse(&self.layer.responder, &rejection, request.headers());
                // What poll_ready reserved in it (a permit, a slot) is given back.
                drop(take_ready(&mut self.inner));
                ResponseFuture::refused(response)
            }
        }
    }
}

/// The service that was polled ready, with a clone left in its place: a clone is not ready (tower's contract).
pub(crate) fn take_ready<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    mem::replace(service, clone)
}

enum Verdict {
    Known(Principal),
    Anonymous,
    Ask(pending::Verification),
    Refuse(Rejection),
}

impl<R> AuthLayer<R> {
    fn decide<B>(&self, request: &Request<B>) -> Verdict {
        let shared = &self.shared;
        match shared.presented(request) {
            Ok(Some(credential)) => match shared.authenticator.recall(&credential) {
                Some(principal) => Verdict::Known(principal),
                None => Verdict::Ask(shared.verification(credential)),
            },
            Ok(None) if self.required => Verdict::Refuse(Rejection::missing_credential()),
            Ok(None) => Verdict::Anonymous,
            Err(rejection) => Verdict::Refuse(rejection),
        }
    }
}

impl Shared {
    #[inline]
    fn presented<'a, B>(
        &self,
        request: &'a Request<B>,
    ) -> Result<Option<PresentedCredential<'a>>, Rejection> {
        let headers = request.headers();
        let brand = self.brand.as_deref();
        let values = |name| {
            headers
                .get_all(name)
                .into_iter()
                .map(|value| value.as_bytes())
        };
        let found = credential::from_headers(values(&AUTHORIZATION), values(&X_API_KEY), brand)?;
        if found.is_none()
            && credential::is_misplaced(request.uri().query(), values(&COOKIE), brand)
        {
            return Err(credential::misplaced());
        }
        Ok(found)
    }
}
