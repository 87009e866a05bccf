//! A protected resource to try things on. It stores nothing.

use axum::Json;
use axum::extract::State;
use fountain_core::Principal;
use fountain_tower::axum::Authenticated;
use http::{Method, Uri};
use serde_json::{Value, json};

use super::access::{ReadOrders, WriteOrders};
use super::app::App;
use super::problem::Failure;

/// Any method on `/demo/orders` and below.
#[utoipa::path(get, post, put, patch, delete, path = "/demo/orders", tag = "demo",
    responses((status = 200, description = "What was asked, and by whom"), (status = 401), (status = 403)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn orders(
    State(app): State<App>,
    Authenticated(principal): Authenticated,
    method: Method,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    let principal = admit(&app, principal, &method)?;
    Ok(Json(json!({
        "method": method.as_str(),
        "path": uri.path(),
        "for": principal.subject(),
    })))
}

/// What reads needs one scope, everything else the other: a method that nobody thought of counts as writing.
fn admit(app: &App, principal: Principal, method: &Method) -> Result<Principal, Failure> {
    if matches!(*method, Method::GET | Method::HEAD) {
        let proof = app.may::<ReadOrders>(principal)?;
        Ok(proof.into_principal())
    } else {
        let proof = app.may::<WriteOrders>(principal)?;
        Ok(proof.into_principal())
    }
}
