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

    // R-82: a change of roles ends what was issued before, at once; a refresh carries the new roles.
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

/// R-18: the boundary is `exp + leeway`, exactly, also for what is remembered.
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

/// R-39: R1 -> R2 -> R3, replay R1: R3 is dead, and so is every access token of the family.
#[tokio::test]
async fn a_replayed_refresh_token_ends_its_family_and_its_access_tokens() {
    let node = node().await;
    let first = issue(&node, alice()).await;
    let second = refresh(&node, &first.refresh_token).await.unwrap();
    let third = refresh(&node, &second.refresh_token).await.unwrap();
    for tokens in [&first, &second, &third] {
        assert!(accepted(&node, tokens).await);
    }
    assert_eq!(
        reason(&refresh(&node, &first.refresh_token).await.unwrap_err()),
        Reason::RefreshReused
    );
    assert_eq!(
        reason(&refresh(&node, &third.refresh_token).await.unwrap_err()),
        Reason::RefreshRevoked
    );
    for tokens in [&first, &second, &third] {
        assert!(!accepted(&node, tokens).await);
    }
}

/// R-41, L-08: the boundary of the grace is 10 s, exactly.
#[tokio::test]
async fn a_retry_inside_the_grace_gets_the_identical_successor() {
    let node = node().await;
    let first = issue(&node, alice()).await;
    let second = refresh(&node, &first.refresh_token).await.unwrap();
    node.clock.advance(Duration::from_secs(10));
    let again = refresh(&node, &first.refresh_token).await.unwrap();
    assert_eq!(again.refresh_token.expose(), second.refresh_token.expose());
    assert_eq!(again.family, second.family);
    node.clock.advance(Duration::from_micros(1));
    assert_eq!(
        reason(&refresh(&node, &first.refresh_token).await.unwrap_err()),
        Reason::RefreshReused
    );
    assert!(refresh(&node, &second.refresh_token).await.is_err());
}

#[tokio::test]
async fn the_grace_ends_when_the_successor_is_used() {
    let node = node().await;
    let first = issue(&node, alice()).await;
    let second = refresh(&node, &first.refresh_token).await.unwrap();
    let _ = refresh(&node, &second.refresh_token).await.unwrap();
    assert_eq!(
        reason(&refresh(&node, &first.refresh_token).await.unwrap_err()),
        Reason::RefreshReused
    );
}

/// R-42
#[tokio::test]
async fn a_family_ends_idle_or_absolutely_and_no_use_extends_it_past_that() {
    let rules = || {
        RefreshRules::aal1()
            .absolute_life(Duration::from_secs(100))
            .idle_life(Duration::from_secs(60))
    };
    let node = node_with(|builder| builder.refresh(rules())).await;
    let idle = issue(&node, alice()).await;
    node.clock.advance(Duration::from_secs(60));
    assert_eq!(
        reason(&refresh(&node, &idle.refresh_token).await.unwrap_err()),
        Reason::RefreshExpired
    );

    let mut live = issue(&node, alice()).await;
    for _ in 0..3 {
        node.clock.advance(Duration::from_secs(33));
        live = refresh(&node, &live.refresh_token).await.unwrap();
    }
    node.clock.advance(Duration::from_secs(1));
    assert_eq!(
        reason(&refresh(&node, &live.refresh_token).await.unwrap_err()),
        Reason::RefreshExpired
    );
}

/// R-42: an access token does not outlive its family; the last one ends with it, to the second.
#[tokio::test]
async fn an_access_token_ends_with_its_family_at_the_latest() {
    let life = Duration::from_secs(1_000);
    let node = node_with(|builder| {
        builder.refresh(RefreshRules::aal1().absolute_life(life).idle_life(life))
    })
    .await;
    node.clock.advance(Duration::from_micros(500_000));
    let first = issue(&node, alice()).await;
    assert_eq!(first.access.expires_in, Duration::from_secs(600));
    let end = first.family_expires_at;
    assert_eq!(end, Timestamp::from_unix_micros(1_900_001_000_500_000));

    // 400 s before the end its own life is just what is left; a second later it is cut.
    node.clock.advance(Duration::from_secs(400));
    let mut last = refresh(&node, &first.refresh_token).await.unwrap();
    assert_eq!(last.access.expires_in, Duration::from_secs(600));
    for (step, left) in [(1, 599), (598, 1)] {
        node.clock.advance(Duration::from_secs(step));
        last = refresh(&node, &last.refresh_token).await.unwrap();
        assert_eq!(last.access.expires_in, Duration::from_secs(left));
        assert_eq!(
            last.access.expires_at,
            Timestamp::from_unix_seconds(1_900_001_000)
        );
        assert!(last.access.expires_at <= end && last.family_expires_at == end);
        assert!(accepted(&node, &last).await);
    }

    // In the family's last half second no token of whole seconds has a life to live.
    node.clock.advance(Duration::from_micros(999_999));
    assert!(node.clock.now() < end);
    let error = refresh(&node, &last.refresh_token).await.unwrap_err();
    assert_eq!(reason(&error), Reason::RefreshExpired);
}

