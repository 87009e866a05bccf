//! The layer in front of a real `Fountain`: keys and tokens, issued, rotated and revoked while it runs.

use std::convert::Infallible;
use std::sync::Arc;

use fountain_core::access::{Authority, Requirement, RoleCatalog};
use fountain_core::api_key::{NewApiKey, Rotation};
use fountain_core::identity::{ClientId, Scope, Subject};
use fountain_core::memory::MemoryStore;
use fountain_core::seal::LocalKeys;
use fountain_core::token::NewTokens;
use fountain_core::{Actor, Fountain, ManualClock, OsRandom, Principal, Tenant, Timestamp};
use fountain_tower::{AuthLayer, RequireLayer};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Body, Hand, bearer, with};

async fn fountain() -> Fountain {
    Fountain::builder(Arc::new(MemoryStore::new()))
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(
            RoleCatalog::builder()
                .permissions(["orders:read", "orders:write"])
                .build()
                .unwrap(),
        )
        .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom)).unwrap()))
        .clock(Arc::new(ManualClock::at(Timestamp::from_unix_seconds(
            1_700_000_000,
        ))))
        .build()
        .await
        .unwrap()
}

/// Asks for `orders:read`.
async fn ask(fountain: &Fountain, request: Request<Body>) -> Response<Body> {
    let read = fountain
        .roles()
        .compile(&Requirement::permission("orders:read"))
        .unwrap();
    let auth = AuthLayer::for_fountain(fountain)
        .timer(Arc::new(Hand::default()))
        .build()
        .unwrap();
    let handler = service_fn(|request: Request<Body>| async move {
        let principal = request.extensions().get::<Principal>().unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(principal.subject().to_string())))
    });
    auth.layer(RequireLayer::new(read).layer(handler))
        .oneshot(request)
        .await
        .unwrap()
}

fn key(text: &str) -> Request<Body> {
    with(&[("x-api-key", text.as_bytes())])
}

async fn subject(response: Response<Body>) -> String {
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// L-05: a key and a token of the same rights are the same to a handler.
#[tokio::test]
async fn a_key_and_a_token_are_both_a_principal() {
    let fountain = fountain().await;
    let new = NewApiKey::for_service("billing").scope("orders:read");
    let issued = fountain
        .api_keys()
        .issue(Authority::System, &Tenant::default(), new)
        .await
        .unwrap();
    for _ in 0..2 {
        let response = ask(&fountain, key(issued.key.expose())).await;
        assert_eq!(subject(response).await, "billing");
        assert_eq!(
            subject(ask(&fountain, bearer(issued.key.expose())).await).await,
            "billing"
        );
    }

    let token = async |scope: &str| {
        let new = NewTokens::new(Subject::new("ann").unwrap(), ClientId::new("web").unwrap())
            .scope(Scope::new(scope).unwrap());
        let issued = fountain.tokens().issue(&Actor::System, new).await.unwrap();
        issued.access.access_token.expose().to_owned()
    };
    let reads = token("orders:read").await;
    for _ in 0..2 {
        assert_eq!(subject(ask(&fountain, bearer(&reads)).await).await, "ann");
    }
    let writes = token("orders:write").await;
    assert_eq!(ask(&fountain, bearer(&writes)).await.status(), 403);
}

/// R-35, B-53: a key that was revoked, and one that never was: the same bytes.
#[tokio::test]
async fn a_revoked_key_is_refused_like_one_that_never_was() {
    let fountain = fountain().await;
    let tenant = Tenant::default();
    let new = NewApiKey::for_service("billing").scope("orders:read");
    let issued = fountain
        .api_keys()
        .issue(Authority::System, &tenant, new)
        .await
        .unwrap();
    assert_eq!(ask(&fountain, key(issued.key.expose())).await.status(), 200);
    fountain
        .api_keys()
        .revoke(Authority::System, &tenant, &issued.record.id)
        .await
        .unwrap();
    let mut answers = Vec::new();
    for text in [issued.key.expose(), "fnt_live_madeup", ""] {
        let (parts, body) = ask(&fountain, key(text)).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        answers.push((parts.status, parts.headers, body));
    }
    assert_eq!(answers[0].0, 401);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

///
#[tokio::test]
async fn the_holder_of_a_rotated_key_learns_its_end_from_the_answer() {
    let fountain = fountain().await;
    let tenant = Tenant::default();
    let new = NewApiKey::for_service("billing").scope("orders:read");
    let issued = fountain
        .api_keys()
        .issue(Authority::System, &tenant, new)
        .await
        .unwrap();
    let rotated = fountain
        .api_keys()
        .rotate(
            Authority::System,
            &tenant,
            &issued.record.id,
            Rotation::new(),
        )
        .await
        .unwrap();
    for _ in 0..2 {
        let old = ask(&fountain, key(issued.key.expose())).await;
        assert_eq!(old.status(), 200);
        let end = rotated.previous_valid_until.as_unix_seconds();
        assert_eq!(old.headers()["deprecation"], format!("@{end}"));
        assert!(old.headers().contains_key("sunset"));
    }
    let new = ask(&fountain, key(rotated.key.expose())).await;
    assert_eq!(new.status(), 200);
    assert!(!new.headers().contains_key("deprecation"));
}
