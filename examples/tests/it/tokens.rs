use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_refresh_token_is_replaced_and_one_that_comes_back_late_ends_its_family() {
    for world in World::all().await {
        let (access, first) = world.tokens("alice", "clerk").await;
        let refresh = async |token: &str| {
            let body = json!({ "refresh_token": token });
            world.post("/v1/token/refresh", "", body).await
        };
        let second = refresh(&first).await;
        assert_eq!(second.status, 200);
        assert_eq!(second.header("cache-control"), "no-store");
        assert_eq!(second.json()["token_type"], "Bearer");
        assert_eq!(second.json()["expires_in"], 600);
        // The same again at once: its answer was lost.
        let repeated = refresh(&first).await;
        assert_eq!(
            repeated.string("refresh_token"),
            second.string("refresh_token")
        );
        let third = refresh(&second.string("refresh_token")).await;
        assert_eq!(third.status, 200);
        // The grandparent: whoever has it is not who was given its successor.
        refresh(&first).await.is_problem(401, "invalid_grant");
        refresh(&third.string("refresh_token"))
            .await
            .is_problem(401, "invalid_grant");
        for token in [&access, &third.string("access_token")] {
            world
                .get("/v1/whoami", token)
                .await
                .is_problem(401, "invalid_token");
        }
        refresh("garbage").await.is_problem(401, "invalid_grant");
        world.stop().await;
    }
}

#[tokio::test]
async fn revoking_ends_the_family_and_never_says_what_the_token_was() {
    for world in World::all().await {
        let (access, refresh) = world.tokens("alice", "clerk").await;
        assert_eq!(world.get("/v1/whoami", &access).await.status, 200);
        for token in [&refresh, &refresh, "garbage"] {
            let answer = world
                .post("/v1/token/revoke", "", json!({ "token": token }))
                .await;
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
        }
        world
            .get("/v1/whoami", &access)
            .await
            .is_problem(401, "invalid_token");
        let body = json!({ "refresh_token": refresh });
        world
            .post("/v1/token/refresh", "", body)
            .await
            .is_problem(401, "invalid_grant");
        world.stop().await;
    }
}

#[tokio::test]
async fn introspection_says_of_a_dead_token_only_that() {
    let world = World::in_memory().await;
    let (_, asker) = world.key(&["tokens:introspect"]).await;
    let (access, refresh) = world.tokens("alice", "clerk").await;
    let ask = async |token: &str| {
        let body = json!({ "token": token });
        world.post("/v1/token/introspect", &asker, body).await
    };
    let alive = ask(&access).await;
    assert_eq!(alive.status, 200);
    assert_eq!(alive.header("cache-control"), "no-store");
    assert_eq!(alive.json()["active"], true);
    assert_eq!(alive.json()["sub"], "alice");
    assert_eq!(ask(&refresh).await.json()["active"], true);
    world
        .post("/v1/token/revoke", "", json!({ "token": refresh }))
        .await;
    for token in [access.as_str(), refresh.as_str(), "garbage"] {
        assert_eq!(ask(token).await.json(), json!({ "active": false }));
    }
    world.stop().await;
}