/// R-44, B-66
#[tokio::test]
async fn a_refresh_token_is_bound_to_client_tenant_key_and_scope() {
    let node = node().await;
    let key = Digest::of(b"the holder's key");
    let read = Scope::new("orders:read").unwrap();
    let tokens = issue(&node, alice().bound_to(key).scope(read.clone())).await;
    let request = || RefreshRequest::new(tokens.refresh_token.clone(), client()).bound_to(key);
    let refused = [
        (
            RefreshRequest::new(tokens.refresh_token.clone(), client()),
            Reason::RefreshBinding,
        ),
        (
            RefreshRequest::new(
                tokens.refresh_token.clone(),
                ClientId::new("other").unwrap(),
            )
            .bound_to(key),
            Reason::RefreshBinding,
        ),
        (
            request().bound_to(Digest::of(b"another")),
            Reason::RefreshBinding,
        ),
        (
            request().tenant(Tenant::new("other").unwrap()),
            Reason::RefreshUnknown,
        ),
        (
            request().scopes(scopes(&["orders:read", "orders:write"])),
            Reason::RefreshScope,
        ),
        (
            request().scopes(scopes(&["orders:*"])),
            Reason::RefreshScope,
        ),
    ];
    let mut texts = BTreeSet::new();
    for (request, expected) in refused {
        let error = node.fountain.tokens().refresh(request).await.unwrap_err();
        assert_eq!(reason(&error), expected);
        texts.insert(error.rejection().to_string());
    }
    assert_eq!(texts.len(), 1, "one public face");
    // None of that spent the token.
    let narrow = node
        .fountain
        .tokens()
        .refresh(request().scopes(BTreeSet::new()))
        .await
        .unwrap();
    assert!(narrow.access.scopes.is_empty());
}

/// B-66
#[tokio::test]
async fn what_is_no_refresh_token_is_refused_without_asking_the_store() {
    let node = node().await;
    let tokens = issue(&node, alice()).await;
    let access = tokens.access.access_token.expose();
    let text = tokens.refresh_token.expose();
    for bad in [
        "",
        access,
        &text[1..],
        &text[..text.len() - 1],
        &format!("{text} "),
        "fntr_",
    ] {
        let error = refresh(&node, &Secret::from(bad.to_owned()))
            .await
            .unwrap_err();
        assert_eq!(reason(&error), Reason::RefreshUnknown);
    }
    assert!(node.fountain.tokens().verify(text).await.is_err());
}

/// R-40, F-25: with a grace, all 64 get the one child; without one, one wins and the family ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_uses_of_one_token_exactly_one_makes_a_child() {
    for grace in [Duration::from_secs(10), Duration::ZERO] {
        let node =
            Arc::new(node_with(|builder| builder.refresh(RefreshRules::aal1().grace(grace))).await);
        for _ in 0..20 {
            let first = issue(&node, alice()).await;
            let uses: Vec<_> = (0..64)
                .map(|_| {
                    let (node, token) = (node.clone(), first.refresh_token.clone());
                    tokio::spawn(async move { refresh(&node, &token).await })
                })
                .collect();
            let mut children = BTreeSet::new();
            let mut winners = 0;
            for used in uses {
                match used.await.unwrap() {
                    Ok(tokens) => {
                        winners += 1;
                        children.insert(tokens.refresh_token.expose().to_owned());
                    }
                    Err(error) => assert!(matches!(
                        reason(&error),
                        Reason::RefreshReused | Reason::RefreshRevoked
                    )),
                }
            }
            assert_eq!(children.len(), 1);
            assert_eq!(winners, if grace.is_zero() { 1 } else { 64 });
        }
    }
}

