use http::{Method, Request};
use serde_json::json;

use crate::support::World;

/// Every call that needs a credential, and a permission that is not enough for it.
const PROTECTED: [(&str, &str); 13] = [
    ("POST", "/v1/token/introspect"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys"),
    ("GET", "/v1/keys/0123456789abcdef"),
    ("POST", "/v1/keys/0123456789abcdef/rotate"),
    ("DELETE", "/v1/keys/0123456789abcdef"),
    ("POST", "/v1/keys/verify"),
    ("POST", "/v1/signing-keys/rotate"),
    ("DELETE", "/v1/signing-keys/some-kid"),
    ("POST", "/v1/subjects"),
    ("GET", "/v1/audit"),
    ("POST", "/v1/subjects/alice/unlock"),
    ("POST", "/v1/dev/subjects/alice"),
];

#[tokio::test]
async fn without_a_credential_each_call_is_401_and_with_a_weak_one_403() {
    for world in World::all().await {
        let (_, weak) = world.key(&["orders:read"]).await;
        for (method, path) in PROTECTED {
            let method: Method = method.parse().unwrap();
            let nobody = world.call(method.clone(), path, "", None).await;
            nobody.is_problem(401, "missing_credentials");
            let body = json!({ "broken": true });
            let refused = world.call(method, path, &weak, Some(body)).await;
            refused.is_problem(403, "insufficient_scope");
            assert!(refused.header("www-authenticate").contains("scope=\""));
        }
        let nobody = world.get("/v1/whoami", "").await;
        nobody.is_problem(401, "missing_credentials");
        world
            .get("/v1/whoami", "x.y.z")
            .await
            .is_problem(401, "invalid_token");
        world.stop().await;
    }
}

#[tokio::test]
async fn who_am_i_says_what_the_credential_is() {
    let world = World::in_memory().await;
    let (id, key) = world.key(&["orders:read"]).await;
    let answer = world.get("/v1/whoami", &key).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["subject"], "billing");
    assert_eq!(body["credential"], json!({ "kind": "api_key", "id": id }));
    let (token, _) = world.tokens("root", "admin").await;
    let body = world.get("/v1/whoami", &token).await.json();
    assert_eq!(body["roles"], json!(["admin"]));
    assert_eq!(body["amr"], json!(["pwd"]));
    assert_eq!(body["acr"], "urn:fountain:acr:single");
    world.stop().await;
}

