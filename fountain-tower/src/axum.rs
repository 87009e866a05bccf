//! Extractors for axum 0.8.
//!
//! | a handler takes | and gets |
//! |---|---|
//! | [`Authenticated`] | the principal, or 401 where authentication is optional and absent |
//! | `Option<Authenticated>` | `None` where it is absent; never where it is invalid, which the layer refuses |
//! | [`Authorize<R>`] | the witness that `R` is met, or 401 or 403 |
//! | [`TakenStepUp`] | the proof that a grant was spent, from a [`StepUpLayer`](crate::StepUpLayer) |
//! | [`PresentedGrant`] | the text of a grant, for a handler that spends it itself |
//! | [`Answers`] | how to refuse by itself, in the same form |
//!
//! Without an [`AuthLayer`](crate::AuthLayer) around the route each of them answers 500, and says so in the log once.

use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use fountain_core::access::{Authorized, Require, SteppedUp};
use fountain_core::signing::Keyring;
use fountain_core::{Principal, Rejection, Secret};
use http::request::Parts;

use crate::answer::Answers;
use crate::auth::{AuthContext, Shared};
use crate::jwks::JwksService;
use crate::missing_layer;
use crate::responder::{ProblemJson, Responder};
use crate::step_up::{presented_grant, take_step_up};
use crate::witness::{Unmet, judge};

/// The principal of the request.
///
/// ```
/// use fountain_tower::axum::Authenticated;
///
/// async fn whoami(Authenticated(principal): Authenticated) -> String {
///     principal.subject().to_string()
/// }
///
/// async fn greet(caller: Option<Authenticated>) -> String {
///     match caller {
///         Some(Authenticated(principal)) => format!("hello {}", principal.subject()),
///         None => "hello".to_owned(),
///     }
/// }
/// # let _: axum::Router = axum::Router::new()
/// #     .route("/whoami", axum::routing::get(whoami))
/// #     .route("/", axum::routing::get(greet));
/// ```
#[derive(Debug, Clone)]
pub struct Authenticated(pub Principal);

/// The witness that the request's principal meets the requirement `R` (L-05).
///
/// The layer needs the catalogue for it: [`AuthLayerBuilder::roles`](crate::auth::AuthLayerBuilder::roles).
///
/// ```
/// use fountain_core::access::{Authorized, Require, Requirement};
/// use fountain_tower::axum::Authorize;
///
/// struct RotateKeys;
///
/// impl Require for RotateKeys {
///     fn requirement() -> Requirement {
///         Requirement::permission("keys:rotate")
///     }
/// }
///
/// fn rotate(by: &Authorized<RotateKeys>) -> String {
///     format!("rotated by {}", by.principal().subject())
/// }
///
/// async fn handler(Authorize(proof): Authorize<RotateKeys>) -> String {
///     rotate(&proof)
/// }
/// # let _: axum::Router = axum::Router::new().route("/rotate", axum::routing::post(handler));
/// ```
#[derive(Debug, Clone)]
pub struct Authorize<R>(pub Authorized<R>);

/// The proof that a [`StepUpLayer`](crate::StepUpLayer) has spent a grant for the act of this request (L-06): taken once, moved on to
/// what does the act.
///
/// For an act with a requirement by type take [`Authorize`]: it uses the proof up.
///
/// ```
/// use fountain_core::access::SteppedUp;
/// use fountain_tower::axum::TakenStepUp;
///
/// fn remove(proof: SteppedUp) -> String {
///     format!("{} removed {:?}", proof.subject(), proof.resource())
/// }
///
/// async fn handler(TakenStepUp(proof): TakenStepUp) -> String {
///     remove(proof)
/// }
/// # let _: axum::Router = axum::Router::new().route("/factors/{id}", axum::routing::delete(handler));
/// ```
#[derive(Debug)]
pub struct TakenStepUp(pub SteppedUp);

