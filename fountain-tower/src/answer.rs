//! What a refused request is answered with: one face per [`RejectionKind`], whatever the cause behind it.
//!
//! | kind | status | challenge | type | gRPC |
//! |---|---|---|---|---|
//! | `MissingCredential` | 401 | `Bearer realm`, `ApiKey realm`, no error code | missing-credentials | 16 |
//! | `InvalidRequest` | 400 | `invalid_request` | invalid-request | 3 |
//! | `InvalidToken` | 401 | `invalid_token` | invalid-token | 16 |
//! | `InvalidGrant` | 400 | none | invalid-grant | 3 |
//! | `AuthenticationFailed` | 401 | `Bearer realm`, no error code | authentication-failed | 16 |
//! | `InsufficientScope` | 403 | `insufficient_scope`, `scope` | insufficient-scope | 7 |
//! | `StepUpRequired` | 401 | `insufficient_user_authentication`, `acr_values`, `max_age` | step-up-required | 16 |
//! | `RateLimited` | 429 | none, but `Retry-After` | rate-limited | 8 |
//! | `Unavailable` | 503 | none, but `Retry-After` | unavailable | 14 |
//!
//! A `StepUpRequired` that a grant would answer names its act and resource in the body, in gRPC in metadata: RFC 9470 has no
//! attribute for them.
//!
//! Sources: RFC 6750 section 3, RFC 9470 section 3, RFC 9457, RFC 6749 section 5.2 (R-84, R-86).

use std::sync::Arc;
use std::time::Duration;

use fountain_core::{ConfigError, ConfigErrors, Rejection, RejectionKind};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::responder::Responder;

pub(crate) const X_REQUEST_ID: &str = "x-request-id";

/// The code of a kind, for logs as well.
pub(crate) const fn code(kind: &RejectionKind) -> &'static str {
    Face::of(kind).code
}

/// How refusals are answered: the realm of the challenges, the types of the problems. Cheap to clone.
///
/// Every layer of a stack shares one, and a handler that refuses by itself uses it too, so that a client cannot tell
/// by the form of an answer who refused it.
///
/// ```
/// use bytes::Bytes;
/// use fountain_core::{Reason, Rejection};
/// use fountain_tower::{Answers, ProblemJson};
///
/// let answers = Answers::default();
/// let refused = Rejection::invalid_token(Reason::TokenExpired);
/// let response: http::Response<Bytes> = answers.respond(&ProblemJson, &refused, None);
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"fountain\", error=\"invalid_token\"");
/// ```
#[derive(Debug, Clone)]
pub struct Answers(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    bearer: String,
    missing: Vec<HeaderValue>,
    types: String,
}

impl Answers {
    /// The realm of [`Answers::default`].
    pub const DEFAULT_REALM: &'static str = "fountain";
    /// What a problem's `type` starts with, by default: the types then are names, not addresses (RFC 9457 section 3.1.1).
    pub const DEFAULT_TYPES: &'static str = "urn:fountain:problem:";

    /// Answers with this realm, and these types: `types` and the slug of the kind make a problem's `type`.
    /// `api_keys` says whether to challenge for an API key, too.
    ///
    /// # Errors
    /// Each text that could break out of its place: a realm is 1 to 128 printable ASCII characters without
    /// `"` and `\`; a start of types is 1 to 255 of the characters of a URI.
    pub fn new(realm: &str, types: &str, api_keys: bool) -> Result<Self, ConfigErrors> {
        ConfigErrors::from_iter(Self::mistakes(realm, types)).into_result()?;
        Ok(Self::unchecked(realm, types, api_keys))
    }

    pub(crate) fn mistakes(realm: &str, types: &str) -> impl Iterator<Item = ConfigError> {
        let quotable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let uri = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        let realm = (!(1..=128).contains(&realm.len()) || !realm.bytes().all(quotable)).then_some(
            ConfigError::Invalid {
                setting: "realm",
                hint: "write 1 to 128 printable ASCII characters without '\"' and '\\', such as orders",
            },
        );
        let types = (!(1..=255).contains(&types.len()) || !types.bytes().all(uri)).then_some(
            ConfigError::Invalid {
                setting: "problem_types",
                hint: "write the start of a URI, such as https://errors.example.com/",
            },
        );
        realm.into_iter().chain(types)
    }

    /// With texts in which [`Answers::mistakes`] found nothing.
    pub(crate) fn unchecked(realm: &str, types: &str, api_keys: bool) -> Self {
        let bearer = format!("Bearer realm=\"{realm}\"");
        let key = api_keys.then(|| format!("ApiKey realm=\"{realm}\""));
        Self(Arc::new(Settings {
            missing: std::iter::once(bearer.clone())
                .chain(key)
                // Printable ASCII, as checked before: nothing is left out.
                .filter_map(|challenge| HeaderValue::try_from(challenge).ok())
                .collect(),
            bearer,
            types: types.to_owned(),
        }))
    }