#[tokio::test]
async fn anyone_may_ask_how_it_is() {
    for world in World::all().await {
        for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
            // An expired token in the header does not keep a probe out.
            assert_eq!(world.get(path, "x.y.z").await.status, 200, "{path}");
        }
        let metrics = world.get("/metrics", "").await;
        assert!(
            metrics.text.contains("fountain_api_key_changes_total"),
            "{metrics:?}"
        );
        // L-13: measured by buckets of which one ends at the bound.
        for line in [
            "# TYPE fountain_change_lag_seconds histogram",
            "fountain_change_lag_seconds_bucket{le=\"5\"} ",
            "fountain_changes_ahead_total 0",
        ] {
            assert!(metrics.text.contains(line), "{line} in {metrics:?}");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn metrics_are_not_for_what_a_proxy_passed_on() {
    let world = World::in_memory().await;
    for header in ["x-forwarded-for", "forwarded"] {
        let request = Request::get("/metrics").header(header, "127.0.0.1");
        let answer = world.send(request.body(String::new()).unwrap()).await;
        answer.is_problem(403, "forbidden");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_published_keys_are_revalidated_by_their_tag() {
    let world = World::on_sqlite().await;
    let set = world.get("/.well-known/jwks.json", "").await;
    assert_eq!(set.status, 200);
    assert_eq!(set.json()["keys"].as_array().unwrap().len(), 1);
    assert!(set.header("cache-control").contains("max-age=300"));
    let request =
        Request::get("/.well-known/jwks.json").header("if-none-match", set.header("etag"));
    let unchanged = world.send(request.body(String::new()).unwrap()).await;
    assert_eq!(
        (unchanged.status.as_u16(), unchanged.text.as_str()),
        (304, "")
    );
    let posted = world.post("/.well-known/jwks.json", "", json!({})).await;
    posted.is_problem(405, "method_not_allowed");
    world.stop().await;
}

/// Nothing runs in the page that is not a file of the service, and nobody frames it.
#[tokio::test]
async fn the_page_is_there_for_everybody_and_bound_to_this_service() {
    let world = World::in_memory().await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
    ] {
        let answer = world.get(path, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
    }
    let html = world.get("/", "").await.text;
    assert_eq!(
        html.matches("<script").count(),
        html.matches("<script src=\"/").count()
    );
    for inline in ["onclick", "onsubmit", "onload", "style=", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    let script = world.get("/page.js", "").await.text;
    assert!(!script.contains("innerHTML") && !script.contains("localStorage"));
    world.stop().await;
}

#[tokio::test]
async fn unknown_paths_methods_and_bodies_are_problems_too() {
    let world = World::in_memory().await;
    let admin = world.admin.clone();
    world
        .get("/v1/nothing", "")
        .await
        .is_problem(404, "not_found");
    world.get("/x", &admin).await.is_problem(404, "not_found");
    let wrong = world.get("/v1/subjects", &admin).await;
    wrong.is_problem(405, "method_not_allowed");
    assert!(wrong.header("allow").contains("POST"));

    let body = |content_type: &str, body: &str| {
        Request::post("/v1/subjects")
            .header("authorization", format!("Bearer {admin}"))
            .header("content-type", content_type)
            .body(body.to_owned())
            .unwrap()
    };
    let json_type = "application/json; charset=utf-8";
    for (request, status, code) in [
        (body(json_type, "{"), 400, "malformed_body"),
        (
            body(json_type, "{\"username\":\"a\"} x"),
            400,
            "malformed_body",
        ),
        (body(json_type, "{\"username\":7}"), 422, "invalid_field"),
        (
            body(json_type, "{\"username\":\"a b\"}"),
            422,
            "invalid_field",
        ),
        (
            body(json_type, "{\"username\":\"a\",\"roles\":[\"king\"]}"),
            422,
            "invalid_field",
        ),
        (
            body(json_type, "{\"username\":\"a\",\"canary\":1}"),
            422,
            "invalid_field",
        ),
        (
            body(json_type, "{\"username\":\"a\",\"password\":\"canary\"}"),
            422,
            "invalid_field",
        ),
        (body("text/plain", "{}"), 415, "unsupported_media_type"),
        (
            body(json_type, &" ".repeat(64 * 1024 + 1)),
            413,
            "too_large",
        ),
    ] {
        let answer = world.send(request).await;
        answer.is_problem(status, code);
        assert!(!answer.text.contains("canary"));
    }
    let unreadable = world.get("/v1/keys/%ff", &admin).await;
    unreadable.is_problem(404, "not_found");
    let two = Request::get("/v1/whoami")
        .header("authorization", format!("Bearer {admin}"))
        .header("x-api-key", &admin);
    let answer = world.send(two.body(String::new()).unwrap()).await;
    answer.is_problem(400, "invalid_request");
    world.stop().await;
}

#[tokio::test]
async fn a_request_id_is_repeated() {
    let world = World::in_memory().await;
    let request = Request::get("/v1/nothing").header("x-request-id", "r-1");
    let answer = world.send(request.body(String::new()).unwrap()).await;
    assert_eq!(answer.header("x-request-id"), "r-1");
    world.stop().await;
}

#[tokio::test]
async fn orders_ask_for_a_scope_by_method() {
    let world = World::in_memory().await;
    let (_, reader) = world.key(&["orders:read"]).await;
    let (_, writer) = world.key(&["orders:write"]).await;
    for (method, may_read, may_write) in [
        (Method::GET, 200, 403),
        (Method::HEAD, 200, 403),
        (Method::POST, 403, 200),
        (Method::PUT, 403, 200),
        (Method::DELETE, 403, 200),
        (Method::OPTIONS, 403, 200),
    ] {
        for path in ["/demo/orders", "/demo/orders/7/items"] {
            let answer = world.call(method.clone(), path, &reader, None).await;
            assert_eq!(answer.status, may_read, "{method} {path}");
            let answer = world.call(method.clone(), path, &writer, None).await;
            assert_eq!(answer.status, may_write, "{method} {path}");
        }
    }
    world
        .get("/demo/orders", "")
        .await
        .is_problem(401, "missing_credentials");
    world.stop().await;
}

#[tokio::test]
async fn a_subject_is_registered_once() {
    for world in World::all().await {
        let alice = || json!({ "username": "alice", "roles": ["clerk"] });
        let first = world.post("/v1/subjects", &world.admin, alice()).await;
        assert_eq!(
            (first.status.as_u16(), first.string("id").as_str()),
            (201, "alice")
        );
        let again = world.post("/v1/subjects", &world.admin, alice()).await;
        again.is_problem(409, "conflict");
        let (_, weaker) = world.key(&["subjects:manage"]).await;
        let boss = json!({ "username": "boss", "roles": ["admin"] });
        world
            .post("/v1/subjects", &weaker, boss)
            .await
            .is_problem(403, "forbidden");
        world.stop().await;
    }
}

#[tokio::test]
async fn the_trail_shows_every_change_page_by_page() {
    for world in World::all().await {
        let (id, _) = world.key(&["orders:read"]).await;
        let (_, refresh) = world.tokens("alice", "clerk").await;
        world.delete(&format!("/v1/keys/{id}"), &world.admin).await;
        world
            .post("/v1/token/refresh", "", json!({ "refresh_token": refresh }))
            .await;
        let mut boss = world.boss().await;
        let grant = boss.grant(&world, "signing-keys:rotate", None).await;
        let rotate = "/v1/signing-keys/rotate";
        world
            .post_with(rotate, &boss.token, &grant, json!({}))
            .await;

        let (mut actions, mut after) = (Vec::new(), String::new());
        loop {
            let page = world
                .get(&format!("/v1/audit?limit=2{after}"), &world.admin)
                .await;
            let page = page.json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            for item in items {
                assert!(item["at"].as_str().unwrap().ends_with('Z'));
                actions.push(item["action"].as_str().unwrap().to_owned());
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        for action in [
            "api_key.issued",
            "api_key.revoked",
            "subject.registered",
            "token.issued",
            "token.refreshed",
            "signing_key.published",
            "credential.registered",
            "factor.enrolled",
            "factor.confirmed",
            "step_up.granted",
            "step_up.redeemed",
            "recovery_codes.replaced",
            "recovery_codes.used",
        ] {
            assert!(actions.iter().any(|a| a == action), "{action}: {actions:?}");
        }
        for bad in ["limit=0", "limit=1001", "limit=x", "after=x", "before=1"] {
            let answer = world.get(&format!("/v1/audit?{bad}"), &world.admin).await;
            answer.is_problem(422, "invalid_field");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn the_openapi_document_names_routes_that_are_there() {
    let world = World::in_memory().await;
    let document = world.get("/openapi.json", "").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{id}", "x").replace("{kid}", "x");
            let answer = world.call(method.clone(), &path, "", None).await;
            assert!(
                !matches!(answer.status.as_u16(), 404 | 405),
                "{method} {path}: {answer:?}"
            );
        }
    }
    for (method, path) in PROTECTED {
        let path = path
            .replace("0123456789abcdef", "{id}")
            .replace("some-kid", "{kid}")
            .replace("alice", "{id}");
        assert!(
            !document["paths"][&path][method.to_lowercase()].is_null(),
            "{method} {path}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn without_dev_there_is_no_admin_by_itself_and_no_aid() {
    let mut config = fountain_examples::service::Config::in_memory().unwrap();
    config.dev = false;
    let world = World::of(config, None).await;
    assert_eq!(world.admin, "");
    let answer = world
        .post("/v1/dev/subjects/alice", "", json!({ "enabled": true }))
        .await;
    answer.is_problem(404, "not_found");
    assert!(
        !world
            .get("/openapi.json", "")
            .await
            .text
            .contains("/v1/dev")
    );
    world.stop().await;
}
