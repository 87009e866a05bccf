//! A development aid, mounted under `--dev` only: what an administrator changes of a subject, for which the contract has no call.

use axum::extract::State;
use axum::response::Response;
use fountain_core::Subject;
use fountain_tower::axum::Authorize;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::ManageSubjects;
use super::answer::private;
use super::app::App;
use super::problem::{Body, Failure, Segment};

/// What to change of a subject; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectChange {
    /// All of its roles from now on.
    roles: Option<Vec<String>>,
    /// Whether it may sign in.
    enabled: Option<bool>,
}

/// The subject, changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedSubject {
    id: String,
    roles: Vec<String>,
    enabled: bool,
}

/// Changes a subject's roles, or disables or enables it. What it was issued before is revoked. Only under `--dev`.
#[utoipa::path(post, path = "/v1/dev/subjects/{id}", tag = "development", request_body = SubjectChange,
    params(("id" = String, Path)),
    responses((status = 200, body = ChangedSubject), (status = 401), (status = 403), (status = 404), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn change_subject(
    State(app): State<App>,
    Authorize(proof): Authorize<ManageSubjects>,
    Segment(id): Segment,
    Body(change): Body<SubjectChange>,
) -> Result<Response, Failure> {
    let (by, subjects) = (proof.principal(), app.fountain().subjects());
    let subject = Subject::new(id).map_err(|_| Failure::not_found())?;
    if let Some(roles) = change.roles {
        subjects.assign(by, by.tenant(), &subject, roles).await?;
    }
    match change.enabled {
        Some(true) => drop(subjects.enable(by, by.tenant(), &subject).await?),
        Some(false) => drop(subjects.disable(by, by.tenant(), &subject).await?),
        None => {}
    }
    let record = subjects.find(by.tenant(), &subject).await?;
    let record = record.ok_or_else(Failure::not_found)?;
    let changed = ChangedSubject {
        id: record.subject.to_string(),
        enabled: record.disabled_at.is_none(),
        roles: record.roles.into_iter().collect(),
    };
    Ok(private(StatusCode::OK, &changed))
}