/// R-45
#[tokio::test]
async fn revoking_any_token_of_a_family_ends_all_of_it_and_unknown_ones_are_no_error() {
    let node = node().await;
    let tokens = node.fountain.tokens();
    let tenant = Tenant::default();
    for by_access in [true, false] {
        let issued = issue(&node, alice()).await;
        let text = match by_access {
            true => issued.access.access_token.expose(),
            false => issued.refresh_token.expose(),
        };
        let foreign = Tenant::new("other").unwrap();
        tokens.revoke(&Actor::System, &foreign, text).await.unwrap();
        assert!(
            accepted(&node, &issued).await,
            "another tenant's token is not there"
        );
        tokens.revoke(&Actor::System, &tenant, text).await.unwrap();
        tokens.revoke(&Actor::System, &tenant, text).await.unwrap();
        assert!(!accepted(&node, &issued).await);
        assert_eq!(
            reason(&refresh(&node, &issued.refresh_token).await.unwrap_err()),
            Reason::RefreshRevoked
        );
    }
    for unknown in ["", "x", "fntr_x", "a.b.c"] {
        tokens
            .revoke(&Actor::System, &tenant, unknown)
            .await
            .unwrap();
    }
}

/// R-45: an answer that nothing is left to revoke is true also when the family was forgotten before the token ends.
#[tokio::test]
async fn an_access_token_whose_family_is_forgotten_is_still_revoked() {
    let node = node().await;
    let signer = node.fountain.keyring().signer().await.unwrap();
    let claims = AccessClaims::decode(
        br#"{"iss":"https://auth.example.com","sub":"alice","aud":"orders","client_id":"web","jti":"t1",
             "iat":1900000000,"exp":1900000600,"sid":"0dGbAxGzOtFmbRpCVL4YmF"}"#,
    )
    .unwrap();
    let text = signer.sign_access(&claims).unwrap();
    let tokens = node.fountain.tokens();
    assert!(tokens.verify(&text).await.is_ok());
    tokens
        .revoke(&Actor::System, &Tenant::default(), &text)
        .await
        .unwrap();
    assert!(tokens.verify(&text).await.is_err());
}

/// R-45, R-27: the node that is asked to revoke does not know the key yet that another one signs with.
#[tokio::test]
async fn a_token_under_a_key_that_this_node_has_not_read_yet_is_revoked_all_the_same() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let store = Arc::new(MemoryStore::new());
    let here = builder(&store, &clock).build().await.unwrap();
    let there = builder(&store, &clock).build().await.unwrap();
    let ring = there.keyring();
    let old = ring.signer().await.unwrap().kid().clone();
    let _ = ring.rotate(Actor::System).await.unwrap();
    clock.advance(ring.config().lead());
    // What `here` knows of the ring is from before the activation, and fresh enough to be believed.
    here.follow().await.unwrap();
    here.keyring().keys().await.unwrap();
    there.tick().await.unwrap();
    assert_ne!(*ring.signer().await.unwrap().kid(), old);

    let issued = there.tokens().issue_access(&alice()).await.unwrap();
    let text = issued.access_token.expose();
    here.tokens()
        .revoke(&Actor::System, &Tenant::default(), text)
        .await
        .unwrap();
    there.follow().await.unwrap();
    assert!(there.tokens().verify(text).await.is_err());
}

#[tokio::test]
async fn an_access_token_alone_ends_by_its_id_and_others_live_on() {
    let node = node().await;
    let tokens = node.fountain.tokens();
    let one = tokens.issue_access(&alice()).await.unwrap();
    let other = tokens.issue_access(&alice()).await.unwrap();
    tokens
        .revoke(
            &Actor::System,
            &Tenant::default(),
            one.access_token.expose(),
        )
        .await
        .unwrap();
    assert!(tokens.verify(one.access_token.expose()).await.is_err());
    assert!(tokens.verify(other.access_token.expose()).await.is_ok());
}

