//! Fountain's main job on a real HTTP service: issue, call, refuse, rotate with overlap, revoke.
//!
//! Starts an axum service on a free loopback port over a SQLite file in a temporary folder, drives it over HTTP,
//! prints each step, and ends with 0, or with 1 when any answer is not the expected one.
//!
//! ```text
//! cargo run -p fountain-examples --bin quickstart
//! ```

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use fountain_core::access::{Authority, Authorized, Require, Requirement, RoleCatalog};
use fountain_core::api_key::{NewApiKey, Rotation};
use fountain_core::identity::{ClientId, KeyId, Scope};
use fountain_core::seal::LocalKeys;
use fountain_core::token::NewTokens;
use fountain_core::{Fountain, OsRandom, Tenant};
use fountain_store_sqlite::SqliteStore;
use fountain_tower::axum::Authorize;
use fountain_tower::{AuthLayer, StackLayer};
use http::StatusCode;
use serde_json::{Value, json};

use fountain_examples::{Client, Steps};

/// What a handler asks for by naming it: a witness that only the check can make.
struct ReadOrders;

impl Require for ReadOrders {
    fn requirement() -> Requirement {
        Requirement::permission("orders:read")
    }
}

/// Trading an API key for a token that lives ten minutes.
struct TakeTokens;

impl Require for TakeTokens {
    fn requirement() -> Requirement {
        Requirement::permission("tokens:take")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the host wires: a store, who may do what, and where its key-encryption key comes from.
    let folder = tempfile::tempdir()?;
    let store = Arc::new(SqliteStore::open(folder.path().join("fountain.db")).await?);
    let roles = RoleCatalog::builder()
        .permissions(["orders:read", "tokens:take"])
        .require::<ReadOrders>()
        .require::<TakeTokens>()
        .build()?;
    let fountain = Fountain::builder(store)
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(roles.clone())
        .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom))?))
        .build()
        .await?;
    let auth = AuthLayer::builder(Arc::new(fountain.clone()))
        .realm("orders")
        .roles(roles)
        .build()?;
    let app = Router::new()
        .route("/orders", get(orders))
        .route("/token", post(token))
        .with_state(fountain.clone())
        .layer(StackLayer::new(auth));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let client = Client::new(listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    drive(&fountain, &client).await
}

/// Called by code that has the proof, and by no other: `Authorized` cannot be made by hand.
async fn orders(Authorize(proof): Authorize<ReadOrders>) -> Json<Value> {
    Json(list_orders(&proof))
}

fn list_orders(proof: &Authorized<ReadOrders>) -> Value {
    json!({ "for": proof.principal().subject().as_str(), "orders": ["o-1", "o-2"] })
}

async fn token(
    State(fountain): State<Fountain>,
    Authorize(proof): Authorize<TakeTokens>,
) -> Result<Json<Value>, StatusCode> {
    let client = ClientId::new("quickstart").map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let scope = Scope::new("orders:read").map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let new = NewTokens::new(proof.principal().subject().clone(), client).scope(scope);
    let issued = fountain
        .tokens()
        .issue_access(&new)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(json!({
        "access_token": issued.access_token.expose(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in.as_secs(),
    })))
}

/// Everything below is the client's side.
async fn drive(fountain: &Fountain, client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    let mut steps = Steps::new();
    let (tenant, keys) = (Tenant::default(), fountain.api_keys());

    let new = NewApiKey::for_service("billing").scopes(["orders:read", "tokens:take"]);
    let issued = keys.issue(Authority::System, &tenant, new).await?;
    let key = issued.key.expose();
    steps.say(&format!(
        "issued API key {}: shown once, stored as a digest",
        issued.record.id
    ));

    let answer = client.get("/orders", None).await?;
    steps.expect(
        "a request without a credential",
        &answer,
        StatusCode::UNAUTHORIZED,
    );

    let answer = client.get("/orders", Some(key)).await?;
    steps.expect("the API key reads the orders", &answer, StatusCode::OK);

    let wrong = with_one_character_changed(key);
    let answer = client.get("/orders", Some(&wrong)).await?;
    steps.expect(
        "the key with one character changed",
        &answer,
        StatusCode::UNAUTHORIZED,
    );

    let answer = client.post("/token", Some(key)).await?;
    steps.expect("the key is traded for a JWT", &answer, StatusCode::OK);
    let token = answer.text("access_token");

    let answer = client.get("/orders", Some(&token)).await?;
    steps.expect("the JWT reads the orders", &answer, StatusCode::OK);
    let answer = client.post("/token", Some(&token)).await?;
    steps.expect(
        "the JWT may not take another one",
        &answer,
        StatusCode::FORBIDDEN,
    );

    let rotated = keys
        .rotate(
            Authority::System,
            &tenant,
            &issued.record.id,
            Rotation::new(),
        )
        .await?;
    let successor = rotated.key.expose();
    steps.say(&format!(
        "rotated: both keys work until {}",
        rotated.previous_valid_until
    ));
    let answer = client.get("/orders", Some(key)).await?;
    steps.expect("the old key still works", &answer, StatusCode::OK);
    steps.check(
        "and is told when it ends",
        answer.header("sunset").is_some(),
    );
    let answer = client.get("/orders", Some(successor)).await?;
    steps.expect("the new key works", &answer, StatusCode::OK);

    revoke(fountain, &tenant, &issued.record.id).await?;
    revoke(fountain, &tenant, &rotated.record.id).await?;
    steps.say("revoked both keys");
    for (name, key) in [("old", key), ("new", successor)] {
        let answer = client.get("/orders", Some(key)).await?;
        steps.expect(
            &format!("the {name} key, revoked"),
            &answer,
            StatusCode::UNAUTHORIZED,
        );
    }

    let trail = fountain.audit().page(&tenant, None, 100).await?;
    let actions: Vec<_> = trail
        .items
        .iter()
        .map(|item| item.event.action.as_str())
        .collect();
    steps.say(&format!("the audit trail says: {}", actions.join(", ")));
    steps.check(
        "every change has its event",
        actions
            .iter()
            .filter(|action| action.starts_with("api_key."))
            .count()
            == 4,
    );
    steps.finish()
}

async fn revoke(
    fountain: &Fountain,
    tenant: &Tenant,
    id: &KeyId,
) -> Result<(), fountain_core::Error> {
    fountain
        .api_keys()
        .revoke(Authority::System, tenant, id)
        .await
        .map(drop)
}

/// As a typing error would: still of the right form, but for its checksum.
fn with_one_character_changed(key: &str) -> String {
    let changed = |at, c| match (at, c) {
        (20, 'x') => 'y',
        (20, _) => 'x',
        _ => c,
    };
    key.chars()
        .enumerate()
        .map(|(at, c)| changed(at, c))
        .collect()
}
