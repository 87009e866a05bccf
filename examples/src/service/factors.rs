//! Second factors of the caller: enrolled, confirmed, listed, removed; codes to be sent, and recovery codes.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fountain_core::otp::{
    Channel, FactorId, FactorKind, NewChallenge, QrCode, SecondFactor, StepUp,
};
use fountain_core::{Principal, Reason, Rejection, Secret};
use fountain_tower::axum::{Authorize, PresentedGrant};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::OwnFactors;
use super::answer::{List, private, time};
use super::app::App;
use super::login::{Sent, challenge, channel};
use super::problem::{Body, Failure, Segment};

/// An authenticator to be: shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct EnrolledTotp {
    factor: String,
    /// Base32, for who cannot scan.
    secret: String,
    otpauth_uri: String,
    /// A picture of the URI: PNG in base64.
    qr_png: String,
    /// Until when it can be confirmed.
    confirm_by: String,
}

/// The first code of an authenticator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirmation {
    factor: String,
    code: String,
}

/// Where a code is to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedCode {
    /// `sms` or `email`.
    channel: String,
}

/// The code that was sent to confirm an address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressConfirmation {
    challenge: String,
    code: String,
}

/// New recovery codes: shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    codes: Vec<String>,
}

/// A factor, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Factor {
    id: String,
    /// `totp`, `hotp`, `sms`, `email`.
    kind: &'static str,
    /// Enough of its address for its owner to know it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    created_at: String,
    confirmed_at: Option<String>,
    disabled_at: Option<String>,
}

/// Begins to enrol an authenticator app. The first one takes the token alone; a further one a step-up, `factors:enrol`.
#[utoipa::path(post, path = "/v1/factors/totp", tag = "factors",
    responses((status = 201, body = EnrolledTotp), (status = 401, description = "Step-up is needed"), (status = 409)),
    security(("bearer" = [])))]
pub(super) async fn enrol_totp(
    State(app): State<App>,
    Authorize(own): Authorize<OwnFactors>,
    grant: PresentedGrant,
) -> Result<Response, Failure> {
    let by = own.principal();
    let proof = app.redeem(by, SecondFactor::ENROL, None, &grant).await?;
    let account = by.subject().as_str().replace(':', "_");
    let enrolled = app
        .sign_in()
        .second_factor()
        .enrol_totp(by, by.tenant(), by.subject(), &account, proof)
        .await?;
    let png = QrCode::of(&enrolled.uri)?.to_png()?;
    let shown = EnrolledTotp {
        factor: enrolled.factor.to_string(),
        secret: enrolled.secret.expose().to_owned(),
        otpauth_uri: enrolled.uri.expose().to_owned(),
        qr_png: STANDARD.encode(png.expose()),
        confirm_by: enrolled.confirm_by.to_string(),
    };
    Ok(private(StatusCode::CREATED, &shown))
}

/// Binds an authenticator by its first code, which counts as used.
#[utoipa::path(post, path = "/v1/factors/totp/confirm", tag = "factors", request_body = Confirmation,
    responses((status = 204), (status = 401), (status = 409, description = "It is confirmed"), (status = 422)),
    security(("bearer" = [])))]
pub(super) async fn confirm_totp(
    State(app): State<App>,
    Authorize(own): Authorize<OwnFactors>,
    Body(body): Body<Confirmation>,
) -> Result<Response, Failure> {
    let by = own.principal();
    let (factor, code) = (factor_id(&body.factor), Secret::from(body.code));
    let factor = factor.ok_or_else(|| Rejection::authentication_failed(Reason::FactorUnknown))?;
    app.sign_in()
        .second_factor()
        .confirm(by.tenant(), by.subject(), &factor, code.expose())
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Sends a code to an address of the caller: for a step-up; or to confirm the address, when none is confirmed on this channel.
#[utoipa::path(post, path = "/v1/factors/codes", tag = "factors", request_body = WantedCode,
    responses((status = 202, body = Sent), (status = 401), (status = 404, description = "There is no such address"), (status = 422),
        (status = 429, description = "No more codes for now")),
    security(("bearer" = [])))]
pub(super) async fn send_code(
    State(app): State<App>,
    Authorize(own): Authorize<OwnFactors>,
    Body(body): Body<WantedCode>,
) -> Result<Response, Failure> {
    let (by, channel) = (own.principal(), channel(&body.channel)?);
    let (tenant, factors) = (by.tenant(), app.sign_in().second_factor());
    let (challenge, purpose) = match address(&app, by, channel).await? {
        Address::Pending(factor) => (
            factors
                .challenge_to_confirm(tenant, by.subject(), &factor)
                .await?,
            SecondFactor::confirm_purpose()?,
        ),
        Address::Confirmed => {
            let new = NewChallenge {
                tenant: tenant.clone(),
                subject: by.subject().clone(),
                purpose: StepUp::purpose(),
                binding: app.sign_in().step_up().session_binding(by),
                context: Vec::new(),
            };
            (factors.challenge(new).await?, StepUp::purpose())
        }
    };
    let sent = factors
        .send_code(tenant, &challenge.id, &purpose, channel, None)
        .await?;
    Ok(private(StatusCode::ACCEPTED, &Sent::from(&sent)))
}

