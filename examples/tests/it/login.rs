//! Signing in, second factors and step-up, as a client sees them.

use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};

use crate::boss::{PASSWORD, early_in_a_step, sign_in};
use crate::support::{Answer, World};

async fn login(world: &World, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    world.post("/v1/login", "", body).await
}

/// All that tells one refusal from another: nothing may.
fn face(answer: &Answer) -> (u16, String, Vec<String>) {
    let mut body = answer.json();
    body["request_id"] = Value::Null;
    let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    (answer.status.as_u16(), body.to_string(), names)
}

/// R-63, B-72: unknown, wrong and locked look alike; the lock is on one account, however its name is typed; R-65: it can be ended.
#[tokio::test]
async fn unknown_wrong_and_locked_get_one_answer_and_an_administrator_ends_a_lock() {
    for world in World::all().await {
        world.register("alice", "clerk").await;
        assert_eq!(login(&world, " ALICE ", PASSWORD).await.status, 200);
        let unknown = login(&world, "nobody", PASSWORD).await;
        unknown.is_problem(401, "authentication_failed");
        let names = ["alice", "Alice", " alice", "ALICE ", "alice"];
        for name in names {
            let wrong = login(&world, name, "correct horse battery stable").await;
            assert_eq!(face(&wrong), face(&unknown));
        }
        // The sixth attempt: right, and not looked at.
        let locked = login(&world, "alice", PASSWORD).await;
        assert_eq!(face(&locked), face(&unknown));
        for odd in ["", "a\u{200b}b", &"x".repeat(1_000)] {
            assert_eq!(face(&login(&world, odd, PASSWORD).await), face(&unknown));
        }
        let unlock = "/v1/subjects/alice/unlock";
        let (weak, _) = world.tokens("clara", "clerk").await;
        world
            .post(unlock, &weak, json!({}))
            .await
            .is_problem(403, "insufficient_scope");
        for _ in 0..2 {
            let done = world.post(unlock, &world.admin, json!({})).await;
            assert_eq!(done.status, 204);
        }
        assert_eq!(login(&world, "alice", PASSWORD).await.status, 200);
        let absent = world.post("/v1/subjects/zoe/unlock", &world.admin, json!({}));
        absent.await.is_problem(404, "not_found");
        world.stop().await;
    }
}

/// while the account is locked no session of it is renewed, and none is lost.
#[tokio::test]
async fn a_lock_holds_refresh_tokens_back_without_spending_them() {
    let world = World::in_memory().await;
    let (_, refresh) = world.tokens("alice", "clerk").await;
    for _ in 0..5 {
        login(&world, "alice", "a guess").await;
    }
    let renew = async || {
        let body = json!({ "refresh_token": refresh });
        world.post("/v1/token/refresh", "", body).await
    };
    for _ in 0..3 {
        let held = renew().await;
        held.is_problem(429, "rate_limited");
        assert!(held.header("retry-after").parse::<u64>().unwrap() > 800);
    }
    world
        .post("/v1/subjects/alice/unlock", &world.admin, json!({}))
        .await;
    assert_eq!(renew().await.status, 200);
    world.stop().await;
}

/// L-09, R-65: whoever locks an account by guessing from elsewhere does not lock its owner out of a device that is known.
#[tokio::test]
async fn a_known_device_signs_in_and_renews_while_the_account_is_locked() {
    let world = World::in_memory().await;
    world.register("alice", "clerk").await;
    let first = login(&world, "alice", PASSWORD).await;
    let set = first.header("set-cookie");
    for part in [
        "fountain-device=fd1.",
        "HttpOnly",
        "Secure",
        "SameSite=Strict",
    ] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = set.split(';').next().unwrap().to_owned();
    let refused = login(&world, "alice", "a guess").await;
    assert!(!refused.headers.contains_key("set-cookie"));
    for _ in 0..6 {
        login(&world, "alice", "a guess").await;
    }
    let ask = async |path: &str, cookie: &str, body: Value| {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("cookie", format!("a=b; {cookie}; c"));
        world.send(request.body(body.to_string()).unwrap()).await
    };
    let credential = json!({ "username": "alice", "password": PASSWORD });
    let refresh = json!({ "refresh_token": first.string("refresh_token") });
    let forged = cookie.replace("fd1.", "fd1.x");
    for elsewhere in ["", forged.as_str()] {
        let locked = ask("/v1/login", elsewhere, credential.clone()).await;
        locked.is_problem(401, "authentication_failed");
        let held = ask("/v1/token/refresh", elsewhere, refresh.clone()).await;
        held.is_problem(429, "rate_limited");
    }
    assert_eq!(
        ask("/v1/login", &cookie, credential.clone()).await.status,
        200
    );
    assert_eq!(ask("/v1/token/refresh", &cookie, refresh).await.status, 200);
    // Its own attempts are counted as well.
    let guess = json!({ "username": "alice", "password": "a guess" });
    for _ in 0..5 {
        ask("/v1/login", &cookie, guess.clone()).await;
    }
    let locked = ask("/v1/login", &cookie, credential).await;
    locked.is_problem(401, "authentication_failed");
    world.stop().await;
}

