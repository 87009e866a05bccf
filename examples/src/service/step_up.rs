//! Step-up: a fresh second factor, turned into a grant for one act.

use axum::extract::State;
use axum::response::Response;
use fountain_core::Secret;
use fountain_core::access::StepUpAction;
use fountain_core::otp::{SecondFactorAnswer, StepUp};
use fountain_tower::axum::Authorize;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::OwnFactors;
use super::answer::private;
use super::app::App;
use super::login::{answer, challenge};
use super::problem::{Body, Failure};

/// A code, and what for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepUpBody {
    /// `totp`, `code` (with the challenge that it was sent for) or `recovery`.
    method: String,
    code: String,
    challenge: Option<String>,
    /// As the refusal named it.
    action: String,
    /// As the refusal named it, if it did.
    resource: Option<String>,
}

/// Good once, for this act.
#[derive(Serialize, ToSchema)]
pub(super) struct Grant {
    /// To be sent back as the header `Fountain-Step-Up`.
    grant: String,
    expires_at: String,
}

/// Turns a code into a grant for one act on one resource in this session.
#[utoipa::path(post, path = "/v1/step-up", tag = "step-up", request_body = StepUpBody,
    responses((status = 200, body = Grant), (status = 401), (status = 422)), security(("bearer" = [])))]
pub(super) async fn step_up(
    State(app): State<App>,
    Authorize(own): Authorize<OwnFactors>,
    Body(body): Body<StepUpBody>,
) -> Result<Response, Failure> {
    let by = own.principal();
    let (factors, step_up) = (app.sign_in().second_factor(), app.sign_in().step_up());
    let action = StepUpAction::new(&body.action)?;
    let (resource, code) = (body.resource.as_deref(), Secret::from(body.code));
    let answer = answer(&body.method, &code)?;
    let (tenant, purpose) = (by.tenant(), StepUp::purpose());
    let shown = match (answer, &body.challenge) {
        (SecondFactorAnswer::Delivered(_), None) => {
            return Err(Failure::unprocessable(
                "method code takes the challenge that the code was sent for",
            ));
        }
        (SecondFactorAnswer::Delivered(_), Some(asked)) => {
            let (asked, binding) = (challenge(asked)?, step_up.session_binding(by));
            factors
                .answer(tenant, &asked, &purpose, &binding, answer, None)
                .await?
        }
        _ => {
            let binding = step_up.binding(by, &action, resource);
            factors
                .verify(tenant, by.subject(), &purpose, &binding, answer, None)
                .await?
        }
    };
    let granted = step_up.grant(by, &action, resource, shown).await?;
    let shown = Grant {
        grant: granted.grant.expose().to_owned(),
        expires_at: granted.expires_at.to_string(),
    };
    Ok(private(StatusCode::OK, &shown))
}
