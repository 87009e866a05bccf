//! Who gives a refusal its body: [`Responder`], with [`ProblemJson`] for HTTP and [`Grpc`] for gRPC.

use std::fmt::Debug;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use serde::Serialize;

use crate::answer::Refusal;

/// Turns a refusal into a response with the body type of the wrapped service.
///
/// A host that wants another body writes its own; it cannot tell more than a client may know, since a
/// [`Refusal`] does not hold the reason.
///
/// ```
/// use fountain_tower::{Refusal, Responder};
///
/// #[derive(Debug, Clone)]
/// struct Plain;
///
/// impl<B: From<&'static str>> Responder<B> for Plain {
///     fn respond(&self, refusal: &Refusal<'_>) -> http::Response<B> {
///         let mut response = http::Response::new(B::from(refusal.title()));
///         *response.status_mut() = refusal.status();
///         refusal.write_headers(response.headers_mut());
///         response
///     }
/// }
/// ```
pub trait Responder<B>: Debug + Send + Sync + 'static {
    /// The whole answer: status, headers by [`Refusal::write_headers`], body.
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B>;
}

/// Answers with `application/problem+json` (RFC 9457), for every body that bytes can be turned into.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProblemJson;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr_values: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl<B: From<Bytes>> Responder<B> for ProblemJson {
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        let problem = Problem {
            r#type: &refusal.problem_type(),
            title: refusal.title(),
            status: refusal.status().as_u16(),
            detail: refusal.detail(),
            code: refusal.code(),
            scope: refusal.scope(),
            acr_values: refusal.acr_values(),
            max_age: refusal.max_age().map(|age| age.as_secs()),
            action: refusal.action(),
            resource: refusal.resource(),
            request_id: refusal.request_id(),
        };
        // Strings and numbers only: serialising them cannot fail.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(B::from(Bytes::from(body)));
        *response.status_mut() = refusal.status();
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        refusal.write_headers(response.headers_mut());
        response
    }
}

/// Answers as gRPC does: HTTP 200 and the status in the headers of a response without a body ("trailers-only").
///
/// The challenge and `Retry-After` go along as metadata, so that a client learns what a step-up asks for; so do its act, as
/// `fountain-step-up-action`, and the resource, as `fountain-step-up-resource-bin` in base64, as binary metadata are. Works for every
/// body that has an empty default, such as tonic's; the feature `tonic` is not needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Grpc;

impl<B: Default> Responder<B> for Grpc {
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        let mut response = Response::new(B::default());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(
            "grpc-status",
            HeaderValue::from(u16::from(refusal.grpc_status())),
        );
        // Titles are plain ASCII without '%', so that they need no percent-encoding.
        headers.insert("grpc-message", HeaderValue::from_static(refusal.title()));
        refusal.write_headers(headers);
        write_step_up(refusal, headers);
        response
    }
}

/// What a step-up is to be asked for, as gRPC's metadata; the body of a problem says the same.
pub(crate) fn write_step_up(refusal: &Refusal<'_>, headers: &mut HeaderMap) {
    let action = refusal.action().map(HeaderValue::try_from);
    if let Some(Ok(action)) = action {
        headers.insert("fountain-step-up-action", action);
    }
    let resource = refusal.resource().map(|resource| {
        HeaderValue::try_from(base64_simd::STANDARD_NO_PAD.encode_to_string(resource))
    });
    if let Some(Ok(resource)) = resource {
        headers.insert("fountain-step-up-resource-bin", resource);
    }
}
