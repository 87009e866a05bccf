//! Subjects: registered with their roles and how they sign in, and unlocked.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use fountain_core::access::Authority;
use fountain_core::login::{LoginName, NewCredential};
use fountain_core::otp::{Channel, DeliveryAddress};
use fountain_core::{Error, Principal, Secret, Subject};
use fountain_tower::axum::Authorize;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::ManageSubjects;
use super::answer::private;
use super::app::App;
use super::problem::{Body, Failure, Segment};

/// Whom to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSubject {
    /// The name to sign in by, and the subject's id: 1 to 255 bytes.
    username: String,
    /// At least 15 characters; without one the subject has no way to sign in.
    password: Option<String>,
    /// Roles of the service: admin, auditor, clerk.
    #[serde(default)]
    roles: Vec<String>,
    /// A mailbox, to be confirmed by a code before it is good for anything.
    email: Option<String>,
    /// A number as E.164 has it, to be confirmed by a code before it is good for anything.
    phone: Option<String>,
}

/// Who was registered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegisteredSubject {
    /// The subject's id.
    id: String,
}

/// Registers a subject with its roles and how it signs in.
///
/// Nothing is registered when anything in the body is not good. A subject that was cut off before it had a password gets one by the
/// same call again, from who may do all that it may.
#[utoipa::path(post, path = "/v1/subjects", tag = "subjects", request_body = NewSubject,
    responses((status = 201, body = RegisteredSubject), (status = 401), (status = 403),
        (status = 409, description = "It exists"), (status = 422)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn register(
    State(app): State<App>,
    Authorize(proof): Authorize<ManageSubjects>,
    Body(new): Body<NewSubject>,
) -> Result<Response, Failure> {
    let (by, sign_in) = (proof.principal(), app.sign_in());
    let tenant = by.tenant();
    // One account, however the name is typed: its id is the name in its canonical form.
    let name = LoginName::new(&new.username)?;
    let subject = Subject::new(name.as_str())?;
    let address = |channel, text: Option<String>| {
        text.map(|text| DeliveryAddress::new(channel, &text))
            .transpose()
    };
    let addresses = [
        address(Channel::Email, new.email)?,
        address(Channel::Sms, new.phone)?,
    ];
    for address in addresses.iter().flatten() {
        if !sign_in.second_factor().carries(address.channel()) {
            return Err(Failure::unprocessable(
                "nobody carries codes to such an address here: FOUNTAIN_DELIVERY says who does",
            ));
        }
    }
    let password = new.password.map(Secret::from);
    if let Some(password) = &password {
        sign_in.login().judge_password(password, &name, &[]).await?;
    }
    let subjects = app.fountain().subjects();
    let registered = subjects.register(by, tenant, &subject, new.roles).await;
    match (registered, password) {
        (Ok(_), None) => {}
        (Err(error), None) => return Err(error.into()),
        (registered, Some(password)) => {
            if let Err(error) = registered {
                may_finish(&app, by, &subject, error).await?;
            }
            let credential =
                NewCredential::new(subject.clone(), name, password).tenant(tenant.clone());
            sign_in.login().register(by, credential).await?;
        }
    }
    for address in addresses.iter().flatten() {
        // The requirement of this call stands for the step-up: nobody of this name had anything to show yet.
        sign_in
            .second_factor()
            .enrol_address(Authority::System, tenant, &subject, address, None)
            .await?;
    }
    Ok(private(
        StatusCode::CREATED,
        &RegisteredSubject {
            id: subject.to_string(),
        },
    ))
}

/// Whether a call that was cut off may be finished: the subject is there, and may do nothing that the caller may not. Who could
/// choose the password of somebody who may more would be them.
async fn may_finish(
    app: &App,
    by: &Principal,
    subject: &Subject,
    error: Error,
) -> Result<(), Failure> {
    let found = app.fountain().subjects().find(by.tenant(), subject).await?;
    let covered = found.is_some_and(|record| {
        let rights = app.fountain().roles().resolve_roles(&record.roles);
        by.grants().is_superset(&rights)
    });
    if covered { Ok(()) } else { Err(error.into()) }
}

/// Ends every lock of a subject. Again is no error.
#[utoipa::path(post, path = "/v1/subjects/{id}/unlock", tag = "subjects", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)),
    security(("bearer" = []), ("api_key" = [])))]
pub(super) async fn unlock(
    State(app): State<App>,
    Authorize(proof): Authorize<ManageSubjects>,
    Segment(id): Segment,
) -> Result<Response, Failure> {
    let by = proof.principal();
    let subject = Subject::new(id).map_err(|_| Failure::not_found())?;
    let known = app
        .fountain()
        .subjects()
        .find(by.tenant(), &subject)
        .await?;
    known.ok_or_else(Failure::not_found)?;
    app.sign_in()
        .lockout()
        .unlock(by, by.tenant(), &subject)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
