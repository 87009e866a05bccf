//! Subjects and their roles.

use axum::extract::State;
use axum::response::Response;
use fountain_core::Subject;
use fountain_tower::axum::Authorize;
use http::StatusCode;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::ManageSubjects;
use super::answer::private;
use super::app::App;
use super::problem::{Body, Failure};

/// Whom to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSubject {
    /// 1 to 255 bytes; also the subject's id.
    username: String,
    /// Roles of the service: admin, auditor, clerk.
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    #[schema(ignore)]
    password: Option<IgnoredAny>,
}

/// Who was registered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegisteredSubject {
    /// The subject's id.
    id: String,
}

/// Registers a subject with its roles.
#[utoipa::path(post, path = "/v1/subjects", tag = "subjects", request_body = NewSubject,
    responses((status = 201, body = RegisteredSubject), (status = 401), (status = 403),
        (status = 409, description = "It exists"), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn register(
    State(app): State<App>,
    Authorize(proof): Authorize<ManageSubjects>,
    Body(new): Body<NewSubject>,
) -> Result<Response, Failure> {
    if new.password.is_some() {
        return Err(Failure::unprocessable(
            "password is not taken: this service has no login yet, and would not check it",
        ));
    }
    let by = proof.principal();
    let subject = Subject::new(new.username)?;
    let record = app
        .fountain()
        .subjects()
        .register(by, by.tenant(), &subject, new.roles)
        .await?;
    Ok(private(
        StatusCode::CREATED,
        &RegisteredSubject {
            id: record.subject.to_string(),
        },
    ))
}
