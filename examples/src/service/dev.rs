//! Development aids, mounted under `--dev` only: tokens without a login, and changes of a subject. They go when login comes.

use axum::extract::State;
use axum::response::Response;
use fountain_core::identity::{ClientId, Scope};
use fountain_core::token::NewTokens;
use fountain_core::{Assurance, Subject};
use fountain_tower::axum::Authorize;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{ACR_MFA, ManageSubjects, TakeDevTokens};
use super::answer::private;
use super::app::App;
use super::problem::{Body, Failure, Segment};
use super::tokens::{CLIENT, TokenPair};

/// For whom to make tokens, and as what they shall have authenticated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDevTokens {
    /// A registered subject gets its roles; another one has what the scopes say.
    subject: String,
    /// Narrow the roles.
    #[serde(default)]
    scopes: Vec<String>,
    /// Methods of RFC 8176, as if used just now; with `mfa` among them the token meets step-up for five minutes.
    #[serde(default)]
    amr: Vec<String>,
}

/// Issues tokens for a subject, as if it had signed in. Only under `--dev`.
///
/// Nobody takes more rights this way than they have themselves.
#[utoipa::path(post, path = "/v1/dev/tokens", tag = "development", request_body = NewDevTokens,
    responses((status = 200, body = TokenPair), (status = 401), (status = 403), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn take_tokens(
    State(app): State<App>,
    Authorize(proof): Authorize<TakeDevTokens>,
    Body(new): Body<NewDevTokens>,
) -> Result<Response, Failure> {
    let (by, fountain) = (proof.principal(), app.fountain());
    let subject = Subject::new(new.subject)?;
    let known = fountain.subjects().find(by.tenant(), &subject).await?;
    let roles: Option<Vec<String>> = known.map(|record| record.roles.into_iter().collect());
    let scopes = (!new.scopes.is_empty()).then_some(new.scopes.as_slice());
    let wanted = fountain.roles().resolve(roles.as_deref(), scopes);
    if !by.grants().is_superset(&wanted) {
        return Err(Failure::forbidden(
            "The tokens would permit more than you may do.",
        ));
    }
    let mut tokens = NewTokens::new(subject, ClientId::new(CLIENT)?).tenant(by.tenant().clone());
    for scope in &new.scopes {
        tokens = tokens.scope(Scope::new(scope)?);
    }
    if !new.amr.is_empty() {
        tokens = tokens.assurance(Assurance {
            acr: new
                .amr
                .iter()
                .any(|method| method == "mfa")
                .then(|| ACR_MFA.to_owned()),
            amr: new.amr,
            auth_time: Some(fountain.clock().now()),
        });
    }
    let issued = fountain.tokens().issue(&by.actor(), tokens).await?;
    Ok(private(StatusCode::OK, &TokenPair::from(&issued)))
}

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
