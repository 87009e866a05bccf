//! Tokens: renewed, revoked, explained; and who the caller is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fountain_core::identity::{ClientId, Credential};
use fountain_core::token::{IssuedTokens, RefreshRequest};
use fountain_core::{Actor, Secret, Tenant};
use fountain_tower::axum::{Authenticated, Authorize};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Introspect;
use super::answer::private;
use super::app::App;
use super::login::Device;
use super::problem::{Body, Failure};

/// To which application the service issues tokens: itself.
pub(super) const CLIENT: &str = "fountain-service";

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresentedRefresh {
    refresh_token: String,
}

/// A token of either kind.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresentedToken {
    token: String,
}

/// A pair of tokens (RFC 6749 section 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct TokenPair {
    access_token: String,
    token_type: &'static str,
    /// Seconds until the access token ends.
    expires_in: u64,
    refresh_token: String,
    /// What it may do, if scopes narrow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl From<&IssuedTokens> for TokenPair {
    fn from(issued: &IssuedTokens) -> Self {
        let scopes = &issued.access.scopes;
        Self {
            access_token: issued.access.access_token.expose().to_owned(),
            token_type: "Bearer",
            expires_in: issued.access.expires_in.as_secs(),
            refresh_token: issued.refresh_token.expose().to_owned(),
            scope: (!scopes.is_empty()).then(|| scopes.join(" ")),
        }
    }
}

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhoAmI {
    subject: String,
    tenant: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    amr: Vec<String>,
    acr: Option<String>,
    credential: ShownCredential,
}

/// What the caller showed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownCredential {
    /// `api_key` or `access_token`.
    kind: &'static str,
    /// The key's public id, or the token's `jti`.
    id: Option<String>,
}

/// What a token is (RFC 7662 section 2.2). Of one that is not active it says nothing else.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "documents the answer, which Fountain's own type writes"
)]
pub(super) struct IntrospectionAnswer {
    active: bool,
    scope: Option<String>,
    client_id: Option<String>,
    token_type: Option<String>,
    exp: Option<i64>,
    iat: Option<i64>,
    sub: Option<String>,
    aud: Option<String>,
    iss: Option<String>,
    jti: Option<String>,
}

/// Replaces a refresh token and issues a new access token. A spent one that comes back ends its family.
#[utoipa::path(post, path = "/v1/token/refresh", tag = "tokens", request_body = PresentedRefresh,
    responses((status = 200, body = TokenPair), (status = 400), (status = 401, description = "invalid_grant"), (status = 422)))]
pub(super) async fn refresh(
    State(app): State<App>,
    device: Device,
    Body(presented): Body<PresentedRefresh>,
) -> Result<Response, Failure> {
    let token = Secret::from(presented.refresh_token);
    let mut request = RefreshRequest::new(token, ClientId::new(CLIENT)?);
    if let Some(token) = device.0 {
        request = request.device(token);
    }
    let issued = app.fountain().tokens().refresh(request).await?;
    Ok(private(StatusCode::OK, &TokenPair::from(&issued)))
}

/// Ends a token, and the family that it belongs to. What is not a token is no error (RFC 7009 section 2.2).
#[utoipa::path(post, path = "/v1/token/revoke", tag = "tokens", request_body = PresentedToken,
    responses((status = 200), (status = 400), (status = 422), (status = 503)))]
pub(super) async fn revoke(
    State(app): State<App>,
    Body(presented): Body<PresentedToken>,
) -> Result<Response, Failure> {
    let token = Secret::from(presented.token);
    app.fountain()
        .tokens()
        .revoke(&Actor::Anonymous, &Tenant::default(), token.expose())
        .await?;
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::OK, no_store).into_response())
}

/// What a token of the caller's tenant is.
#[utoipa::path(post, path = "/v1/token/introspect", tag = "tokens", request_body = PresentedToken,
    responses((status = 200, body = IntrospectionAnswer), (status = 401), (status = 403), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn introspect(
    State(app): State<App>,
    Authorize(proof): Authorize<Introspect>,
    Body(presented): Body<PresentedToken>,
) -> Result<Response, Failure> {
    let token = Secret::from(presented.token);
    let tenant = proof.principal().tenant();
    let found = app
        .fountain()
        .tokens()
        .introspect(tenant, token.expose())
        .await?;
    Ok(private(StatusCode::OK, &found))
}

/// Who the caller is.
#[utoipa::path(get, path = "/v1/whoami", tag = "tokens",
    responses((status = 200, body = WhoAmI), (status = 401)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn whoami(Authenticated(principal): Authenticated) -> Json<WhoAmI> {
    let credential = match principal.credential() {
        Credential::ApiKey { id } => ShownCredential {
            kind: "api_key",
            id: Some(id.to_string()),
        },
        Credential::AccessToken { id, .. } => ShownCredential {
            kind: "access_token",
            id: Some(id.to_string()),
        },
        _ => ShownCredential {
            kind: "other",
            id: None,
        },
    };
    let assurance = principal.assurance();
    Json(WhoAmI {
        subject: principal.subject().to_string(),
        tenant: principal.tenant().to_string(),
        roles: principal.roles().to_vec(),
        scopes: principal.scopes().to_vec(),
        amr: assurance.amr.clone(),
        acr: assurance.acr.clone(),
        credential,
    })
}
