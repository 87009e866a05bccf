//! Whether the service lives, whether it can work, and what it counted.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, FORWARDED};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::app::App;
use super::problem::Failure;

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "It lives")))]
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// The stores answer and a key can sign.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "It can work"), (status = 503, description = "A store does not answer")))]
pub(super) async fn ready(State(app): State<App>) -> Result<Response, Failure> {
    app.fountain().ready().await?;
    let fresh = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((fresh, Json(json!({ "status": "ready" }))).into_response())
}

/// What was counted, as Prometheus reads it; for a scraper on this machine.
///
/// A request that a proxy passed on comes from loopback, too, and is not from this machine: its headers tell.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Prometheus text"), (status = 403, description = "Not from loopback")))]
pub(super) async fn metrics(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let passed_on = headers.contains_key(FORWARDED) || headers.contains_key("x-forwarded-for");
    if passed_on || !peer.ip().to_canonical().is_loopback() {
        return Err(Failure::forbidden("Ask from the machine itself."));
    }
    let text = HeaderValue::from_static("text/plain; version=0.0.4");
    Ok(([(CONTENT_TYPE, text)], app.metrics().render()).into_response())
}
