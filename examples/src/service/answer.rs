//! The forms of good answers: bodies that nobody may keep, lists, and times.

use axum::Json;
use axum::response::{IntoResponse, Response};
use fountain_core::Timestamp;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Failure;

/// JSON that no cache may keep: it holds a token or a key, or says something about one.
pub(super) fn private(status: StatusCode, body: &impl Serialize) -> Response {
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, no_store, Json(body)).into_response()
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    /// At most `limit` of them.
    pub(super) items: Vec<T>,
    /// Give it as `after` for the next page; null when this is the last.
    pub(super) next: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// 1 to 1000; 100 unless given.
    limit: Option<usize>,
    /// What the page before this one gave as `next`.
    pub(super) after: Option<String>,
}

impl Page {
    pub(super) fn limit(&self) -> Result<usize, Failure> {
        match self.limit.unwrap_or(100) {
            limit @ 1..=1_000 => Ok(limit),
            _ => Err(Failure::unprocessable("limit is 1 to 1000")),
        }
    }
}

/// A time as RFC 3339, if there is one.
pub(super) fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
