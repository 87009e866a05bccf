//! What a client sees of each decision.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use fountain_core::access::Requirement;
use fountain_core::{Principal, RejectionKind};
use fountain_tower::{AuthLayer, DEFAULT_IDENTITY_HEADERS, RequireLayer};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{
    ADMIN, Body, DOWN, Desk, ENDS_AT, FRESH, GOOD, Hand, ROTATED, ROTATED_FRESH, bare, bearer,
    catalog, layer, with,
};

type Answer = (u16, HeaderMap, Bytes);
type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// Answers with the subject, and the request's headers repeated with `seen-` in front.
async fn show(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let principal = request.extensions().get::<Principal>();
    let name = principal.map_or("nobody".to_owned(), |p| p.subject().to_string());
    let mut response = Response::new(Body::from(name));
    for (name, value) in request.headers() {
        let name = http::HeaderName::try_from(format!("seen-{name}")).unwrap();
        response.headers_mut().append(name, value.clone());
    }
    Ok(response)
}

async fn send(layer: AuthLayer, request: Request<Body>) -> Answer {
    let response = layer
        .layer(service_fn(show))
        .oneshot(request)
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, body)
}

async fn answer(request: Request<Body>) -> Answer {
    send(layer(Desk::new()), request).await
}

#[tokio::test]
async fn who_shows_a_good_credential_is_known_to_the_handler() {
    for (request, name) in [
        (with(&[("x-api-key", GOOD.as_bytes())]), "billing"),
        (bearer(GOOD), "billing"),
        (bearer(ADMIN), "root"),
        (bearer(FRESH), "fresh"),
    ] {
        let (status, _, body) = answer(request).await;
        assert_eq!((status, body.as_ref()), (200, name.as_bytes()));
    }
}

/// an unknown key, a forged token, another brand: the same bytes.
#[tokio::test]
async fn every_credential_that_is_not_good_gets_the_same_bytes() {
    let expected = answer(bearer("CANARY.forged.token")).await;
    assert_eq!(expected.0, 401);
    for request in [
        bearer("fnt_test_CANARYunknown"),
        bearer("a"),
        with(&[("x-api-key", b"")]),
        with(&[("x-api-key", b"fnt_")]),
        with(&[("x-api-key", b"fnt_test_CANARYunknown")]),
        with(&[("x-api-key", b"other_live_CANARY")]),
        with(&[("x-api-key", ADMIN.as_bytes())]),
    ] {
        assert_eq!(answer(request).await, expected);
    }
}

/// B-67, through the whole layer, with the kind of answer for each.
#[tokio::test]
async fn hostile_authorization_headers() {
    let long = [b"Bearer ".as_slice(), &[b'a'; 64 * 1024]].concat();
    let good = format!("bEaReR {GOOD}");
    let bearer_good = format!("Bearer {GOOD}");
    #[rustfmt::skip]
    let cases: [(Headers<'_>, u16, &str); 10] = [
        (&[("authorization", bearer_good.as_bytes()), ("authorization", bearer_good.as_bytes())], 400, "invalid_request"),
        (&[("authorization", bearer_good.as_bytes()), ("x-api-key", GOOD.as_bytes())], 400, "invalid_request"),
        (&[("x-api-key", GOOD.as_bytes()), ("x-api-key", GOOD.as_bytes())], 400, "invalid_request"),
        (&[("authorization", b"Bearer")], 400, "invalid_request"),
        (&[("authorization", b"Bearer  x")], 400, "invalid_request"),
        (&[("authorization", b"Basic dTpw")], 401, "missing_credentials"),
        (&[("authorization", good.as_bytes())], 200, ""),
        (&[("authorization", &long)], 400, "invalid_request"),
        (&[("authorization", b"Bearer \xff\xfe")], 400, "invalid_request"),
        (&[], 401, "missing_credentials"),
    ];
    for (headers, expected, code) in cases {
        let (status, headers, body) = answer(with(headers)).await;
        assert_eq!(status, expected, "{code}");
        assert_eq!(status != 200, headers.contains_key("www-authenticate"));
        if status != 200 {
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["code"], code);
        }
    }
}

