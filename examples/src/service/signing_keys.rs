//! Signing keys: followed by a new one, or ended at once.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fountain_core::identity::Kid;
use fountain_core::signing::Rotation;
use fountain_tower::axum::{Authenticated, PresentedGrant};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{DeleteSigningKeys, RotateSigningKeys};
use super::app::App;
use super::problem::{Failure, Segment};

/// Which key follows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NextSigningKey {
    /// Its id.
    kid: String,
    /// When it may begin to sign; absent when an earlier call had published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    activate_from: Option<String>,
}

/// Publishes the next signing key; it signs as soon as every verifier can have it.
#[utoipa::path(post, path = "/v1/signing-keys/rotate", tag = "signing keys",
    responses((status = 200, body = NextSigningKey), (status = 401, description = "Step-up is needed"), (status = 403)),
    security(("bearer" = [])))]
pub(super) async fn rotate(
    State(app): State<App>,
    Authenticated(principal): Authenticated,
    grant: PresentedGrant,
) -> Result<Json<NextSigningKey>, Failure> {
    let proof = app
        .permit::<RotateSigningKeys>(principal, None, &grant)
        .await?;
    let rotation = app
        .fountain()
        .keyring()
        .rotate(proof.principal().actor())
        .await?;
    let (kid, activate_from) = match rotation {
        Rotation::Published { kid, activate_from } => (kid, Some(activate_from.to_string())),
        Rotation::AlreadyRotated { kid } => (kid, None),
        _ => return Err(Failure::unprocessable("unknown outcome of a rotation")),
    };
    Ok(Json(NextSigningKey {
        kid: kid.to_string(),
        activate_from,
    }))
}

/// Ends a signing key at once, with every token that it signed: for an emergency.
#[utoipa::path(delete, path = "/v1/signing-keys/{kid}", tag = "signing keys", params(("kid" = String, Path)),
    responses((status = 204), (status = 401, description = "Step-up is needed"), (status = 403), (status = 404)),
    security(("bearer" = [])))]
pub(super) async fn revoke(
    State(app): State<App>,
    Authenticated(principal): Authenticated,
    Segment(kid): Segment,
    grant: PresentedGrant,
) -> Result<Response, Failure> {
    let proof = app
        .permit::<DeleteSigningKeys>(principal, Some(&kid), &grant)
        .await?;
    let kid = Kid::new(kid).map_err(|_| Failure::not_found())?;
    app.fountain()
        .keyring()
        .revoke(&kid, proof.principal().actor(), "asked for over HTTP")
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
