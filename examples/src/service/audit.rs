//! The audit trail, page by page.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use fountain_core::Actor;
use fountain_core::audit::{AuditSequence, Outcome, RecordedEvent};
use fountain_tower::axum::Authorize;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::ReadAudit;
use super::answer::{List, Page};
use super::app::App;
use super::problem::{Failure, Parameters};

/// One event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Event {
    /// Its place; rises, never used twice.
    sequence: u64,
    id: String,
    /// RFC 3339.
    at: String,
    actor: Who,
    action: &'static str,
    /// `success` or `refused`.
    outcome: &'static str,
    reason: Option<&'static str>,
    target: Option<What>,
    details: BTreeMap<String, String>,
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Who {
    /// `system`, `subject`, `api_key` or `anonymous`.
    kind: &'static str,
    id: Option<String>,
}

/// To what it was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct What {
    kind: String,
    id: String,
}

/// The events of the caller's tenant, oldest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(Page),
    responses((status = 200, body = List<Event>), (status = 401), (status = 403), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn page(
    State(app): State<App>,
    Authorize(proof): Authorize<ReadAudit>,
    Parameters(page): Parameters<Page>,
) -> Result<Json<List<Event>>, Failure> {
    let after = match page.after.as_deref().map(str::parse) {
        None => None,
        Some(Ok(sequence)) => Some(AuditSequence(sequence)),
        Some(Err(_)) => return Err(Failure::unprocessable("after is what a page gave as next")),
    };
    let found = app
        .fountain()
        .audit()
        .page(proof.principal().tenant(), after, page.limit()?)
        .await
        .map_err(fountain_core::Error::from)?;
    Ok(Json(List {
        items: found.items.into_iter().map(Event::from).collect(),
        next: found.next.map(|AuditSequence(next)| next.to_string()),
    }))
}

impl From<RecordedEvent> for Event {
    fn from(recorded: RecordedEvent) -> Self {
        let event = recorded.event;
        let (kind, id) = match event.actor {
            Actor::System => ("system", None),
            Actor::Subject(subject) => ("subject", Some(subject.to_string())),
            Actor::ApiKey(id) => ("api_key", Some(id.to_string())),
            Actor::Anonymous => ("anonymous", None),
            _ => ("other", None),
        };
        Self {
            sequence: recorded.sequence.0,
            id: event.id.to_string(),
            at: event.at.to_string(),
            actor: Who { kind, id },
            action: event.action.as_str(),
            outcome: match event.outcome {
                Outcome::Success => "success",
                Outcome::Refused => "refused",
            },
            reason: event.reason.map(|reason| reason.as_str()),
            target: event.target.map(|target| What {
                kind: target.kind,
                id: target.id,
            }),
            details: event.details,
        }
    }
}