/// R-37, B-52: not used, and not mistaken for anonymous either.
#[tokio::test]
async fn a_misplaced_credential_is_refused_even_where_none_is_needed() {
    let query = |q: &str| {
        Request::get(format!("/?{q}"))
            .body(Body::default())
            .unwrap()
    };
    for auth in [layer(Desk::new()), layer(Desk::new()).optional()] {
        for request in [
            query(&format!("key={GOOD}")),
            query("access_token=eyJh.eyJz.c2ln"),
            with(&[("cookie", format!("a=b; session={GOOD}").as_bytes())]),
        ] {
            assert_eq!(send(auth.clone(), request).await.0, 401);
        }
        // Beside a good header it does nothing.
        let mut request = query("access_token=eyJh.eyJz.c2ln");
        request
            .headers_mut()
            .insert("x-api-key", GOOD.parse().unwrap());
        assert_eq!(send(auth, request).await.2, "billing");
    }
    // In a body it is never looked for.
    let body = Request::post("/")
        .body(Body::from(format!("access_token={GOOD}")))
        .unwrap();
    assert_eq!(send(layer(Desk::new()).optional(), body).await.2, "nobody");
}

#[tokio::test]
async fn optional_means_absent_and_never_invalid() {
    let optional = || layer(Desk::new()).optional();
    assert_eq!(send(optional(), bare()).await.2, "nobody");
    assert_eq!(send(optional(), bearer(ADMIN)).await.2, "root");
    for (request, status) in [
        (bearer("CANARY.bad"), 401),
        (bearer(DOWN), 503),
        (with(&[("authorization", b"Basic dTpw")]), 401),
        (with(&[("authorization", b"Bearer")]), 400),
        (with(&[("x-api-key", b"")]), 401),
    ] {
        assert_eq!(send(optional(), request).await.0, status);
    }
}

/// a store that does not answer is 503 with Retry-After, never somebody and never nobody.
#[tokio::test]
async fn a_backend_that_does_not_answer_is_503() {
    let (status, headers, _) = answer(bearer(DOWN)).await;
    assert_eq!(status, 503);
    assert_eq!(headers["retry-after"], "1");
    assert!(!headers.contains_key("www-authenticate"));
}

/// R-87, B-69
#[tokio::test]
async fn inbound_identity_headers_never_arrive() {
    for credential in [GOOD, FRESH] {
        let mut request = bearer(credential);
        for name in DEFAULT_IDENTITY_HEADERS {
            request.headers_mut().insert(*name, "root".parse().unwrap());
        }
        let (status, headers, _) = send(layer(Desk::waiting(1)), request).await;
        assert_eq!(status, 200);
        let seen: Vec<_> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("seen-"))
            .collect();
        assert_eq!(seen, ["seen-authorization"]);
    }
    let mut request = bare();
    request
        .headers_mut()
        .insert("x-user-id", "root".parse().unwrap());
    let (_, headers, body) = send(layer(Desk::new()).optional(), request).await;
    assert_eq!(body, "nobody");
    assert!(!headers.contains_key("seen-x-user-id"));
}

#[tokio::test]
async fn a_host_chooses_what_is_stripped_even_the_credential() {
    let auth = AuthLayer::builder(Arc::new(Desk::new()))
        .timer(Arc::new(Hand::default()))
        .identity_headers(["X-Company-User", "Authorization"])
        .build()
        .unwrap();
    let mut request = bearer(GOOD);
    request
        .headers_mut()
        .insert("x-company-user", "root".parse().unwrap());
    let (_, headers, body) = send(auth, request).await;
    assert_eq!(body, "billing");
    assert!(
        !headers.contains_key("seen-x-company-user") && !headers.contains_key("seen-authorization")
    );
}

/// What an outer layer put there is no decision of ours.
#[tokio::test]
async fn a_principal_from_elsewhere_is_removed() {
    let forged = Desk::new().principal("forged", &["admin"]);
    let mut request = bare();
    request.extensions_mut().insert(forged.clone());
    assert_eq!(
        send(layer(Desk::new()).optional(), request).await.2,
        "nobody"
    );
    let mut request = bearer(FRESH);
    request.extensions_mut().insert(forged);
    assert_eq!(answer(request).await.2, "fresh");
}

