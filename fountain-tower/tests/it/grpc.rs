//! Around a service that speaks gRPC's framing: a refusal is a trailers-only response.

use std::convert::Infallible;

use fountain_core::Principal;
use fountain_core::access::Requirement;
use fountain_tower::{Grpc, RequireLayer};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{ADMIN, Body, DOWN, Desk, FRESH, GOOD, Hand, bare, bearer, catalog, with};

async fn call(request: Request<Body>) -> Response<Body> {
    let auth = fountain_tower::AuthLayer::builder(std::sync::Arc::new(Desk::waiting(1)))
        .timer(std::sync::Arc::new(Hand::default()))
        .responder(Grpc)
        .build()
        .unwrap();
    let require = RequireLayer::new(
        catalog()
            .compile(&Requirement::permission("keys:rotate"))
            .unwrap(),
    )
    .responder(Grpc);
    let handler = service_fn(|request: Request<Body>| async move {
        assert!(request.extensions().get::<Principal>().is_some());
        Ok::<_, Infallible>(
            Response::builder()
                .header("grpc-status", "0")
                .body(Body::default())
                .unwrap(),
        )
    });
    auth.layer(require.layer(handler))
        .oneshot(request)
        .await
        .unwrap()
}

#[tokio::test]
async fn refusals_are_statuses_with_http_200() {
    for (request, status) in [
        (bearer(ADMIN), "0"),
        (bare(), "16"),
        (with(&[("authorization", b"Bearer")]), "3"),
        (bearer("CANARY.bad"), "16"),
        (bearer(GOOD), "7"),
        (bearer(FRESH), "7"),
        (bearer(DOWN), "14"),
    ] {
        let response = call(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], status);
    }
}

#[cfg(feature = "tonic")]
mod tonic_service {
    use fountain_core::access::{Require, Requirement};
    use fountain_core::{Reason, Rejection};
    use fountain_tower::Answers;
    use fountain_tower::tonic::{authorize, principal, status};
    use tonic::{Code, Request};
    use tower::{Layer, Service, ServiceExt};

    use super::*;
    use crate::support::layer;

    struct RotateKeys;

    impl Require for RotateKeys {
        fn requirement() -> Requirement {
            Requirement::permission("keys:rotate")
        }
    }

    /// What tonic's generated servers do: the parts of the HTTP request become those of a tonic request.
    async fn handle(
        auth: fountain_tower::AuthLayer,
        request: http::Request<Body>,
    ) -> Result<String, tonic::Status> {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
        let keep = std::sync::Arc::clone(&seen);
        let service = service_fn(move |request: http::Request<Body>| {
            let request = Request::from_parts(
                tonic::metadata::MetadataMap::from_headers(request.headers().clone()),
                request.extensions().clone(),
                (),
            );
            let name = principal(&request).map(|p| p.subject().to_string());
            let proof = authorize::<RotateKeys, _>(&request);
            *keep.lock().unwrap() = Some(name.and_then(|name| proof.map(|_| name)));
            async { Ok::<_, Infallible>(Response::new(Body::default())) }
        });
        auth.layer(service).oneshot(request).await.unwrap();
        seen.lock().unwrap().take().unwrap()
    }

    #[tokio::test]
    async fn a_handler_asks_for_the_principal_and_the_witness() {
        let auth = || layer(Desk::new()).optional();
        assert_eq!(handle(auth(), bearer(ADMIN)).await.unwrap(), "root");
        let denied = handle(auth(), bearer(GOOD)).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        let challenge = denied.metadata().get("www-authenticate").unwrap();
        assert!(
            challenge
                .to_str()
                .unwrap()
                .contains("scope=\"keys:rotate\"")
        );
        let nobody = handle(auth(), bare()).await.unwrap_err();
        assert_eq!(nobody.code(), Code::Unauthenticated);
    }

    #[test]
    fn without_the_layer_it_is_internal() {
        let error = principal(&Request::new(())).unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        assert!(error.message().contains("AuthLayer"));
        assert!(authorize::<RotateKeys, _>(&Request::new(())).is_err());
    }

    #[test]
    fn statuses_read_back_from_the_layers_answer() {
        let rejection = Rejection::invalid_token(Reason::TokenExpired);
        let response: Response<tonic::body::Body> =
            Answers::default().respond(&Grpc, &rejection, None);
        let read = tonic::Status::from_header_map(response.headers()).unwrap();
        assert_eq!(read.code(), Code::Unauthenticated);
        let made = status(&Answers::default(), &rejection);
        assert_eq!((made.code(), made.message()), (read.code(), read.message()));
    }

    /// The layer fits where tonic wants a service with its own body.
    #[test]
    fn the_layer_wraps_a_service_with_tonics_body() {
        fn fits<S>(_: S)
        where
            S: Service<
                    http::Request<tonic::body::Body>,
                    Response = Response<tonic::body::Body>,
                    Error = Infallible,
                > + Clone
                + Send
                + Sync
                + 'static,
            S::Future: Send + 'static,
        {
        }
        let auth = fountain_tower::AuthLayer::builder(std::sync::Arc::new(Desk::new()))
            .timer(std::sync::Arc::new(Hand::default()))
            .responder(Grpc)
            .build()
            .unwrap();
        fits(
            auth.layer(service_fn(|_: http::Request<tonic::body::Body>| async {
                Ok::<_, Infallible>(Response::new(tonic::body::Body::empty()))
            })),
        );
    }
}
