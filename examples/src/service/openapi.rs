//! The OpenAPI 3.1 document, made from the handlers.

use axum::Json;
use axum::extract::State;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::app::App;
use super::{
    audit, dev, factors, health, keys, login, orders, signing_keys, step_up, subjects, tokens,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fountain's reference service",
        description = "Errors are application/problem+json (RFC 9457). Every answer carries X-Request-Id."
    ),
    paths(
        health::alive, health::ready, health::metrics, document, jwks,
        tokens::refresh, tokens::revoke, tokens::introspect, tokens::whoami,
        keys::issue, keys::list, keys::show, keys::rotate, keys::revoke, keys::verify,
        signing_keys::rotate, signing_keys::revoke, subjects::register, audit::page, orders::orders,
        subjects::unlock, login::login, login::second_factor,
        factors::list, factors::enrol_totp, factors::confirm_totp, factors::send_code, factors::confirm_address,
        factors::recovery, factors::remove, step_up::step_up,
        dev::change_subject,
    ),
    modifiers(&Credentials)
)]
struct Document;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A JWT or an API key"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(key));
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn document(State(app): State<App>) -> Json<utoipa::openapi::OpenApi> {
    let mut document = Document::openapi();
    if !app.is_dev() {
        document.paths.paths.remove("/v1/dev/subjects/{id}");
    }
    Json(document)
}

/// The public signing keys.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "operation",
    responses((status = 200, description = "JWK set, with ETag and Cache-Control"), (status = 304), (status = 503)))]
#[expect(dead_code, reason = "describes the route that fountain-tower serves")]
fn jwks() {}
