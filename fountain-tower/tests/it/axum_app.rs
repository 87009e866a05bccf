//! A whole axum application: routes, extractors, requirements.

use axum::Router;
use axum::routing::{get, post};
use axum_core::body::Body as AxumBody;
use fountain_core::access::{Authorized, Require, Requirement};
use fountain_tower::axum::{Authenticated, Authorize};
use fountain_tower::{Answers, ProblemJson, RequireLayer};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::ServiceExt;

use crate::support::{ADMIN, Desk, FRESH, GOOD, Hand, catalog, layer};

struct RotateKeys;

impl Require for RotateKeys {
    fn requirement() -> Requirement {
        Requirement::permission("keys:rotate")
    }
}

fn rotate(by: &Authorized<RotateKeys>) -> String {
    format!("rotated by {}", by.principal().subject())
}

fn routes() -> Router {
    let admin = catalog()
        .compile(&Requirement::permission("keys:rotate"))
        .unwrap();
    Router::new()
        .route("/admin", get(|| async { "admin" }))
        .route_layer(RequireLayer::new(admin))
        .route(
            "/whoami",
            get(|Authenticated(p): Authenticated| async move { p.subject().to_string() }),
        )
        .route(
            "/maybe",
            get(|caller: Option<Authenticated>| async move {
                caller.map_or("nobody".to_owned(), |Authenticated(p)| {
                    p.subject().to_string()
                })
            }),
        )
        .route(
            "/rotate",
            post(|Authorize(proof): Authorize<RotateKeys>| async move { rotate(&proof) }),
        )
        .route(
            "/refuse",
            get(|answers: Answers| async move {
                let rejection =
                    fountain_core::Rejection::unavailable(fountain_core::Reason::StoreUnavailable);
                answers.respond::<AxumBody>(&ProblemJson, &rejection, None)
            }),
        )
        .fallback(|| async { http::StatusCode::NOT_FOUND })
}

async fn ask(app: Router, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response: Response<AxumBody> = app
        .oneshot(request.body(AxumBody::empty()).unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn app() -> Router {
    routes().layer(layer(Desk::waiting(1)))
}

fn open_app() -> Router {
    routes().layer(layer(Desk::waiting(1)).optional())
}

#[tokio::test]
async fn handlers_get_the_principal() {
    assert_eq!(
        ask(app(), "GET", "/whoami", Some(FRESH)).await,
        (200, "fresh".into())
    );
    assert_eq!(ask(app(), "GET", "/whoami", None).await.0, 401);
    assert_eq!(ask(open_app(), "GET", "/whoami", None).await.0, 401);
    assert_eq!(
        ask(open_app(), "GET", "/maybe", None).await,
        (200, "nobody".into())
    );
    assert_eq!(
        ask(open_app(), "GET", "/maybe", Some(GOOD)).await,
        (200, "billing".into())
    );
    assert_eq!(ask(open_app(), "GET", "/maybe", Some("bad")).await.0, 401);
}

/// L-05
#[tokio::test]
async fn the_witness_comes_only_to_who_meets_the_requirement() {
    assert_eq!(
        ask(app(), "POST", "/rotate", Some(ADMIN)).await,
        (200, "rotated by root".into())
    );
    let (status, body) = ask(app(), "POST", "/rotate", Some(GOOD)).await;
    assert_eq!(status, 403);
    assert!(body.contains("\"scope\":\"keys:rotate\""), "{body}");
    assert_eq!(ask(open_app(), "POST", "/rotate", None).await.0, 401);
}

/// B-71: the policy belongs to the route, so that no spelling of a path gets past it.
#[tokio::test]
async fn no_spelling_of_a_path_gets_past_a_routes_requirement() {
    assert_eq!(ask(app(), "GET", "/admin", Some(ADMIN)).await.0, 200);
    assert_eq!(ask(app(), "GET", "/admin", Some(GOOD)).await.0, 403);
    for path in [
        "/admin/",
        "//admin",
        "/ADMIN",
        "/admin/%2e%2e/x",
        "/admin/../admin",
        "/%61dmin",
        "/admin;x",
        "/admin%00",
        "/./admin",
        "/admin?x",
        "/admin//",
    ] {
        let (status, body) = ask(app(), "GET", path, Some(GOOD)).await;
        assert!(matches!(status, 403 | 404), "{path}: {status} {body}");
        assert_eq!(ask(app(), "GET", path, None).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn without_the_layer_extractors_say_what_to_add() {
    for (method, path) in [
        ("GET", "/whoami"),
        ("GET", "/maybe"),
        ("POST", "/rotate"),
        ("GET", "/refuse"),
        ("GET", "/admin"),
    ] {
        let (status, body) = ask(routes(), method, path, Some(ADMIN)).await;
        assert_eq!(status, 500, "{path}");
        assert!(body.contains("AuthLayer"), "{body}");
    }
}

#[tokio::test]
async fn a_witness_without_a_catalogue_says_what_to_add() {
    let auth = fountain_tower::AuthLayer::builder(std::sync::Arc::new(Desk::new()))
        .timer(std::sync::Arc::new(Hand::default()))
        .build()
        .unwrap();
    let (status, body) = ask(routes().layer(auth), "POST", "/rotate", Some(ADMIN)).await;
    assert_eq!(status, 500);
    assert!(body.contains("catalogue"), "{body}");
}

#[tokio::test]
async fn a_handler_refuses_in_the_layers_form() {
    let (status, body) = ask(app(), "GET", "/refuse", Some(GOOD)).await;
    assert_eq!(status, 503);
    assert!(body.contains("urn:fountain:problem:unavailable"));
}
