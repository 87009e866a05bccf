use http::Method;
use serde_json::{Value, json};

use crate::support::World;

#[tokio::test]
async fn a_key_is_shown_once_listed_without_its_text_and_revoked_for_good() {
    for world in World::all().await {
        let body = json!({ "name": "billing", "scopes": ["orders:read"], "expires_in": "30d" });
        let issued = world.post("/v1/keys", &world.admin, body).await;
        assert_eq!(issued.status, 201);
        assert_eq!(issued.header("cache-control"), "no-store");
        let (id, key) = (issued.string("id"), issued.string("key"));
        assert!(key.starts_with(&issued.string("prefix")));
        assert!(issued.string("expires_at").ends_with('Z'));

        let path = format!("/v1/keys/{id}");
        let shown = world.get(&path, &world.admin).await;
        assert_eq!(shown.status, 200);
        assert_eq!(shown.json()["scopes"], json!(["orders:read"]));
        let listed = world.get("/v1/keys", &world.admin).await;
        assert!(listed.text.contains(&id));
        for text in [&shown.text, &listed.text] {
            assert!(!text.contains(&key) && !text.contains("digest"));
        }

        assert_eq!(world.get("/demo/orders", &key).await.status, 200);
        for _ in 0..2 {
            assert_eq!(world.delete(&path, &world.admin).await.status, 204);
            world
                .get("/demo/orders", &key)
                .await
                .is_problem(401, "invalid_token");
        }
        let absent = world.get("/v1/keys/0123456789abcdef", &world.admin).await;
        absent.is_problem(404, "not_found");
        let absent = world.delete("/v1/keys/not-an-id", &world.admin).await;
        absent.is_problem(404, "not_found");
        world.stop().await;
    }
}

#[tokio::test]
async fn nobody_issues_more_than_they_have_or_what_is_not_there() {
    let world = World::in_memory().await;
    let (_, weaker) = world.key(&["keys:manage", "orders:read"]).await;
    let ask =
        |scopes: &[&str], life: &str| json!({ "name": "x", "scopes": scopes, "expires_in": life });
    let same = world
        .post("/v1/keys", &weaker, ask(&["orders:read"], "1h"))
        .await;
    assert_eq!(same.status, 201);
    let more = world
        .post("/v1/keys", &weaker, ask(&["orders:write"], "1h"))
        .await;
    more.is_problem(403, "forbidden");
    for body in [
        ask(&["orders:eat"], "1h"),
        ask(&["orders:read"], "1 hour"),
        ask(&["orders:read"], "0s"),
        json!({ "name": "x" }),
        json!({ "name": "x", "scopes": [], "rotate_every": "30d" }),
    ] {
        world
            .post("/v1/keys", &weaker, body)
            .await
            .is_problem(422, "invalid_field");
    }
    world.stop().await;
}

