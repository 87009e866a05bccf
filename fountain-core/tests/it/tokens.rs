//! The `Tokens` service on the memory store: issue, verify, refresh, revoke, introspect.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::{Authority, Role, RoleCatalog};
use fountain_core::danger::InsecureSeededRandom;
use fountain_core::identity::{ClientId, Scope};
use fountain_core::memory::MemoryStore;
use fountain_core::seal::{KekId, LocalKeys};
use fountain_core::token::{AccessClaims, IssuedTokens, NewTokens, RefreshRequest, RefreshRules};
use fountain_core::{
    Actor, Clock, Digest, Error, ErrorKind, Fountain, FountainBuilder, ManualClock, OsRandom,
    Random, Reason, RejectionKind, Secret, Subject, Tenant, Timestamp,
};

use crate::support::{CountingRevocations, DownRevocations};

mod refreshed;
mod revoked;
mod wired;

pub(crate) struct Node {
    pub(crate) fountain: Fountain,
    pub(crate) clock: Arc<ManualClock>,
}

fn catalog() -> RoleCatalog {
    RoleCatalog::builder()
        .permissions(["orders:read", "orders:write"])
        .role(Role::new("admin").grant("orders:*"))
        .role(Role::new("clerk").grant("orders:read"))
        .build()
        .unwrap()
}

/// 32 bytes that do not repeat themselves.
fn kek(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    InsecureSeededRandom::new(seed).fill(&mut bytes).unwrap();
    bytes
}

pub(crate) fn builder(store: &Arc<MemoryStore>, clock: &Arc<ManualClock>) -> FountainBuilder {
    let keys = LocalKeys::new(KekId::new("test").unwrap(), &kek(1), Arc::new(OsRandom));
    Fountain::builder(store.clone())
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(catalog())
        .key_encryption(Arc::new(keys.unwrap()))
        .clock(clock.clone())
}

pub(crate) async fn node() -> Node {
    node_with(|builder| builder).await
}

async fn node_with(change: impl FnOnce(FountainBuilder) -> FountainBuilder) -> Node {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let store = Arc::new(MemoryStore::new());
    let fountain = change(builder(&store, &clock)).build().await.unwrap();
    Node { fountain, clock }
}

fn client() -> ClientId {
    ClientId::new("web").unwrap()
}

fn alice() -> NewTokens {
    NewTokens::new(Subject::new("alice").unwrap(), client()).role("clerk")
}

async fn issue(node: &Node, new: NewTokens) -> IssuedTokens {
    node.fountain
        .tokens()
        .issue(&Actor::System, new)
        .await
        .unwrap()
}

async fn refresh(node: &Node, token: &Secret) -> Result<IssuedTokens, Error> {
    node.fountain
        .tokens()
        .refresh(RefreshRequest::new(token.clone(), client()))
        .await
}

async fn accepted(node: &Node, tokens: &IssuedTokens) -> bool {
    match node
        .fountain
        .tokens()
        .verify(tokens.access.access_token.expose())
        .await
    {
        Ok(_) => true,
        Err(rejection) => {
            assert_eq!(*rejection.kind(), RejectionKind::InvalidToken);
            false
        }
    }
}

fn reason(error: &Error) -> Reason {
    let ErrorKind::Refused(rejection) = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!(*rejection.kind(), RejectionKind::InvalidGrant);
    rejection.reason()
}

fn scopes(names: &[&str]) -> BTreeSet<Scope> {
    names.iter().map(|name| Scope::new(name).unwrap()).collect()
}

#[tokio::test]
async fn an_issued_token_becomes_the_principal_that_it_was_issued_for() {
    let node = node().await;
    let tokens = issue(&node, alice().scope(Scope::new("orders:read").unwrap())).await;
    let principal = node
        .fountain
        .tokens()
        .verify(tokens.access.access_token.expose())
        .await
        .unwrap();
    assert_eq!(principal.subject().as_str(), "alice");
    assert_eq!(principal.roles(), ["clerk"]);
    assert_eq!(principal.scopes(), ["orders:read"]);
    assert!(!principal.grants().is_empty());
    assert_eq!(tokens.access.expires_in, Duration::from_secs(600));
    assert!(tokens.access.id.as_str().len() >= 27);
}

#[tokio::test]
async fn a_subject_that_the_store_knows_gets_its_roles_from_there() {
    let node = node().await;
    let (tenant, subject) = (Tenant::default(), Subject::new("alice").unwrap());
    let subjects = node.fountain.subjects();
    subjects
        .register(
            Authority::System,
            &tenant,
            &Subject::new("root").unwrap(),
            ["admin"],
        )
        .await
        .unwrap();
    subjects
        .register(Authority::System, &tenant, &subject, ["clerk"])
        .await
        .unwrap();
    let tokens = issue(&node, alice().role("admin")).await;
    let text = tokens.access.access_token.expose();
    assert_eq!(
        node.fountain.tokens().verify(text).await.unwrap().roles(),
        ["clerk"]
    );

    // a change of roles ends what was issued before, at once; a refresh carries the new roles.
    subjects
        .assign(Authority::System, &tenant, &subject, ["admin"])
        .await
        .unwrap();
    assert!(!accepted(&node, &tokens).await);
    node.clock.advance(Duration::from_secs(1));
    let renewed = refresh(&node, &tokens.refresh_token).await.unwrap();
    let text = renewed.access.access_token.expose();
    assert_eq!(
        node.fountain.tokens().verify(text).await.unwrap().roles(),
        ["admin"]
    );

    subjects
        .disable(Authority::System, &tenant, &subject)
        .await
        .unwrap();
    assert!(!accepted(&node, &renewed).await);
    node.clock.advance(Duration::from_secs(1));
    let error = refresh(&node, &renewed.refresh_token).await.unwrap_err();
    assert_eq!(reason(&error), Reason::RefreshRevoked);
    let error = node
        .fountain
        .tokens()
        .issue(&Actor::System, alice())
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Forbidden(_)));

    // What was stolen before stays dead when the subject comes back.
    subjects
        .enable(Authority::System, &tenant, &subject)
        .await
        .unwrap();
    let error = refresh(&node, &renewed.refresh_token).await.unwrap_err();
    assert_eq!(reason(&error), Reason::RefreshRevoked);
    node.clock.advance(Duration::from_secs(1));
    assert!(accepted(&node, &issue(&node, alice()).await).await);
}

/// the boundary is `exp + leeway`, exactly, also for what is remembered.
#[tokio::test]
async fn a_token_ends_when_its_leeway_does() {
    let node = node().await;
    let tokens = issue(&node, alice()).await;
    node.clock.advance(Duration::from_micros(630_000_000 - 1));
    node.fountain.follow().await.unwrap();
    assert!(accepted(&node, &tokens).await);
    assert!(accepted(&node, &tokens).await);
    node.clock.advance(Duration::from_micros(1));
    assert!(!accepted(&node, &tokens).await);
}