#[tokio::test]
async fn revoking_a_subject_ends_every_token_issued_before_and_none_after() {
    let node = node().await;
    let tokens = node.fountain.tokens();
    let (tenant, subject) = (Tenant::default(), Subject::new("alice").unwrap());
    let family = issue(&node, alice()).await;
    let bob = issue(
        &node,
        NewTokens::new(Subject::new("bob").unwrap(), client()),
    )
    .await;
    assert_eq!(
        tokens
            .revoke_subject(&Actor::System, &tenant, &subject)
            .await
            .unwrap(),
        1
    );
    assert!(!accepted(&node, &family).await);
    assert!(refresh(&node, &family.refresh_token).await.is_err());
    assert!(accepted(&node, &bob).await);
    node.clock.advance(Duration::from_secs(1));
    let after = issue(&node, alice()).await;
    assert!(accepted(&node, &after).await);
}

/// R-45
#[tokio::test]
async fn introspection_says_nothing_of_what_is_not_active() {
    let node = node().await;
    let tokens = node.fountain.tokens();
    let tenant = Tenant::default();
    let issued = issue(&node, alice().scope(Scope::new("orders:read").unwrap())).await;
    let (access, refresh_token) = (
        issued.access.access_token.expose(),
        issued.refresh_token.expose(),
    );
    let seen = tokens.introspect(&tenant, access).await.unwrap();
    assert!(seen.active);
    assert_eq!(seen.sub.as_deref(), Some("alice"));
    assert_eq!(seen.exp, Some(1_900_000_600));
    assert!(
        tokens
            .introspect(&tenant, refresh_token)
            .await
            .unwrap()
            .active
    );

    let foreign = Tenant::new("other").unwrap();
    let mut inactive = vec![
        tokens.introspect(&foreign, access).await.unwrap(),
        tokens.introspect(&foreign, refresh_token).await.unwrap(),
        tokens.introspect(&tenant, "garbage").await.unwrap(),
    ];
    tokens
        .revoke(&Actor::System, &tenant, refresh_token)
        .await
        .unwrap();
    inactive.push(tokens.introspect(&tenant, access).await.unwrap());
    inactive.push(tokens.introspect(&tenant, refresh_token).await.unwrap());
    for answer in inactive {
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"active":false}"#
        );
    }
}

/// R-21, R-31, L-13: two nodes on one store.
#[tokio::test]
async fn a_revocation_is_felt_on_the_other_node_when_it_follows_and_at_once_when_it_does_not() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let store = Arc::new(MemoryStore::new());
    let revocations = Arc::new(CountingRevocations::new(store.clone()));
    let here = Node {
        fountain: builder(&store, &clock).build().await.unwrap(),
        clock: clock.clone(),
    };
    let there = Node {
        fountain: builder(&store, &clock)
            .refresh_token_store(store.clone())
            .revocation_store(revocations.clone())
            .change_feed(store.clone())
            .build()
            .await
            .unwrap(),
        clock: clock.clone(),
    };
    let issued = issue(&here, alice()).await;
    assert!(accepted(&there, &issued).await);
    assert!(accepted(&there, &issued).await);
    assert_eq!(revocations.asked(), 1, "the second time it was remembered");

    here.fountain
        .tokens()
        .revoke_family(&Actor::System, &Tenant::default(), &issued.family)
        .await
        .unwrap();
    there.fountain.follow().await.unwrap();
    assert!(!accepted(&there, &issued).await);

    // A node that does not follow: within the bound it may still believe, past it it asks.
    let issued = issue(&here, alice()).await;
    assert!(accepted(&there, &issued).await);
    here.fountain
        .tokens()
        .revoke_family(&Actor::System, &Tenant::default(), &issued.family)
        .await
        .unwrap();
    clock.advance(Duration::from_micros(5_000_001));
    assert!(!accepted(&there, &issued).await);
}

/// R-80: a store that does not answer is 503, never accepted, never "not revoked".
#[tokio::test]
async fn a_revocation_store_that_is_down_refuses_as_unavailable() {
    let store = Arc::new(MemoryStore::new());
    let down = Arc::new(DownRevocations::new(store.clone()));
    let node = node_with(|builder| {
        builder
            .refresh_token_store(store.clone())
            .revocation_store(down.clone())
            .change_feed(store.clone())
            .staleness(Duration::ZERO)
    })
    .await;
    let issued = issue(&node, alice()).await;
    assert!(accepted(&node, &issued).await);
    down.set_down(true);
    let text = issued.access.access_token.expose();
    let rejection = node.fountain.tokens().verify(text).await.unwrap_err();
    assert!(matches!(
        rejection.kind(),
        RejectionKind::Unavailable { .. }
    ));
    let error = node
        .fountain
        .tokens()
        .introspect(&Tenant::default(), text)
        .await
        .unwrap_err();
    assert!(matches!(
        error.rejection().kind(),
        RejectionKind::Unavailable { .. }
    ));
    down.set_down(false);
    assert!(accepted(&node, &issued).await);
}

