//! Signing in: a password, then a second factor where one is enrolled, then tokens.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use fountain_core::identity::ClientId;
use fountain_core::lockout::Lockout;
use fountain_core::login::{LoginAnswer, LoginAttempt, LoginOutcome, SignedIn};
use fountain_core::otp::{ChallengeId, Channel, FactorMethod, IssuedChallenge, SecondFactorAnswer};
use fountain_core::{Reason, Rejection, Secret, Tenant};
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::private;
use super::app::App;
use super::problem::{Body, Failure};
use super::tokens::{CLIENT, TokenPair};

/// A name and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NameAndPassword {
    username: String,
    password: String,
}

/// The password was right, and a second factor is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskedForSecondFactor {
    second_factor: Question,
}

/// What is to be answered, and how.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Question {
    challenge: String,
    /// `totp`, `code` (with `channels`), `recovery`.
    methods: Vec<&'static str>,
    /// Where codes can be sent to: `sms`, `email`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    channels: Vec<&'static str>,
    expires_at: String,
}

impl From<&IssuedChallenge> for Question {
    fn from(issued: &IssuedChallenge) -> Self {
        let mut methods: Vec<_> = issued.methods.iter().map(|way| word(*way)).collect();
        methods.dedup();
        let channels = issued.methods.iter().filter_map(|way| way.channel());
        Self {
            challenge: issued.id.to_string(),
            methods,
            channels: channels.map(Channel::as_str).collect(),
            expires_at: issued.expires_at.to_string(),
        }
    }
}

const fn word(method: FactorMethod) -> &'static str {
    match method {
        FactorMethod::Authenticator => "totp",
        FactorMethod::Sms | FactorMethod::Email => "code",
        FactorMethod::Recovery => "recovery",
        _ => "other",
    }
}

/// The answer to the question for a second factor; or, with `method: "code"`, a channel and no code, the wish for one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondFactorBody {
    challenge: String,
    /// `totp`, `code` or `recovery`.
    method: String,
    code: Option<String>,
    /// `sms` or `email`, to have a code sent.
    channel: Option<String>,
}

/// A code is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sent {
    pub(super) challenge: String,
    /// Enough of the address for its owner to know it again.
    pub(super) to: String,
    pub(super) expires_at: String,
}

/// Signs in by name and password: tokens, or a question for a second factor.
#[utoipa::path(post, path = "/v1/login", tag = "login", request_body = NameAndPassword,
    responses((status = 200, body = TokenPair), (status = 401, description = "Whatever was wrong, and while a lock stands"),
        (status = 422), (status = 503)))]
pub(super) async fn login(
    State(app): State<App>,
    device: Device,
    Body(who): Body<NameAndPassword>,
) -> Result<Response, Failure> {
    let mut attempt = LoginAttempt::new(
        who.username,
        Secret::from(who.password),
        ClientId::new(CLIENT)?,
    );
    if let Some(token) = device.0 {
        attempt = attempt.device(token);
    }
    Ok(match app.sign_in().login().begin(attempt).await? {
        LoginOutcome::SignedIn(done) => signed_in(&app, &done)?,
        LoginOutcome::SecondFactor(issued) => private(
            StatusCode::OK,
            &AskedForSecondFactor {
                second_factor: Question::from(&issued),
            },
        ),
    })
}

/// Answers the question for a second factor, and gets tokens; or has a code sent.
#[utoipa::path(post, path = "/v1/login/second-factor", tag = "login", request_body = SecondFactorBody,
    responses((status = 200, body = TokenPair), (status = 202, body = Sent), (status = 401), (status = 422),
        (status = 429, description = "No more codes for now")))]
pub(super) async fn second_factor(
    State(app): State<App>,
    device: Device,
    Body(body): Body<SecondFactorBody>,
) -> Result<Response, Failure> {
    let (tenant, login) = (Tenant::default(), app.sign_in().login());
    let challenge = challenge(&body.challenge)?;
    if let ("code", None, Some(channel)) = (body.method.as_str(), &body.code, &body.channel) {
        let channel = self::channel(channel)?;
        let sent = login
            .send_code(&tenant, &challenge, channel, device.0.as_ref())
            .await?;
        return Ok(private(StatusCode::ACCEPTED, &Sent::from(&sent)));
    }
    let code = body.code.ok_or_else(|| {
        Failure::unprocessable("code is missing; to have one sent, write method code and a channel")
    })?;
    let code = Secret::from(code);
    let answer = answer(&body.method, &code)?;
    let mut answer = LoginAnswer::new(challenge, answer);
    if let Some(token) = device.0 {
        answer = answer.device(token);
    }
    signed_in(&app, &login.finish(answer).await?)
}

/// The tokens, and beside them a cookie by which the device is known the next time: its attempts are then counted apart, so that who
/// guesses elsewhere does not lock it out (L-09). It signs nobody in.
fn signed_in(app: &App, done: &SignedIn) -> Result<Response, Failure> {
    let lockout = app.sign_in().lockout();
    let token = lockout.remember_device(&Tenant::default(), &done.subject)?;
    let cookie = format!(
        "{DEVICE}={}; Path=/v1; Max-Age={}; HttpOnly; Secure; SameSite=Strict",
        token.expose(),
        Lockout::DEVICE_LIFE.as_secs(),
    );
    let mut response = private(StatusCode::OK, &TokenPair::from(&done.tokens));
    // A token is of characters that a header may have.
    if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

const DEVICE: &str = "fountain-device";

/// The token of a device that is known, if the request has one. Whether it is genuine, the login finds out.
pub(super) struct Device(pub(super) Option<Secret>);

impl<S: Sync> FromRequestParts<S> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let cookies = parts.headers.get_all(COOKIE).iter();
        let mut pairs = cookies
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.find(|(name, _)| *name == DEVICE);
        Ok(Self(found.map(|(_, token)| Secret::from(token.to_owned()))))
    }
}

impl From<&fountain_core::otp::SentCode> for Sent {
    fn from(sent: &fountain_core::otp::SentCode) -> Self {
        Self {
            challenge: sent.challenge.to_string(),
            to: sent.to_masked.clone(),
            expires_at: sent.expires_at.to_string(),
        }
    }
}

/// What is not the form of a challenge is the id of none, and refused like any other that is not there.
pub(super) fn challenge(text: &str) -> Result<ChallengeId, Failure> {
    ChallengeId::new(text)
        .map_err(|_| Rejection::authentication_failed(Reason::ChallengeUnknown).into())
}

pub(super) fn channel(text: &str) -> Result<Channel, Failure> {
    Channel::from_name(text).ok_or_else(|| Failure::unprocessable("channel is sms or email"))
}

pub(super) fn answer<'a>(
    method: &str,
    code: &'a Secret,
) -> Result<SecondFactorAnswer<'a>, Failure> {
    match method {
        "totp" => Ok(SecondFactorAnswer::Authenticator(code.expose())),
        "code" => Ok(SecondFactorAnswer::Delivered(code.expose())),
        "recovery" => Ok(SecondFactorAnswer::Recovery(code.expose())),
        _ => Err(Failure::unprocessable("method is totp, code or recovery")),
    }
}