#[tokio::test]
async fn lists_go_on_where_they_stopped() {
    for world in World::all().await {
        for _ in 0..4 {
            world.key(&["orders:read"]).await;
        }
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = world
                .get(&format!("/v1/keys?limit=2{after}"), &world.admin)
                .await
                .json();
            for item in page["items"].as_array().unwrap() {
                seen.push(item["id"].as_str().unwrap().to_owned());
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        // Four, and the one that the service began with.
        assert_eq!(seen.len(), 5);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5);
        for bad in ["limit=0", "after=x", "after=1.x", "page=2"] {
            let answer = world.get(&format!("/v1/keys?{bad}"), &world.admin).await;
            answer.is_problem(422, "invalid_field");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn rotation_needs_the_permission_first_and_then_a_fresh_second_factor() {
    for world in World::all().await {
        let (id, key) = world.key(&["orders:read"]).await;
        let path = format!("/v1/keys/{id}/rotate");

        let (clerk, _) = world.tokens("clara", "clerk").await;
        world
            .post(&path, &clerk, json!({}))
            .await
            .is_problem(403, "insufficient_scope");

        // No person is behind a key, who could step up.
        world
            .post(&path, &world.admin, json!({}))
            .await
            .is_problem(401, "invalid_token");
        let (plain, _) = world.tokens("root", "admin").await;
        for grant in ["", "fsu1.forged"] {
            let refused = world.post_with(&path, &plain, grant, json!({})).await;
            refused.is_problem(401, "insufficient_user_authentication");
            let challenge = refused.header("www-authenticate");
            assert!(
                challenge.contains("acr_values=\"urn:fountain:acr:mfa\""),
                "{challenge}"
            );
            assert!(challenge.contains("max_age=\"120\""), "{challenge}");
            let body = refused.json();
            assert_eq!(body["action"], "keys:rotate");
            assert_eq!(body["resource"], id.as_str());
            assert_eq!(body["acr_values"], "urn:fountain:acr:mfa");
            assert_eq!(body["max_age"], 120);
        }

        let mut boss = world.boss().await;
        let grant = boss.grant(&world, "keys:rotate", Some(&id)).await;
        let token = &boss.token;
        let rotate = async |path: &str, grant: &str, overlap: Value| {
            let body = json!({ "overlap": overlap });
            world.post_with(path, token, grant, body).await
        };
        // A body that cannot be read spends no grant.
        let bad = rotate(&path, &grant, json!(7)).await;
        bad.is_problem(422, "invalid_field");
        // Nor does another key.
        let absent = rotate("/v1/keys/0123456789abcdef/rotate", &grant, json!("1h")).await;
        absent.is_problem(401, "insufficient_user_authentication");
        let rotated = rotate(&path, &grant, json!("1h")).await;
        assert_eq!(rotated.status, 200, "{rotated:?}");
        assert_eq!(rotated.header("cache-control"), "no-store");
        assert_eq!(rotated.string("previous"), id);
        let successor = rotated.string("key");
        let old = world.get("/demo/orders", &key).await;
        assert_eq!(old.status, 200);
        assert!(old.headers.contains_key("sunset"));
        assert_eq!(world.get("/demo/orders", &successor).await.status, 200);
        let again = rotate(&path, &grant, json!("1h")).await;
        again.is_problem(401, "insufficient_user_authentication");
        let grant = boss.grant(&world, "keys:rotate", Some(&id)).await;
        let again = world.post_with(&path, &boss.token, &grant, json!({})).await;
        again.is_problem(409, "conflict");
        let absent = "0123456789abcdef";
        let grant = boss.grant(&world, "keys:rotate", Some(absent)).await;
        let path = format!("/v1/keys/{absent}/rotate");
        let absent = world.post_with(&path, &boss.token, &grant, json!({})).await;
        absent.is_problem(404, "not_found");
        world.stop().await;
    }
}

#[tokio::test]
async fn signing_keys_rotate_and_end_only_after_step_up() {
    for world in World::all().await {
        let set = world.get("/.well-known/jwks.json", "").await.json();
        let kid = set["keys"][0]["kid"].as_str().unwrap().to_owned();
        let ended = format!("/v1/signing-keys/{kid}");

        let (plain, _) = world.tokens("root", "admin").await;
        let refused = world
            .post("/v1/signing-keys/rotate", &plain, json!({}))
            .await;
        refused.is_problem(401, "insufficient_user_authentication");
        assert_eq!(refused.json()["action"], "signing-keys:rotate");
        assert!(refused.json().get("resource").is_none());
        let refused = world.delete(&ended, &plain).await;
        refused.is_problem(401, "insufficient_user_authentication");
        assert_eq!(refused.json()["action"], "signing-keys:delete");
        assert_eq!(refused.json()["resource"], kid.as_str());

        let mut boss = world.boss().await;
        let rotate = "/v1/signing-keys/rotate";
        let grant = boss.grant(&world, "signing-keys:rotate", None).await;
        let next = world
            .post_with(rotate, &boss.token, &grant, json!({}))
            .await;
        assert_eq!(next.status, 200);
        assert!(next.string("activate_from").ends_with('Z'));
        let grant = boss.grant(&world, "signing-keys:rotate", None).await;
        let again = world
            .post_with(rotate, &boss.token, &grant, json!({}))
            .await;
        assert_eq!(again.string("kid"), next.string("kid"));
        let set = world.get("/.well-known/jwks.json", "").await;
        assert!(set.text.contains(&next.string("kid")) && set.text.contains(&kid));

        let grant = boss
            .grant(&world, "signing-keys:delete", Some("nobody"))
            .await;
        let delete = async |path: &str, token: &str, grant: &str| {
            world
                .call_with(Method::DELETE, path, token, grant, None)
                .await
        };
        let absent = delete("/v1/signing-keys/nobody", &boss.token, &grant).await;
        absent.is_problem(404, "not_found");
        let grant = boss.grant(&world, "signing-keys:delete", Some(&kid)).await;
        assert_eq!(delete(&ended, &boss.token, &grant).await.status, 204);
        // The token that asked for it was signed by the key that ended.
        world
            .get("/v1/whoami", &boss.token)
            .await
            .is_problem(401, "invalid_token");
        assert!(
            !world
                .get("/.well-known/jwks.json", "")
                .await
                .text
                .contains(&kid)
        );
        boss.sign_in(&world).await;
        assert_eq!(world.get("/v1/whoami", &boss.token).await.status, 200);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_key_is_verified_for_who_may_ask() {
    let world = World::in_memory().await;
    let (_, asker) = world.key(&["keys:verify"]).await;
    let (id, key) = world.key(&["orders:read"]).await;
    let ask = |key: &str| json!({ "key": key });
    let good = world.post("/v1/keys/verify", &asker, ask(&key)).await;
    assert_eq!(good.status, 200);
    assert_eq!(
        good.json(),
        json!({ "valid": true, "id": id, "scopes": ["orders:read"] })
    );
    world.delete(&format!("/v1/keys/{id}"), &world.admin).await;
    let ended = world
        .post("/v1/keys/verify", &asker, ask(&key))
        .await
        .json();
    assert_eq!(ended["valid"], false);
    assert!(ended["reason"].is_string() && ended.get("id").is_none());
    let garbage = world
        .post("/v1/keys/verify", &asker, ask("garbage"))
        .await
        .json();
    assert_eq!(garbage["valid"], false);
    world.stop().await;
}
