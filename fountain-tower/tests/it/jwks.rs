//!

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fountain_core::audit::AuditEvent;
use fountain_core::change::CacheTrust;
use fountain_core::identity::Issuer;
use fountain_core::memory::MemoryStore;
use fountain_core::seal::{LocalKeys, Sealer};
use fountain_core::signing::{
    Algorithm, KeyRing, KeyTransition, Keyring, KeyringConfig, KeyringParts, SigningKeyStore,
    TransitionOutcome,
};
use fountain_core::token::TokenRules;
use fountain_core::{OsRandom, StoreError, StoreErrorKind, SystemClock, Timestamp};
use fountain_tower::jwks::JwksService;
use http::{Method, Request, Response};
use tower::ServiceExt;

fn ring(store: Arc<dyn SigningKeyStore>) -> Arc<Keyring> {
    let rules = TokenRules::builder()
        .issuer("https://auth.example.com")
        .audience("orders")
        .algorithm(Algorithm::EdDsa)
        .max_life(Duration::from_secs(900))
        .build()
        .unwrap();
    let random = Arc::new(OsRandom);
    Arc::new(Keyring::new(KeyringParts {
        config: KeyringConfig::for_tokens(&rules).build().unwrap(),
        store,
        sealer: Sealer::new(
            Arc::new(LocalKeys::generate(random.clone()).unwrap()),
            random.clone(),
        ),
        trust: Arc::new(CacheTrust::new(Duration::from_secs(5))),
        clock: Arc::new(SystemClock::new()),
        random,
    }))
}

async fn service() -> (JwksService<Bytes>, String) {
    let ring = ring(Arc::new(MemoryStore::new()));
    let kid = ring.bootstrap().await.unwrap();
    (JwksService::new(ring), kid.to_string())
}

async fn ask(service: &JwksService<Bytes>, method: Method, tag: Option<&str>) -> Response<Bytes> {
    let mut request = Request::builder().method(method);
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    service
        .clone()
        .oneshot(request.body(()).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_set_is_served_with_its_media_type_tag_and_age() {
    let (service, kid) = service().await;
    let response = ask(&service, Method::GET, None).await;
    assert_eq!(response.status(), 200);
    let set: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(set["keys"][0]["kid"], kid);
    assert!(set["keys"][0].get("d").is_none());
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/jwk-set+json");
    assert_eq!(headers["cache-control"], "public, max-age=300");
    assert!(headers["etag"].to_str().unwrap().starts_with('"'));
}

#[tokio::test]
async fn a_tag_that_still_holds_is_304() {
    let (service, _) = service().await;
    let first = ask(&service, Method::GET, None).await;
    let tag = first.headers()["etag"].to_str().unwrap();
    let cases = [
        tag.to_owned(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ];
    for named in cases {
        let response = ask(&service, Method::GET, Some(&named)).await;
        assert_eq!(response.status(), 304, "{named}");
        assert!(response.body().is_empty());
        assert_eq!(response.headers()["etag"], tag);
        assert!(response.headers().contains_key("cache-control"));
    }
    assert_eq!(
        ask(&service, Method::GET, Some("\"x\"")).await.status(),
        200
    );
}

#[tokio::test]
async fn head_gives_the_headers_alone() {
    let (service, _) = service().await;
    let get = ask(&service, Method::GET, None).await;
    let head = ask(&service, Method::HEAD, None).await;
    assert_eq!(head.status(), 200);
    assert!(head.body().is_empty());
    assert_eq!(head.headers(), get.headers());
    assert_eq!(
        head.headers()["content-length"],
        get.body().len().to_string()
    );
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let (service, _) = service().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let response = ask(&service, method, None).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }
}

/// A store that does not answer.
#[derive(Debug)]
struct Down;

#[async_trait]
impl SigningKeyStore for Down {
    async fn ring(&self, _: &Issuer) -> Result<KeyRing, StoreError> {
        Err(StoreErrorKind::Unavailable.into())
    }

    async fn apply(
        &self,
        _: &Issuer,
        _: u64,
        _: KeyTransition,
        _: Timestamp,
        _: AuditEvent,
    ) -> Result<TransitionOutcome, StoreError> {
        Err(StoreErrorKind::Unavailable.into())
    }
}

/// L-13: a set that may hold a revoked key is not served.
#[tokio::test]
async fn a_store_that_does_not_answer_is_503_and_not_cached() {
    let service = JwksService::new(ring(Arc::new(Down)));
    let response = ask(&service, Method::GET, None).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.headers()["cache-control"], "no-store");
}