    /// The answer to a request that is refused. `request_id` is repeated in the body if it is of a harmless form.
    pub fn respond<B>(
        &self,
        responder: &(impl Responder<B> + ?Sized),
        rejection: &Rejection,
        request_id: Option<&HeaderValue>,
    ) -> Response<B> {
        responder.respond(&self.refusal(rejection, request_id))
    }

    pub(crate) fn refusal<'a>(
        &'a self,
        rejection: &'a Rejection,
        request_id: Option<&'a HeaderValue>,
    ) -> Refusal<'a> {
        let face = Face::of(rejection.kind());
        Refusal {
            kind: rejection.kind(),
            face,
            detail: face.detail,
            answers: &self.0,
            request_id: request_id.and_then(harmless),
        }
    }

    /// The answer where the layers are put together wrongly: 500, saying what to add.
    pub(crate) fn misconfigured(&self, detail: &'static str) -> Refusal<'_> {
        Refusal {
            kind: &RejectionKind::Unavailable {
                retry_after: Duration::ZERO,
            },
            face: &Face::MISCONFIGURED,
            detail,
            answers: &self.0,
            request_id: None,
        }
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self::unchecked(Self::DEFAULT_REALM, Self::DEFAULT_TYPES, true)
    }
}

/// A refused request, as far as a client may know of it: what a [`Responder`] works with.
///
/// # Security
/// It holds the public face of a [`Rejection`] and not the reason, so that no responder can tell it (R-20).
#[derive(Debug)]
pub struct Refusal<'a> {
    kind: &'a RejectionKind,
    face: &'static Face,
    detail: &'static str,
    answers: &'a Settings,
    request_id: Option<&'a str>,
}

impl Refusal<'_> {
    /// The public face of the refusal; `Unavailable` also where a layer is missing, which is answered with 500.
    #[must_use]
    pub const fn kind(&self) -> &RejectionKind {
        self.kind
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.face.status
    }

    /// The gRPC status code.
    #[must_use]
    pub const fn grpc_status(&self) -> u8 {
        self.face.grpc
    }

    /// The problem's stable code: the error code of RFC 6750, RFC 9470 or RFC 6749 where there is one.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.face.code
    }

    /// The problem's `type`, a URI.
    #[must_use]
    pub fn problem_type(&self) -> String {
        format!("{}{}", self.answers.types, self.face.slug)
    }

    /// The problem's `title`: the same for every cause.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.face.title
    }

    /// The problem's `detail`: what the client can do about it, the same for every cause.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        self.detail
    }

    /// The request's id, when it is 1 to 128 characters of `[A-Za-z0-9._~:/+=-]`.
    #[must_use]
    pub const fn request_id(&self) -> Option<&str> {
        self.request_id
    }

    /// How long to wait before trying again, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self.kind {
            RejectionKind::RateLimited { retry_after }
            | RejectionKind::Unavailable { retry_after }
                if self.face.retry =>
            {
                let up = u64::from(retry_after.subsec_nanos() > 0);
                Some(retry_after.as_secs().saturating_add(up).max(1))
            }
            _ => None,
        }
    }

    /// The permission that would be needed, when the kind names one.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        match self.kind {
            RejectionKind::InsufficientScope { scope } if !scope.is_empty() => Some(scope),
            _ => None,
        }
    }

    /// The authentication context class that would do (RFC 9470).
    #[must_use]
    pub fn acr_values(&self) -> Option<&str> {
        match self.kind {
            RejectionKind::StepUpRequired { acr, .. } => acr.as_deref(),
            _ => None,
        }
    }

    /// How old the authentication may be (RFC 9470).
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        match self.kind {
            RejectionKind::StepUpRequired { max_age, .. } => *max_age,
            _ => None,
        }
    }

    /// For which act a grant is needed, when one is: what to ask for when stepping up.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        match self.kind {
            RejectionKind::StepUpRequired { action, .. } => action.as_deref(),
            _ => None,
        }
    }

    /// On which resource, when the act is bound to one. It is what the request named: escape it as any input.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        match self.kind {
            RejectionKind::StepUpRequired { resource, .. } => resource.as_deref(),
            _ => None,
        }
    }

    /// Writes `WWW-Authenticate`, `Retry-After` and `Cache-Control: no-store` where they belong.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self.face.challenge {
            Challenge::None => {}
            Challenge::Bare => {
                for challenge in &self.answers.missing {
                    headers.append(WWW_AUTHENTICATE, challenge.clone());
                }
            }
            Challenge::Realm => headers.extend(
                HeaderValue::try_from(self.answers.bearer.as_str())
                    .ok()
                    .map(|challenge| (WWW_AUTHENTICATE, challenge)),
            ),
            Challenge::Error => {
                let mut challenge =
                    format!("{}, error=\"{}\"", self.answers.bearer, self.face.code);
                if let Some(scope) = self.scope() {
                    push_quoted(&mut challenge, "scope", scope);
                }
                if let Some(acr) = self.acr_values() {
                    push_quoted(&mut challenge, "acr_values", acr);
                }
                if let Some(max_age) = self.max_age() {
                    push_quoted(&mut challenge, "max_age", &max_age.as_secs().to_string());
                }
                // Printable ASCII by construction: never an error, and a 401 without its challenge if it were.
                headers.extend(
                    HeaderValue::try_from(challenge)
                        .ok()
                        .map(|challenge| (WWW_AUTHENTICATE, challenge)),
                );
            }
        }
    }
}

