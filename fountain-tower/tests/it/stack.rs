use std::convert::Infallible;

use fountain_tower::StackLayer;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Body, Desk, GOOD, bare, bearer, layer};

async fn echo(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::default()))
}

#[tokio::test]
async fn every_answer_carries_a_request_id_refusals_in_the_body_too() {
    let service = StackLayer::new(layer(Desk::new())).layer(service_fn(echo));
    let good = service.clone().oneshot(bearer(GOOD)).await.unwrap();
    assert_eq!(good.status(), 200);
    let id = good.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()));

    let refused = service.clone().oneshot(bare()).await.unwrap();
    assert_eq!(refused.status(), 401);
    let id = refused.headers()["x-request-id"].clone();
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["request_id"], id.to_str().unwrap());

    let mut named = bare();
    named
        .headers_mut()
        .insert("x-request-id", "mine".parse().unwrap());
    let refused = service.oneshot(named).await.unwrap();
    assert_eq!(refused.headers()["x-request-id"], "mine");
}

/// what stands between sees the id, and no credential in any `Debug`.
#[tokio::test]
async fn what_stands_between_sees_the_id_and_no_credential() {
    let spy = tower::layer::layer_fn(|inner| {
        tower::util::MapRequest::new(inner, |request: Request<Body>| {
            let shown = format!("{request:?}");
            assert!(!shown.contains("CANARY"), "{shown}");
            assert!(request.headers().contains_key("x-request-id"));
            request
        })
    });
    let service = StackLayer::new(layer(Desk::new()))
        .between(spy)
        .layer(service_fn(echo));
    let mut request = bearer(GOOD);
    request
        .headers_mut()
        .insert("cookie", "CANARY=1".parse().unwrap());
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
}
