//! API keys: issued, shown once, listed without their text, rotated with overlap, revoked.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fountain_core::api_key::{ApiKeyRecord, KeyCursor, KeyVerdict, NewApiKey, Rotation};
use fountain_core::identity::{Credential, KeyId};
use fountain_core::{Fountain, Timestamp};
use fountain_tower::axum::{Authenticated, Authorize, PresentedGrant};
use http::StatusCode;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{ManageKeys, RotateKey, VerifyKeys};
use super::answer::{List, Page, private, time};
use super::app::App;
use super::duration;
use super::problem::{Body, Failure, OptionalBody, Parameters, Segment};

/// What a new key shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// The service that the key speaks for, 1 to 128 bytes.
    name: String,
    /// What it may do; at most what the caller may.
    scopes: Vec<String>,
    /// How long it works, such as `30d`; 90 days unless given.
    expires_in: Option<String>,
    #[serde(default)]
    #[schema(ignore)]
    rotate_every: Option<IgnoredAny>,
    #[serde(default)]
    #[schema(ignore)]
    overlap: Option<IgnoredAny>,
}

/// A key, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssuedKey {
    /// Its public id.
    id: String,
    /// The key itself.
    key: String,
    /// How its text begins, for recognising it.
    prefix: String,
    /// When it ends, RFC 3339.
    expires_at: String,
}

/// How to rotate.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateRequest {
    /// How long both keys work, such as `1h`; at most 24 h, which is the default.
    overlap: Option<String>,
}

/// The successor, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RotatedKey {
    #[serde(flatten)]
    issued: IssuedKey,
    /// The key that it replaces.
    previous: String,
    /// From when on that one does not work, RFC 3339.
    previous_valid_until: String,
}

/// What is known of a key: never its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Key {
    id: String,
    name: String,
    owner: String,
    prefix: String,
    scopes: Vec<String>,
    created_at: String,
    not_before: String,
    expires_at: String,
    disabled_at: Option<String>,
    revoked_at: Option<String>,
    superseded_at: Option<String>,
    predecessor: Option<String>,
    successor: Option<String>,
    last_used_at: Option<String>,
}

/// A key to ask about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresentedKey {
    /// Its text.
    key: String,
}

/// Whether a key is good.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verdict {
    valid: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
}

/// Issues a key. Its text is in this answer, and nowhere else afterwards.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = NewKey,
    responses((status = 201, body = IssuedKey), (status = 401), (status = 403), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn issue(
    State(app): State<App>,
    Authorize(proof): Authorize<ManageKeys>,
    Body(new): Body<NewKey>,
) -> Result<Response, Failure> {
    if new.rotate_every.is_some() || new.overlap.is_some() {
        return Err(Failure::unprocessable(
            "rotate_every and overlap are not taken: no schedule rotates keys yet; call rotate",
        ));
    }
    let mut key = NewApiKey::for_service(new.name).scopes(new.scopes);
    if let Some(life) = new.expires_in {
        key = key.expires_in(read_duration("expires_in", &life)?);
    }
    let by = proof.principal();
    let issued = app
        .fountain()
        .api_keys()
        .issue(by, by.tenant(), key)
        .await?;
    let shown = shown_once(app.fountain(), &issued.record, issued.key.expose());
    Ok(private(StatusCode::CREATED, &shown))
}

/// The keys of the caller's tenant, oldest first.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(Page),
    responses((status = 200, body = List<Key>), (status = 401), (status = 403), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    Authorize(proof): Authorize<ManageKeys>,
    Parameters(page): Parameters<Page>,
) -> Result<Json<List<Key>>, Failure> {
    let after = page.after.as_deref().map(read_cursor).transpose()?;
    let found = app
        .fountain()
        .api_keys()
        .list(proof.principal().tenant(), after.as_ref(), page.limit()?)
        .await?;
    Ok(Json(List {
        items: found
            .items
            .iter()
            .map(|record| describe(app.fountain(), record))
            .collect(),
        next: found.next.as_ref().map(write_cursor),
    }))
}

/// One key.
#[utoipa::path(get, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 200, body = Key), (status = 401), (status = 403), (status = 404)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn show(
    State(app): State<App>,
    Authorize(proof): Authorize<ManageKeys>,
    Segment(id): Segment,
) -> Result<Json<Key>, Failure> {
    let found = app
        .fountain()
        .api_keys()
        .find(proof.principal().tenant(), &key_id(&id)?)
        .await?;
    let record = found.ok_or_else(Failure::not_found)?;
    Ok(Json(describe(app.fountain(), &record)))
}

/// Replaces a key by one with the same rights; both work until the overlap ends.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", tag = "keys", params(("id" = String, Path)),
    request_body = Option<RotateRequest>,
    responses((status = 200, body = RotatedKey), (status = 401, description = "Step-up is needed"), (status = 403),
        (status = 404), (status = 409, description = "It has a successor, or has ended"), (status = 422)),
    security(("bearer" = [])))]