/// Adds `, name="value"` to a challenge, with what may not stand in a quoted string left out.
fn push_quoted(challenge: &mut String, name: &str, value: &str) {
    challenge.push_str(", ");
    challenge.push_str(name);
    challenge.push_str("=\"");
    challenge.extend(
        value
            .chars()
            .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')),
    );
    challenge.push('"');
}

/// A request id that may stand in a body and in a log as it is.
fn harmless(id: &HeaderValue) -> Option<&str> {
    id.to_str().ok().filter(|id| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._~:/+=-".contains(&byte))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    None,
    /// Which credentials are admitted.
    Bare,
    /// The realm alone: RFC 9110 section 15.5.2 has it that a 401 has a challenge.
    Realm,
    Error,
}

#[derive(Debug)]
struct Face {
    status: StatusCode,
    grpc: u8,
    code: &'static str,
    slug: &'static str,
    title: &'static str,
    detail: &'static str,
    challenge: Challenge,
    retry: bool,
}

impl Face {
    const MISCONFIGURED: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        grpc: 13,
        code: "misconfigured",
        slug: "misconfigured",
        title: "The service is put together wrongly",
        detail: "",
        challenge: Challenge::None,
        retry: false,
    };

    const fn of(kind: &RejectionKind) -> &'static Self {
        match kind {
            RejectionKind::MissingCredential => &Self {
                status: StatusCode::UNAUTHORIZED,
                grpc: 16,
                code: "missing_credentials",
                slug: "missing-credentials",
                title: "Credentials are required",
                detail: "Send one credential, as a header: Authorization with the scheme Bearer, or X-API-Key where \
                         it is admitted. Query, cookies and body are not read.",
                challenge: Challenge::Bare,
                retry: false,
            },
            RejectionKind::InvalidRequest => &Self {
                status: StatusCode::BAD_REQUEST,
                grpc: 3,
                code: "invalid_request",
                slug: "invalid-request",
                title: "The request is malformed",
                detail: "Send exactly one credential, well-formed.",
                challenge: Challenge::Error,
                retry: false,
            },
            RejectionKind::InvalidToken => &Self {
                status: StatusCode::UNAUTHORIZED,
                grpc: 16,
                code: "invalid_token",
                slug: "invalid-token",
                title: "The credential is not valid",
                detail: "Get a new credential and try again.",
                challenge: Challenge::Error,
                retry: false,
            },
            RejectionKind::InvalidGrant => &Self {
                status: StatusCode::BAD_REQUEST,
                grpc: 3,
                code: "invalid_grant",
                slug: "invalid-grant",
                title: "The grant is not valid",
                detail: "Sign in again.",
                challenge: Challenge::None,
                retry: false,
            },
            RejectionKind::AuthenticationFailed => &Self {
                status: StatusCode::UNAUTHORIZED,
                grpc: 16,
                code: "authentication_failed",
                slug: "authentication-failed",
                title: "The authentication failed",
                detail: "Check what was typed, wait a while, or begin again.",
                challenge: Challenge::Realm,
                retry: false,
            },
            RejectionKind::InsufficientScope { .. } => &Self {
                status: StatusCode::FORBIDDEN,
                grpc: 7,
                code: "insufficient_scope",
                slug: "insufficient-scope",
                title: "The credential does not permit this",
                detail: "Use a credential that has the permission.",
                challenge: Challenge::Error,
                retry: false,
            },
            RejectionKind::StepUpRequired { .. } => &Self {
                status: StatusCode::UNAUTHORIZED,
                grpc: 16,
                code: "insufficient_user_authentication",
                slug: "step-up-required",
                title: "A fresher or stronger authentication is required",
                detail: "Authenticate again as the challenge asks, then repeat the request.",
                challenge: Challenge::Error,
                retry: false,
            },
            RejectionKind::RateLimited { .. } => &Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                grpc: 8,
                code: "rate_limited",
                slug: "rate-limited",
                title: "Too many requests",
                detail: "Wait as long as Retry-After says.",
                challenge: Challenge::None,
                retry: true,
            },
            // A kind that a newer core knows and this crate does not: refused all the same.
            _ => &Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                grpc: 14,
                code: "unavailable",
                slug: "unavailable",
                title: "Temporarily unavailable",
                detail: "Nothing was done. Wait as long as Retry-After says and try again.",
                challenge: Challenge::None,
                retry: true,
            },
        }
    }
}

#[cfg(test)]
mod tests;
