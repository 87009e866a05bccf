//! A whole request through the authentication layer, against the same router without it.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use fountain_tower::AuthLayer;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode};
use tower_service::Service;

use super::Remembering;
use crate::world::now_or_never;
use crate::{Case, Group, Role, Target};

pub(super) fn token_seen_before(name: &'static str) -> Group {
    group(name, Target::Added(500.0), |service| service.token(0))
}

pub(super) fn api_key_seen_before(name: &'static str) -> Group {
    // 100 ns more than with a token: as much as its look-up may take longer.
    group(name, Target::Added(600.0), |service| service.api_key(0))
}

fn group(name: &'static str, target: Target, credential: fn(&Remembering) -> String) -> Group {
    let service = Remembering::new(100);
    let header = format!("Bearer {}", credential(&service));
    let header = HeaderValue::try_from(header).unwrap();
    let router = || Router::new().route("/orders", get(|| async { "ok" }));
    let layer = AuthLayer::for_fountain(&service.fountain)
        .realm("orders")
        .build()
        .unwrap();
    let bare = asked(router(), header.clone());
    let layered = asked(router().layer(layer), header);
    Group {
        name,
        target,
        cases: vec![
            Case::new(Role::Limit, "axum alone", bare),
            Case::new(Role::Ours, "axum behind AuthLayer", layered),
        ],
    }
}

fn asked(mut router: Router, header: HeaderValue) -> impl FnMut() {
    move || {
        let request = Request::get("/orders").header(AUTHORIZATION, header.clone());
        let request = request.body(Body::empty()).unwrap();
        let response = now_or_never(router.call(request)).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}