#[tokio::test]
async fn the_holder_of_a_rotated_key_is_told_when_it_ends() {
    for key in [ROTATED, ROTATED_FRESH] {
        let (status, headers, _) = answer(bearer(key)).await;
        assert_eq!(status, 200);
        assert_eq!(headers["deprecation"], format!("@{ENDS_AT}"));
        assert_eq!(headers["sunset"], "Tue, 14 Nov 2023 22:13:20 GMT");
    }
    let (_, headers, _) = answer(bearer(GOOD)).await;
    assert!(!headers.contains_key("deprecation") && !headers.contains_key("sunset"));
}

#[tokio::test]
async fn a_requirement_refuses_who_may_not_and_who_is_nobody() {
    let require = RequireLayer::new(
        catalog()
            .compile(&Requirement::permission("keys:rotate"))
            .unwrap(),
    );
    let service = layer(Desk::new())
        .optional()
        .layer(require.layer(service_fn(show)));
    for (request, status, challenge) in [
        (bearer(ADMIN), 200, ""),
        (
            bearer(GOOD),
            403,
            "Bearer realm=\"x\", error=\"insufficient_scope\", scope=\"keys:rotate\"",
        ),
        (bare(), 401, "Bearer realm=\"x\""),
    ] {
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        let first = response.headers().get("www-authenticate");
        assert_eq!(first.map_or("", |value| value.to_str().unwrap()), challenge);
    }
}

/// A requirement without the layer that finds principals out lets nobody through, even with a principal at hand.
#[tokio::test]
async fn a_requirement_without_authentication_is_500() {
    let require = RequireLayer::new(catalog().compile(&Requirement::authenticated()).unwrap());
    let mut request = bare();
    request
        .extensions_mut()
        .insert(Desk::new().principal("forged", &["admin"]));
    let response = require
        .layer(service_fn(show))
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 500);
    assert!(!response.headers().contains_key("retry-after"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("AuthLayer"));
}

#[test]
fn a_handler_can_refuse_in_the_same_form() {
    let auth = layer(Desk::new());
    let rejection = fountain_core::Rejection::new(
        RejectionKind::MissingCredential,
        fountain_core::Reason::CredentialMissing,
    );
    let response: Response<Bytes> =
        auth.answers()
            .respond(&fountain_tower::ProblemJson, &rejection, None);
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"x\"");
}

#[test]
fn every_mistake_of_a_builder_is_told_at_once() {
    let error = AuthLayer::builder(Arc::new(Desk::new()))
        .timer(Arc::new(Hand::default()))
        .realm("a\"b")
        .problem_types("a b")
        .api_key_brand("f_t")
        .identity_headers(["a b"])
        .deadline(std::time::Duration::from_secs(4))
        .build()
        .unwrap_err();
    assert_eq!(error.iter().count(), 5, "{error}");
}

/// without tokio there is no deadline by itself, and no layer without a deadline.
#[cfg(not(feature = "tokio"))]
#[test]
fn a_layer_without_a_timer_is_not_built() {
    let error = AuthLayer::builder(Arc::new(Desk::new()))
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("timer is missing"), "{error}");
}

proptest! {
    /// No header makes the layer panic, and none but a good credential reaches the service.
    #[test]
    fn any_request_is_decided(
        authorization in proptest::collection::vec("[ -~]{0,40}|(bearer|Basic) [ -~]{0,20}", 0..3),
        key in proptest::collection::vec("[ -~]{0,40}|fnt_[a-z]{0,9}", 0..3),
        query in "[a-z=&_]{0,30}",
    ) {
        let mut request = Request::get(format!("/?{query}"));
        for value in &authorization {
            request = request.header("authorization", value);
        }
        for value in &key {
            request = request.header("x-api-key", value);
        }
        let request = request.body(Body::default()).unwrap();
        let call = layer(Desk::new()).layer(service_fn(show)).oneshot(request);
        let status = tokio_test::block_on(call).unwrap().status();
        prop_assert!(matches!(status.as_u16(), 400 | 401));
    }
}
