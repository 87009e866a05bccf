//! Why a call was not done, as `application/problem+json`; and bodies and queries that are read that way.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use fountain_core::{Error, ErrorKind, Rejection, RejectionKind};
use fountain_tower::{Answers, ProblemJson};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use super::app::App;

/// Why a call was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// Refused for what the caller showed, in the one form that all refusals have.
    Refused(Rejection),
    /// A refresh token that is not good: 401, as the service's contract has it.
    InvalidGrant,
    /// Anything else that is the caller's.
    Problem {
        status: StatusCode,
        code: &'static str,
        detail: String,
    },
}

impl Failure {
    fn problem(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Problem {
            status,
            code,
            detail: detail.into(),
        }
    }

    /// A well-formed body or query with a field that is not acceptable.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail)
    }

    /// Nothing is there, or nothing that the caller may know of.
    pub(super) fn not_found() -> Self {
        Self::problem(StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
    }

    /// The path is right and the method is not.
    pub(super) fn method_not_allowed() -> Self {
        Self::problem(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Allow names the methods of this path.",
        )
    }

    /// Permitted to nobody from where the caller is, or to nobody with these rights.
    pub(super) fn forbidden(detail: &'static str) -> Self {
        Self::problem(StatusCode::FORBIDDEN, "forbidden", detail)
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        match rejection.kind() {
            RejectionKind::InvalidGrant => Self::InvalidGrant,
            _ => Self::Refused(rejection),
        }
    }
}

impl From<Error> for Failure {
    /// Texts of these kinds are Fountain's own and hold no input.
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidInput { .. } => Self::unprocessable(error.to_string()),
            ErrorKind::NotFound => Self::not_found(),
            ErrorKind::Conflict(_) | ErrorKind::TooEarly(_) => {
                Self::problem(StatusCode::CONFLICT, "conflict", error.to_string())
            }
            ErrorKind::Forbidden(detail) => Self::forbidden(detail),
            ErrorKind::Refused(rejection) => rejection.clone().into(),
            _ => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, source, "a call failed");
                Self::Refused(error.rejection())
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let answers = Answers::default();
        match self {
            Self::Refused(rejection) => answers.respond(&ProblemJson, &rejection, None),
            Self::InvalidGrant => {
                let mut response = problem(
                    StatusCode::UNAUTHORIZED,
                    "invalid_grant",
                    "The grant is not valid: sign in again.",
                );
                response.headers_mut().insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"fountain\", error=\"invalid_grant\""),
                );
                response
            }
            Self::Problem {
                status,
                code,
                detail,
            } => problem(status, code, &detail),
        }
    }
}

fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let body = json!({
        "type": format!("{}{}", Answers::DEFAULT_TYPES, code.replace('_', "-")),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    let headers = [
        (CONTENT_TYPE, "application/problem+json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// A body of JSON: 415 for another type, 413 above the bound, 408 when it does not come, 400 when it is not JSON, 422
/// when it is not an object or a field is not good.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &App) -> Result<Self, Failure> {
        if !is_json(request.headers().get(CONTENT_TYPE)) {
            return Err(Failure::problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the body as Content-Type: application/json.",
            ));
        }
        let bytes = read(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// As [`Body`]; no body at all stands for an object without members.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &App) -> Result<Self, Failure> {
        if request.headers().contains_key(CONTENT_TYPE) {
            return Body::from_request(request, state)
                .await
                .map(|Body(body)| Self(body));
        }
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        parse(&bytes).map(Self)
    }
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let media = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .map(str::trim);
    media.is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
}

/// The whole body, within the time that a client has for it: one that comes in drops is not waited for.
async fn read(request: Request, app: &App) -> Result<Bytes, Failure> {
    tokio::time::timeout(app.patience(), Bytes::from_request(request, app))
        .await
        .map_err(|_| {
            Failure::problem(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "The body did not come in time.",
            )
        })?
        .map_err(|rejection: BytesRejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "A body is at most 64 KiB.",
            ),
            _ => malformed(),
        })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    // serde would take an array for a struct, member by member.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Err(Failure::unprocessable("The body is not an object.")),
            Err(_) => Err(malformed()),
        };
    }
    // serde_json's own text repeats input, which may be a secret: only the place is told.
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Failure::unprocessable(format!(
            "A field at line {}, column {} is missing, unknown or not of its type: /openapi.json names them.",
            error.line(),
            error.column(),
        )),
        _ => malformed(),
    })
}

fn malformed() -> Failure {
    Failure::problem(
        StatusCode::BAD_REQUEST,
        "malformed_body",
        "The body is not well-formed JSON.",
    )
}

/// A query whose fields are what they should be, or 422.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(found)) => Ok(Self(found)),
            Err(_) => Err(Failure::unprocessable(
                "A parameter of the query is unknown or not of its type: /openapi.json names them.",
            )),
        }
    }
}

/// The one variable segment of the path. What cannot be read names nothing.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(_) => Err(Failure::not_found()),
        }
    }
}