/// an authenticator from its enrolment to its removal.
#[tokio::test]
async fn an_authenticator_is_enrolled_asked_for_and_removed() {
    for world in World::all().await {
        let boss = world.boss().await;
        let code = async |back: u64| {
            let now = early_in_a_step().await - Duration::from_secs(back);
            boss.totp.code_at(now).unwrap().expose().to_owned()
        };
        // Its step was taken for the recovery codes, and the one before it for the confirmation.
        let asked = login(&world, "root", PASSWORD).await.json();
        assert!(asked.get("access_token").is_none());
        let question = &asked["second_factor"];
        assert_eq!(question["methods"], json!(["totp", "recovery"]));
        assert!(question["expires_at"].as_str().unwrap().ends_with('Z'));
        let answer = async |challenge: &Value, method: &str, code: &str| {
            let body = json!({ "challenge": challenge, "method": method, "code": code });
            world.post("/v1/login/second-factor", "", body).await
        };
        let challenge = &question["challenge"];
        let unknown = answer(&json!("0123456789abcdefghijkl"), "totp", "123456").await;
        unknown.is_problem(401, "authentication_failed");
        let without = json!({ "challenge": challenge, "method": "totp" });
        let without = world.post("/v1/login/second-factor", "", without).await;
        without.is_problem(422, "invalid_field");
        for used in [code(0).await, code(30).await, "12345".into(), String::new()] {
            let wrong = answer(challenge, "totp", &used).await;
            assert_eq!(face(&wrong), face(&unknown));
        }
        let odd = answer(challenge, "sms", "123456").await;
        odd.is_problem(422, "invalid_field");
        assert_eq!(
            face(&answer(&json!("x"), "totp", "1").await),
            face(&unknown)
        );

        // One more takes a step-up, and so does the removal.
        let again = world.post("/v1/factors/totp", &boss.token, json!({})).await;
        again.is_problem(401, "insufficient_user_authentication");
        assert_eq!(again.json()["action"], "factors:enrol");
        assert_eq!(again.json()["max_age"], 120);
        let none = json!({ "channel": "sms" });
        let none = world.post("/v1/factors/codes", &boss.token, none).await;
        none.is_problem(404, "not_found");
        let listed = world.get("/v1/factors", &boss.token).await.json();
        assert_eq!(listed["items"][0]["kind"], "totp");
        let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/factors/{id}");
        let refused = world.delete(&path, &boss.token).await;
        refused.is_problem(401, "insufficient_user_authentication");
        assert_eq!(refused.json()["action"], "factors:delete");
        assert_eq!(refused.json()["resource"], id.as_str());
        // What an API key is shown for, nobody has shown.
        for (method, path) in [
            (Method::GET, "/v1/factors"),
            (Method::POST, "/v1/factors/totp"),
            (Method::POST, "/v1/step-up"),
        ] {
            let body = json!({ "method": "totp", "code": "1", "action": "keys:rotate" });
            let refused = world.call(method, path, &world.admin, Some(body)).await;
            refused.is_problem(401, "invalid_token");
        }
        let mut boss = boss;
        let grant = boss.grant(&world, "factors:delete", Some(&id)).await;
        let done = world
            .call_with(Method::DELETE, &path, &boss.token, &grant, None)
            .await;
        assert_eq!(done.status, 204);
        // Without it the password is enough again, and recovery codes stand in for nothing.
        let (token, _) = sign_in(&world, "root", PASSWORD).await;
        let who = world.get("/v1/whoami", &token).await.json();
        assert_eq!(who["amr"], json!(["pwd"]));
        world.stop().await;
    }
}