/// What the caller has on a channel.
enum Address {
    Confirmed,
    /// None that is confirmed, and this one waits to be.
    Pending(FactorId),
}

/// 404 where there is none, or none that a code can be sent to.
async fn address(app: &App, by: &Principal, channel: Channel) -> Result<Address, Failure> {
    let kind = match channel {
        Channel::Sms => FactorKind::Sms,
        Channel::Email => FactorKind::Email,
        _ => return Err(Failure::not_found()),
    };
    let factors = app.sign_in().second_factor();
    let all = factors.factors(by.tenant(), by.subject()).await?;
    let now = app.fountain().clock().now();
    let mut pending = None;
    for factor in all {
        let is_here = factor.kind == kind && factor.disabled_at.is_none();
        if is_here && factor.confirmed_at.is_some() {
            return Ok(Address::Confirmed);
        }
        if is_here && now < factor.confirm_by {
            pending = Some(factor.id);
        }
    }
    pending.map(Address::Pending).ok_or_else(Failure::not_found)
}

/// Binds an address by the code that was sent there.
#[utoipa::path(post, path = "/v1/factors/codes/confirm", tag = "factors", request_body = AddressConfirmation,
    responses((status = 204), (status = 401), (status = 422)),
    security(("bearer" = [])))]
pub(super) async fn confirm_address(
    State(app): State<App>,
    Authorize(own): Authorize<OwnFactors>,
    Body(body): Body<AddressConfirmation>,
) -> Result<Response, Failure> {
    let (by, code) = (own.principal(), Secret::from(body.code));
    let challenge = challenge(&body.challenge)?;
    app.sign_in()
        .second_factor()
        .confirm_address(by.tenant(), by.subject(), &challenge, code.expose())
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The caller's factors.
#[utoipa::path(get, path = "/v1/factors", tag = "factors",
    responses((status = 200, body = List<Factor>), (status = 401)), security(("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    Authorize(own): Authorize<OwnFactors>,
) -> Result<Json<List<Factor>>, Failure> {
    let by = own.principal();
    let factors = app
        .sign_in()
        .second_factor()
        .factors(by.tenant(), by.subject())
        .await?;
    let items = factors.into_iter().map(|factor| Factor {
        id: factor.id.to_string(),
        kind: factor.kind.as_str(),
        to: factor.to_masked,
        created_at: factor.created_at.to_string(),
        confirmed_at: time(factor.confirmed_at),
        disabled_at: time(factor.disabled_at),
    });
    Ok(Json(List {
        items: items.collect(),
        next: None,
    }))
}

/// Makes new recovery codes; older ones are good no more. Takes a step-up, `factors:recovery`.
#[utoipa::path(post, path = "/v1/factors/recovery", tag = "factors",
    responses((status = 201, body = RecoveryCodes), (status = 401, description = "Step-up is needed"),
        (status = 409, description = "There is no second factor")),
    security(("bearer" = [])))]
pub(super) async fn recovery(
    State(app): State<App>,
    Authorize(own): Authorize<OwnFactors>,
    grant: PresentedGrant,
) -> Result<Response, Failure> {
    let by = own.principal();
    let proof = app.redeem(by, SecondFactor::RECOVERY, None, &grant).await?;
    let codes = app
        .sign_in()
        .second_factor()
        .replace_recovery_codes(by, by.tenant(), by.subject(), proof)
        .await?;
    let codes = codes.iter().map(|code| code.reveal().expose().to_owned());
    let shown = RecoveryCodes {
        codes: codes.collect(),
    };
    Ok(private(StatusCode::CREATED, &shown))
}

/// Removes a factor. Takes a step-up, `factors:delete`, on its id.
#[utoipa::path(delete, path = "/v1/factors/{id}", tag = "factors", params(("id" = String, Path)),
    responses((status = 204), (status = 401, description = "Step-up is needed"), (status = 404)),
    security(("bearer" = [])))]
pub(super) async fn remove(
    State(app): State<App>,
    Authorize(own): Authorize<OwnFactors>,
    Segment(id): Segment,
    grant: PresentedGrant,
) -> Result<Response, Failure> {
    let by = own.principal();
    let factor = factor_id(&id).ok_or_else(Failure::not_found)?;
    let proof = app
        .redeem(by, SecondFactor::DELETE, Some(&id), &grant)
        .await?;
    app.sign_in()
        .second_factor()
        .remove(by, by.tenant(), by.subject(), &factor, proof)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn factor_id(text: &str) -> Option<FactorId> {
    FactorId::new(text).ok()
}
