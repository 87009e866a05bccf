//! Tokens of an issuer whose keys come over the network.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fountain_core::access::RoleCatalog;
use fountain_core::signing::{Algorithm, Kid, SigningKey};
use fountain_core::token::{AccessClaims, RemoteIssuer, TokenRules, TokenSigner};
use fountain_core::{ManualClock, OsRandom, Reason, Tenant, Timestamp};
use tokio::sync::Notify;

use crate::server::{Script, Server, answer};

const CLAIMS: &[u8] =
    br#"{"iss":"https://issuer.example","sub":"alice","aud":"orders","client_id":"web",
    "jti":"t1","iat":1700000000,"exp":1700000600}"#;

/// A token, and the answer of a server that publishes its key.
fn signed() -> (String, Vec<u8>) {
    let key = SigningKey::generate(Algorithm::EdDsa, &OsRandom).unwrap();
    let kid = Kid::new("2030-01").unwrap();
    let jwk = key.verifying_key().public_jwk(&kid).unwrap();
    let published = answer(
        "200 OK\r\nContent-Type: application/jwk-set+json",
        format!("{{\"keys\":[{jwk}]}}"),
    );
    let token = TokenSigner::new(kid, Arc::new(key))
        .sign_access(&AccessClaims::decode(CLAIMS).unwrap())
        .unwrap();
    (token.to_string(), published)
}

fn issuer(server: &Server) -> RemoteIssuer {
    let rules = TokenRules::builder()
        .issuer("https://issuer.example")
        .audience("orders")
        .algorithm(Algorithm::EdDsa)
        .max_life(Duration::from_secs(900))
        .build()
        .unwrap();
    RemoteIssuer::builder()
        .rules(rules)
        .jwks_url(server.url.clone())
        .fetch(server.client())
        .tenant(Tenant::default())
        .subjects_are_ours()
        .roles(RoleCatalog::builder().build().unwrap())
        .without_revocations()
        .clock(ManualClock::at(Timestamp::from_unix_seconds(1_700_000_000)))
        .build()
        .unwrap()
}

/// R-29
#[tokio::test]
async fn sixty_four_tokens_are_verified_with_keys_that_were_fetched_once() {
    let (token, published) = signed();
    let server = Server::start("127.0.0.1", Script::Answer(published)).await;
    let issuer = issuer(&server);
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let (issuer, token) = (issuer.clone(), token.clone());
            tokio::spawn(async move { issuer.verify(&token).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().subject().as_str(), "alice");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

/// R-103: the fetch outlives the caller who began it, and is one fetch on the wire too.
#[tokio::test]
async fn a_caller_that_hangs_up_leaves_its_fetch_to_the_next_one() {
    let (token, published) = signed();
    let go = Arc::new(Notify::new());
    let server = Server::start("127.0.0.1", Script::Held(Arc::clone(&go), published)).await;
    let issuer = issuer(&server);
    let first = tokio::spawn({
        let (issuer, token) = (issuer.clone(), token.clone());
        async move { issuer.verify(&token).await }
    });
    while server.requests.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    go.notify_one();
    assert!(issuer.verify(&token).await.is_ok());
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

/// B-43
#[tokio::test]
async fn an_error_page_is_not_a_key_set() {
    let (token, _) = signed();
    let page = answer("200 OK\r\nContent-Type: text/html", "<html></html>");
    let server = Server::start("127.0.0.1", Script::Answer(page)).await;
    let refused = issuer(&server).verify(&token).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::TokenIssuerKeysUnavailable);
}