pub(super) async fn rotate(
    State(app): State<App>,
    Authenticated(principal): Authenticated,
    Segment(id): Segment,
    grant: PresentedGrant,
    body: Result<OptionalBody<RotateRequest>, Failure>,
) -> Result<Response, Failure> {
    // Before the body is judged: who may not do it learns nothing of how it is done. And no grant is spent on a bad body.
    app.may::<ManageKeys>(principal.clone())?;
    let OptionalBody(request) = body?;
    let mut rotation = Rotation::new();
    if let Some(overlap) = request.overlap {
        rotation = rotation.overlap(read_duration("overlap", &overlap)?);
    }
    let proof = app
        .permit::<RotateKey>(principal, Some(&id), &grant)
        .await?;
    let by = proof.principal();
    let rotated = app
        .fountain()
        .api_keys()
        .rotate(by, by.tenant(), &key_id(&id)?, rotation)
        .await?;
    let shown = RotatedKey {
        issued: shown_once(app.fountain(), &rotated.record, rotated.key.expose()),
        previous: rotated.previous.to_string(),
        previous_valid_until: rotated.previous_valid_until.to_string(),
    };
    Ok(private(StatusCode::OK, &shown))
}

/// Ends a key for good. Again is no error.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn revoke(
    State(app): State<App>,
    Authorize(proof): Authorize<ManageKeys>,
    Segment(id): Segment,
) -> Result<Response, Failure> {
    let by = proof.principal();
    app.fountain()
        .api_keys()
        .revoke(by, by.tenant(), &key_id(&id)?)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Whether a key of the caller's tenant is good, for a service that receives one.
#[utoipa::path(post, path = "/v1/keys/verify", tag = "keys", request_body = PresentedKey,
    responses((status = 200, body = Verdict), (status = 401), (status = 403), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn verify(
    State(app): State<App>,
    Authorize(proof): Authorize<VerifyKeys>,
    Body(presented): Body<PresentedKey>,
) -> Result<Response, Failure> {
    let tenant = proof.principal().tenant();
    let verdict = app
        .fountain()
        .api_keys()
        .verify_in(tenant, &presented.key)
        .await?;
    let reason = verdict.reason().map(|reason| reason.as_str());
    let principal = match verdict {
        KeyVerdict::Accepted(principal) => Some(principal),
        _ => None,
    };
    let answer = Verdict {
        valid: principal.is_some(),
        reason,
        id: principal
            .as_ref()
            .and_then(|principal| match principal.credential() {
                Credential::ApiKey { id } => Some(id.to_string()),
                _ => None,
            }),
        scopes: principal
            .as_ref()
            .map(|principal| principal.scopes().to_vec()),
    };
    Ok(private(StatusCode::OK, &answer))
}

fn shown_once(fountain: &Fountain, record: &ApiKeyRecord, key: &str) -> IssuedKey {
    IssuedKey {
        id: record.id.to_string(),
        key: key.to_owned(),
        prefix: prefix(fountain, record),
        expires_at: record.expires_at.to_string(),
    }
}

fn describe(fountain: &Fountain, record: &ApiKeyRecord) -> Key {
    Key {
        id: record.id.to_string(),
        name: record.name.clone(),
        owner: record.owner.to_string(),
        prefix: prefix(fountain, record),
        scopes: record.scopes.iter().map(ToString::to_string).collect(),
        created_at: record.created_at.to_string(),
        not_before: record.not_before.to_string(),
        expires_at: record.expires_at.to_string(),
        disabled_at: time(record.disabled_at),
        revoked_at: time(record.revoked_at),
        superseded_at: time(record.superseded_at),
        predecessor: record.predecessor.as_ref().map(ToString::to_string),
        successor: record.successor.as_ref().map(ToString::to_string),
        last_used_at: time(record.last_used_at),
    }
}

/// Brand, environment and id: the part of a key's text that is no secret.
fn prefix(fountain: &Fountain, record: &ApiKeyRecord) -> String {
    let brand = fountain.api_keys().format().brand();
    format!("{brand}_{}_{}", record.environment, record.id)
}

/// What is not the form of an id is the id of nothing.
fn key_id(text: &str) -> Result<KeyId, Failure> {
    KeyId::new(text).map_err(|_| Failure::not_found())
}

fn read_duration(field: &'static str, text: &str) -> Result<Duration, Failure> {
    duration::parse(text)
        .map_err(|problem| Failure::unprocessable(format!("{field} is not valid: {problem}")))
}

fn write_cursor(cursor: &KeyCursor) -> String {
    format!("{}.{}", cursor.created_at.as_unix_micros(), cursor.id)
}

fn read_cursor(text: &str) -> Result<KeyCursor, Failure> {
    let parts = || {
        let (micros, id) = text.split_once('.')?;
        Some(KeyCursor {
            created_at: Timestamp::from_unix_micros(micros.parse().ok()?),
            id: KeyId::new(id).ok()?,
        })
    };
    parts().ok_or_else(|| Failure::unprocessable("after is what a page gave as next"))
}
