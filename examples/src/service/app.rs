//! The routes, and what lies around all of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::{Next, from_fn, map_request, map_response};
use axum::response::Response;
use axum::routing::{any, delete, get, get_service, post};
use fountain_core::access::{Authorized, Require, StepUpAction, SteppedUp};
use fountain_core::login::SignIn;
use fountain_core::metrics::{Outcomes, REQUESTS_REFUSED};
use fountain_core::{ConfigErrors, Fountain, OsRandom, Principal, Rejection};
use fountain_tower::AuthLayer;
use fountain_tower::axum::PresentedGrant;
use fountain_tower::stack::RequestIds;
use http::{HeaderName, HeaderValue, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

use super::problem::Failure;
use super::{
    audit, dev, factors, health, keys, login, openapi, orders, page, signing_keys, step_up,
    subjects, tokens,
};

/// The largest body that is read: 64 KiB.
pub(super) const MAX_BODY: usize = 64 * 1024;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What every handler can reach.
#[derive(Debug, Clone)]
pub(super) struct App(Arc<Inner>);

struct Inner {
    fountain: Fountain,
    sign_in: SignIn,
    metrics: PrometheusHandle,
    refusals: Outcomes,
    dev: bool,
    patience: Duration,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("dev", &self.dev)
            .finish_non_exhaustive()
    }
}

impl App {
    pub(super) fn new(
        fountain: Fountain,
        sign_in: SignIn,
        metrics: PrometheusHandle,
        dev: bool,
        patience: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            fountain,
            sign_in,
            metrics,
            refusals: Outcomes::new(REQUESTS_REFUSED),
            dev,
            patience,
        }))
    }

    pub(super) fn fountain(&self) -> &Fountain {
        &self.0.fountain
    }

    pub(super) fn sign_in(&self) -> &SignIn {
        &self.0.sign_in
    }

    pub(super) fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }

    pub(super) fn is_dev(&self) -> bool {
        self.0.dev
    }

    /// How long a client may take to send a body.
    pub(super) fn patience(&self) -> Duration {
        self.0.patience
    }

    /// The proof that `principal` may do what `R` says, which takes no step-up.
    pub(super) fn may<R: Require>(&self, principal: Principal) -> Result<Authorized<R>, Failure> {
        self.fountain()
            .authorize::<R>(principal)
            .map_err(|rejection| self.refused(rejection))
    }

    /// The proof that `principal` may do what `R` says to `resource`, for which its grant is spent.
    pub(super) async fn permit<R: Require>(
        &self,
        principal: Principal,
        resource: Option<&str>,
        grant: &PresentedGrant,
    ) -> Result<Authorized<R>, Failure> {
        let roles = self.fountain().roles();
        let step_up = self.sign_in().step_up();
        step_up
            .authorize::<R>(roles, principal, resource, grant.text())
            .await
            .map_err(|rejection| self.refused(rejection))
    }

    /// The proof of a step-up for this act, if there is a grant for one: whether one is needed, who does the act decides.
    pub(super) async fn redeem(
        &self,
        principal: &Principal,
        action: &'static str,
        resource: Option<&str>,
        grant: &PresentedGrant,
    ) -> Result<Option<SteppedUp>, Failure> {
        let Some(presented) = grant.text() else {
            return Ok(None);
        };
        let action = StepUpAction::new(action)?;
        let step_up = self.sign_in().step_up();
        step_up
            .redeem(principal, &action, resource, Some(presented))
            .await
            .map(Some)
            .map_err(|rejection| self.refused(rejection))
    }

    fn refused(&self, rejection: Rejection) -> Failure {
        self.0.refusals.refused(rejection.reason());
        rejection.into()
    }
}