/// R-31
#[tokio::test]
async fn a_revoked_signing_key_verifies_nothing_at_once() {
    let node = node().await;
    let issued = issue(&node, alice()).await;
    assert!(accepted(&node, &issued).await);
    let kid = node
        .fountain
        .keyring()
        .signer()
        .await
        .unwrap()
        .kid()
        .clone();
    node.fountain
        .keyring()
        .revoke(&kid, Actor::System, "leaked")
        .await
        .unwrap();
    assert!(!accepted(&node, &issued).await);
    let after = issue(&node, alice()).await;
    assert!(accepted(&node, &after).await);
}

#[tokio::test]
async fn every_mistake_in_the_wiring_is_named_at_once() {
    let errors = Fountain::builder(Arc::new(MemoryStore::new()))
        .staleness(Duration::from_secs(6))
        .remember(0)
        .build()
        .await
        .unwrap_err();
    let text = errors.to_string();
    for setting in [
        "issuer",
        "audience",
        "roles",
        "key_encryption",
        "staleness",
        "remember",
    ] {
        assert!(text.contains(setting), "{setting}: {text}");
    }
    assert_eq!(errors.iter().count(), 6);
}

/// R-74, F-33: a wrong key-encryption key is named, and nothing stored is overwritten.
#[tokio::test]
async fn a_wrong_key_encryption_key_fails_the_start_and_leaves_the_ring_alone() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let store = Arc::new(MemoryStore::new());
    let good = builder(&store, &clock).build().await.unwrap();
    let kid = good.keyring().signer().await.unwrap().kid().clone();
    let wrong = LocalKeys::new(KekId::new("test").unwrap(), &kek(2), Arc::new(OsRandom));
    let other = LocalKeys::new(KekId::new("other").unwrap(), &kek(3), Arc::new(OsRandom));
    for keys in [wrong.unwrap(), other.unwrap()] {
        let errors = builder(&store, &clock)
            .key_encryption(Arc::new(keys))
            .build()
            .await
            .unwrap_err();
        assert!(
            errors.to_string().contains("key-encryption key"),
            "{errors}"
        );
    }
    let again = builder(&store, &clock).build().await.unwrap();
    assert_eq!(*again.keyring().signer().await.unwrap().kid(), kid);
}

#[tokio::test]
async fn a_tick_does_the_chores_once_a_minute() {
    let node = node().await;
    assert!(node.fountain.tick().await.unwrap().chores);
    assert!(!node.fountain.tick().await.unwrap().chores);
    node.clock.advance(Duration::from_secs(60));
    assert!(node.fountain.tick().await.unwrap().chores);
}

/// R-101
#[tokio::test]
async fn ended_families_and_revocations_are_removed() {
    let node = node().await;
    let issued = issue(&node, alice()).await;
    let other = issue(&node, alice()).await;
    node.fountain
        .tokens()
        .revoke_family(&Actor::System, &Tenant::default(), &issued.family)
        .await
        .unwrap();
    node.fountain.tick().await.unwrap();
    node.clock
        .advance(Duration::from_secs(30 * 24 * 3_600 + 3_600 + 1));
    let tick = node.fountain.tick().await.unwrap();
    assert_eq!(tick.purged, 3, "two families and a revocation");
    assert!(refresh(&node, &other.refresh_token).await.is_err());
    assert!(node.clock.now() > other.family_expires_at);
}

/// F-30, R-21
#[tokio::test]
async fn a_node_whose_clock_jumped_ahead_forgets_no_revocation_for_the_others() {
    let node = node().await;
    let alone = node.fountain.tokens().issue_access(&alice()).await.unwrap();
    let text = alone.access_token.expose();
    let tenant = Tenant::default();
    let tokens = node.fountain.tokens();
    tokens.revoke(&Actor::System, &tenant, text).await.unwrap();

    // The jump has purged by the time that the clock is right again.
    let right = node.clock.now();
    node.clock.jump_to(right + Duration::from_secs(3_600));
    assert!(node.fountain.tick().await.unwrap().chores);
    node.clock.jump_to(right);
    assert!(tokens.verify(text).await.is_err());
}
