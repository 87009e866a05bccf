//! Whether the service lives, whether it can work, and what it counted.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, FORWARDED, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};
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
/// A request that a proxy passed on comes from loopback, too, and is not from this machine: its headers tell. A proxy
/// that adds none must not pass this path on.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Prometheus text"), (status = 403, description = "Not from loopback")))]
pub(super) async fn metrics(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if !is_local(peer, &headers) {
        return Err(Failure::forbidden("Ask from the machine itself."));
    }
    let text = HeaderValue::from_static("text/plain; version=0.0.4");
    Ok(([(CONTENT_TYPE, text)], app.metrics().render()).into_response())
}

/// By which a proxy on this machine would tell that it is one.
static OF_PROXIES: [HeaderName; 6] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

fn is_local(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let passed_on = OF_PROXIES.iter().any(|name| headers.contains_key(name));
    peer.ip().to_canonical().is_loopback() && !passed_on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_peer_on_loopback_is_local_however_its_address_is_written() {
        let is_local = |peer: &str| is_local(peer.parse().unwrap(), &HeaderMap::new());
        for peer in [
            "127.0.0.1:9",
            "127.8.0.1:9",
            "[::1]:9",
            "[::ffff:127.0.0.1]:9",
        ] {
            assert!(is_local(peer), "{peer}");
        }
        for peer in [
            "192.0.2.1:9",
            "10.0.0.1:9",
            "[2001:db8::1]:9",
            "[::ffff:192.0.2.1]:9",
            "0.0.0.0:9",
        ] {
            assert!(!is_local(peer), "{peer}");
        }
    }

    #[test]
    fn what_a_proxy_passed_on_is_not_local() {
        let peer = "127.0.0.1:9".parse().unwrap();
        for name in &OF_PROXIES {
            let headers = [(name.clone(), HeaderValue::from_static("x"))]
                .into_iter()
                .collect();
            assert!(!is_local(peer, &headers), "{headers:?}");
        }
    }
}