/// what was shown is what the token says.
#[tokio::test]
async fn tokens_say_which_factors_were_shown() {
    let world = World::in_memory().await;
    let mut boss = world.boss().await;
    boss.sign_in(&world).await;
    let who = world.get("/v1/whoami", &boss.token).await.json();
    assert_eq!(who["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(who["acr"], "urn:fountain:acr:mfa");
    world.stop().await;
}

/// L-06, R-60: for one act, on one resource, in one session, once.
#[tokio::test]
async fn a_grant_is_for_one_act() {
    let world = World::in_memory().await;
    let mut boss = world.boss().await;
    let (id, _) = world.key(&["orders:read"]).await;
    let (other, _) = world.key(&["orders:read"]).await;
    let rotate = async |id: &str, token: &str, grant: &str| {
        let path = format!("/v1/keys/{id}/rotate");
        world.post_with(&path, token, grant, json!({})).await
    };
    let before = boss.token.clone();
    let grant = boss.grant(&world, "keys:rotate", Some(&id)).await;
    let elsewhere = boss.grant(&world, "keys:rotate", Some(&other)).await;
    let another_act = boss.grant(&world, "signing-keys:rotate", None).await;
    boss.sign_in(&world).await;
    let refused = [
        rotate(&id, &before, &elsewhere).await,
        rotate(&id, &before, &another_act).await,
        // Another session of the same subject.
        rotate(&id, &boss.token, &grant).await,
        rotate(&id, &before, &format!("{grant}x")).await,
        rotate(&id, &before, "").await,
    ];
    for answer in &refused {
        answer.is_problem(401, "insufficient_user_authentication");
        assert_eq!(face(answer), face(&refused[4]));
    }
    assert_eq!(rotate(&id, &before, &grant).await.status, 200);
    let again = rotate(&id, &before, &grant).await;
    assert_eq!(face(&again), face(&refused[4]));
    let odd = json!({ "method": "recovery", "code": "x", "action": "Keys Rotate" });
    let odd = world.post("/v1/step-up", &before, odd).await;
    odd.is_problem(422, "invalid_field");
    let unasked = json!({ "method": "code", "code": "123456", "action": "keys:rotate" });
    let unasked = world.post("/v1/step-up", &before, unasked).await;
    unasked.is_problem(422, "invalid_field");
    world.stop().await;
}

#[tokio::test]
async fn a_subject_is_registered_whole_or_not_at_all() {
    let world = World::in_memory().await;
    let register = async |body: Value| world.post("/v1/subjects", &world.admin, body).await;
    for bad in [
        json!({ "username": "a b", "password": PASSWORD }),
        json!({ "username": "ann", "password": "short" }),
        json!({ "username": "ann", "password": "annannannannannann" }),
        json!({ "username": "ann", "password": PASSWORD, "roles": ["king"] }),
        json!({ "username": "ann", "password": PASSWORD, "email": "ann" }),
        json!({ "username": "ann", "password": PASSWORD, "phone": "0664" }),
        json!({ "username": "ann", "password": PASSWORD, "admin": true }),
        // Nobody carries codes here.
        json!({ "username": "ann", "password": PASSWORD, "phone": "+436641234567" }),
    ] {
        register(bad).await.is_problem(422, "invalid_field");
        let nobody = login(&world, "ann", PASSWORD).await;
        nobody.is_problem(401, "authentication_failed");
    }
    let good = json!({ "username": "Ann", "password": PASSWORD, "roles": ["clerk"] });
    let made = register(good.clone()).await;
    assert_eq!(
        (made.status.as_u16(), made.string("id").as_str()),
        (201, "ann")
    );
    for again in [
        good,
        json!({ "username": "ANN", "password": "another horse battery" }),
    ] {
        register(again).await.is_problem(409, "conflict");
    }
    assert_eq!(login(&world, "ann", PASSWORD).await.status, 200);
    world.stop().await;
}

/// A password for somebody who may more than who chooses it would be that somebody's rights.
#[tokio::test]
async fn nobody_gives_a_password_to_who_may_more() {
    let world = World::in_memory().await;
    let bare = json!({ "username": "chief", "roles": ["admin"] });
    assert_eq!(
        world.post("/v1/subjects", &world.admin, bare).await.status,
        201
    );
    let (_, manager) = world.key(&["subjects:manage"]).await;
    let body = json!({ "username": "chief", "password": PASSWORD });
    let refused = world.post("/v1/subjects", &manager, body.clone()).await;
    refused.is_problem(409, "conflict");
    let nobody = login(&world, "chief", PASSWORD).await;
    nobody.is_problem(401, "authentication_failed");
    // Who may as much finishes what was cut off.
    assert_eq!(
        world.post("/v1/subjects", &world.admin, body).await.status,
        201
    );
    assert_eq!(login(&world, "chief", PASSWORD).await.status, 200);
    world.stop().await;
}