/// The text in `Fountain-Step-Up`, if there is one, for a handler that knows only by itself what is acted on. Give it to
/// [`StepUp::authorize`](fountain_core::otp::StepUp::authorize), which spends it.
///
/// ```
/// use fountain_core::access::{Require, Requirement, RoleCatalog};
/// use fountain_core::otp::StepUp;
/// use fountain_tower::axum::{Authenticated, PresentedGrant};
/// use fountain_tower::{Answers, ProblemJson};
///
/// struct RotateKeys;
/// impl Require for RotateKeys {
///     fn requirement() -> Requirement {
///         Requirement::permission("keys:rotate").step_up("keys:rotate")
///     }
/// }
///
/// async fn rotate(
///     step_up: &StepUp,
///     roles: &RoleCatalog,
///     answers: Answers,
///     Authenticated(principal): Authenticated,
///     grant: PresentedGrant,
///     id: &str,
/// ) -> axum::response::Response {
///     let proof = step_up.authorize::<RotateKeys>(roles, principal, Some(id), grant.text()).await;
///     match proof {
///         Ok(_proof) => axum::response::IntoResponse::into_response("rotated"),
///         Err(refused) => answers.respond(&ProblemJson, &refused, None),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct PresentedGrant(Option<Secret>);

impl PresentedGrant {
    /// The text as it came; none where the request has no such header.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.0.as_ref().map(Secret::expose)
    }
}

/// The answer to a request that an extractor refused.
#[derive(Debug)]
pub struct Refused(Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let shared = context(parts)?;
        match principal(parts) {
            Some(principal) => Ok(Self(principal)),
            None => Err(refuse(shared, parts, &Rejection::missing_credential())),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Authenticated {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refused> {
        context(parts)?;
        Ok(principal(parts).map(Self))
    }
}

impl<S: Sync, R: Require> FromRequestParts<S> for Authorize<R> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        judge(&parts.extensions).map(Self).map_err(|unmet| {
            match unmet {
                Unmet::Refused(shared, rejection) => {
                    shared.respond(&ProblemJson, &rejection, &parts.headers)
                }
                Unmet::NoLayer => missing_layer::respond::<Body>(&ProblemJson),
                Unmet::NoCatalog(shared) => {
                    missing_layer::say_no_catalog();
                    let refusal = shared.answers.misconfigured(missing_layer::NO_CATALOG);
                    ProblemJson.respond(&refusal)
                }
            }
            .into()
        })
    }
}

impl<S: Sync> FromRequestParts<S> for TakenStepUp {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let shared = context(parts)?;
        take_step_up(&parts.extensions).map(Self).ok_or_else(|| {
            tracing::error!("{}", missing_layer::NO_STEP_UP_LAYER);
            let refusal = shared
                .answers
                .misconfigured(missing_layer::NO_STEP_UP_LAYER);
            ProblemJson.respond(&refusal).into()
        })
    }
}

impl<S: Sync> FromRequestParts<S> for PresentedGrant {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let shared = context(parts)?;
        presented_grant(&parts.headers)
            .map(Self)
            .map_err(|rejection| refuse(shared, parts, &rejection))
    }
}

impl<S: Sync> FromRequestParts<S> for Answers {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        context(parts).map(|shared| shared.answers.clone())
    }
}

/// The service that publishes a ring's public keys, for `route_service`. It belongs outside of authentication.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::signing::Keyring;
///
/// fn public(keyring: Arc<Keyring>) -> axum::Router {
///     axum::Router::new().route_service("/.well-known/jwks.json", fountain_tower::axum::jwks(keyring))
/// }
/// ```
#[must_use]
pub fn jwks(keyring: Arc<Keyring>) -> JwksService<Body> {
    JwksService::new(keyring)
}

fn context(parts: &Parts) -> Result<&Shared, Refused> {
    match parts.extensions.get::<AuthContext>() {
        Some(AuthContext(shared)) => Ok(shared),
        None => Err(missing_layer::respond::<Body>(&ProblemJson).into()),
    }
}

fn principal(parts: &Parts) -> Option<Principal> {
    parts.extensions.get::<Principal>().cloned()
}

fn refuse(shared: &Shared, parts: &Parts, rejection: &Rejection) -> Refused {
    shared
        .refuse::<Body>(&ProblemJson, rejection, &parts.headers)
        .into()
}