/// The whole service: what anyone may call, what needs a credential, and around both the request id and the log.
pub(super) fn router(app: App) -> Result<Router, ConfigErrors> {
    let auth = AuthLayer::for_fountain(app.fountain()).build()?;
    let jwks = fountain_tower::axum::jwks(app.fountain().keyring().clone());
    let public = Router::new()
        .route("/", get(page::html))
        .route("/page.js", get(page::script))
        .route("/page.css", get(page::style))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::document))
        .route("/.well-known/jwks.json", get_service(jwks))
        .route("/v1/login", post(login::login))
        .route("/v1/login/second-factor", post(login::second_factor))
        .route("/v1/token/refresh", post(tokens::refresh))
        .route("/v1/token/revoke", post(tokens::revoke));
    let mut protected = Router::new()
        .route("/v1/token/introspect", post(tokens::introspect))
        .route("/v1/whoami", get(tokens::whoami))
        .route("/v1/factors", get(factors::list))
        .route("/v1/factors/totp", post(factors::enrol_totp))
        .route("/v1/factors/totp/confirm", post(factors::confirm_totp))
        .route("/v1/factors/codes", post(factors::send_code))
        .route("/v1/factors/codes/confirm", post(factors::confirm_address))
        .route("/v1/factors/recovery", post(factors::recovery))
        .route("/v1/factors/{id}", delete(factors::remove))
        .route("/v1/step-up", post(step_up::step_up))
        .route("/v1/keys", post(keys::issue).get(keys::list))
        .route("/v1/keys/verify", post(keys::verify))
        .route("/v1/keys/{id}", get(keys::show).delete(keys::revoke))
        .route("/v1/keys/{id}/rotate", post(keys::rotate))
        .route("/v1/signing-keys/rotate", post(signing_keys::rotate))
        .route("/v1/signing-keys/{kid}", delete(signing_keys::revoke))
        .route("/v1/subjects", post(subjects::register))
        .route("/v1/subjects/{id}/unlock", post(subjects::unlock))
        .route("/v1/audit", get(audit::page))
        .route("/demo/orders", any(orders::orders))
        .route("/demo/orders/{*rest}", any(orders::orders));
    if app.is_dev() {
        protected = protected.route("/v1/dev/subjects/{id}", post(dev::change_subject));
    }
    Ok(Router::new()
        .merge(public)
        .merge(
            protected
                .route_layer(auth)
                .route_layer(map_response(not_stored)),
        )
        .fallback(async || Failure::not_found())
        .method_not_allowed_fallback(async || Failure::method_not_allowed())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(log))
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
            header::COOKIE,
            X_API_KEY.clone(),
        ]))
        .layer(PropagateRequestIdLayer::new(X_REQUEST_ID.clone()))
        .layer(SetRequestIdLayer::new(
            X_REQUEST_ID.clone(),
            RequestIds::new(Arc::new(OsRandom)),
        ))
        .layer(map_request(drop_odd_ids))
        .with_state(app))
}

/// A client may name its request, in up to 128 characters that stand in a log as they are; else it gets an id (B-70).
async fn drop_odd_ids(mut request: Request) -> Request {
    let mut ids = request.headers().get_all(&X_REQUEST_ID).iter();
    let harmless = |id: &HeaderValue| {
        (1..=128).contains(&id.len())
            && id
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._~:/+=-".contains(byte))
    };
    if !ids.next().is_none_or(harmless) || ids.next().is_some() {
        request.headers_mut().remove(&X_REQUEST_ID);
    }
    request
}

/// Answers to who showed a credential are nobody else's. A cache knows that of `Authorization` (RFC 9111 section 3.5),
/// and not of `X-API-Key`.
async fn not_stored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// One line per request: the route and not the path, since a path or a query can hold what somebody pasted there.
async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = request.headers().get(&X_REQUEST_ID).cloned();
    let response = next.run(request).await;
    tracing::info!(
        %method,
        route = route.as_ref().map_or("none", MatchedPath::as_str),
        status = response.status().as_u16(),
        request_id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or(""),
        "answered"
    );
    response
}
