//! A rolling deploy: nodes on one PostgreSQL, some with the old configuration and some with the new one (F-44). Whatever one
//! of them has put into the store, no other accepts what its own configuration forbids.

use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::{Authority, Require, Requirement, Role, RoleCatalog};
use fountain_core::api_key::{KeyFormat, NewApiKey};
use fountain_core::authenticate::PresentedCredential;
use fountain_core::identity::ClientId;
use fountain_core::signing::Algorithm;
use fountain_core::token::{
    AccessClaims, IssuedTokens, NewTokens, RefreshRequest, RefreshRules, TokenPolicy,
};
use fountain_core::{
    Actor, Clock as _, Fountain, FountainBuilder, ManualClock, Pepper, Reason, Subject, Tenant,
    Timestamp,
};
use fountain_tests_faults::Server;

use crate::world::{issue, options, postgres, sign_in, wiring};

const HOUR: Duration = Duration::from_secs(3_600);

struct Deploy {
    server: Server,
    clock: Arc<ManualClock>,
    old: Fountain,
}

impl Deploy {
    /// With the old configuration: that of `wiring`.
    async fn begin() -> Self {
        let server = Server::postgres(&[]).await;
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
        let old = node(&server, &clock, |as_it_is| as_it_is).await;
        Self { server, clock, old }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn node(&self, change: fn(FountainBuilder) -> FountainBuilder) -> Fountain {
        node(&self.server, &self.clock, change).await
    }
}

/// A node with a changed configuration, which believes what it remembers.
async fn node(
    server: &Server,
    clock: &Arc<ManualClock>,
    change: fn(FountainBuilder) -> FountainBuilder,
) -> Fountain {
    let store = postgres(options(&server.url()), 2).await;
    let built = change(wiring(Arc::new(store)).clock(clock.clone())).build();
    let node = built.await.unwrap();
    node.follow().await.unwrap();
    node
}

/// Why a node does not accept a token, if it does not; the same at its second look.
async fn refuses(node: &Fountain, tokens: &IssuedTokens) -> Option<Reason> {
    let text = tokens.access.access_token.expose();
    let credential = PresentedCredential::AccessToken(text);
    let first = node.authenticate(credential).await.err();
    let first = first.map(|rejection| rejection.reason());
    let second = node.tokens().verify(text).await.err();
    assert_eq!(second.map(|rejection| rejection.reason()), first);
    first
}

async fn refresh(node: &Fountain, tokens: &IssuedTokens) -> Result<IssuedTokens, Reason> {
    let client = ClientId::new("web").unwrap();
    let request = RefreshRequest::new(tokens.refresh_token.clone(), client);
    let refreshed = node.tokens().refresh(request).await;
    refreshed.map_err(|error| error.rejection().reason())
}

/// Refuses whoever is called alice.
#[derive(Debug)]
struct NoAlice;

impl TokenPolicy for NoAlice {
    fn may_issue(&self, claims: &AccessClaims, _: Timestamp) -> Result<(), Reason> {
        if claims.subject.as_str() == "alice" {
            return Err(Reason::TokenPolicy);
        }
        Ok(())
    }

    fn may_accept(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), Reason> {
        self.may_issue(claims, now)
    }
}

/// F-44: issuer, audience, algorithm, life, policy. Each node accepts its own kind, before and after it has met the other's.
#[tokio::test]
async fn no_node_accepts_a_token_that_its_own_rules_forbid() {
    type Change = fn(FountainBuilder) -> FountainBuilder;
    let deploy = Deploy::begin().await;
    let old = &deploy.old;
    let changes: [(&str, Change, Reason, Option<Reason>); 5] = [
        (
            "another issuer",
            |it| it.issuer("https://id.example.com"),
            Reason::TokenUnknownKey,
            Some(Reason::TokenUnknownKey),
        ),
        (
            "another audience",
            |it| it.audience("billing"),
            Reason::TokenAudience,
            Some(Reason::TokenAudience),
        ),
        (
            "a shorter life",
            |it| it.access_life(Duration::from_secs(60)),
            Reason::TokenLifetime,
            None,
        ),
        (
            "a policy",
            |it| it.policy(NoAlice),
            Reason::TokenPolicy,
            None,
        ),
        (
            "another algorithm, of another issuer",
            |it| {
                it.issuer("https://es.example.com")
                    .algorithm(Algorithm::Es256)
            },
            Reason::TokenAlgorithm,
            Some(Reason::TokenAlgorithm),
        ),
    ];
    for (what, change, old_here, new_there) in changes {
        let new = deploy.node(change).await;
        let alice = sign_in(old, "alice").await.unwrap();
        let bob = sign_in(&new, "bob").await.unwrap();
        for _ in 0..2 {
            assert_eq!(refuses(old, &alice).await, None, "{what}");
            assert_eq!(refuses(&new, &alice).await, Some(old_here), "{what}");
            assert_eq!(refuses(&new, &bob).await, None, "{what}");
            assert_eq!(refuses(old, &bob).await, new_there, "{what}");
        }
    }
}

/// F-44: one issuer whose nodes allow different algorithms. The key in the store decides by which they sign; a node that does
/// not allow it refuses what is signed by it, be it by itself. Nor does its start change anything for the others.
#[tokio::test]
async fn no_node_accepts_an_algorithm_that_its_own_rules_forbid() {
    let deploy = Deploy::begin().await;
    let alice = sign_in(&deploy.old, "alice").await.unwrap();
    let new = deploy.node(|it| it.algorithm(Algorithm::Es256)).await;
    for _ in 0..2 {
        assert_eq!(refuses(&new, &alice).await, Some(Reason::TokenAlgorithm));
    }
    let bob = sign_in(&new, "bob").await.unwrap();
    assert_eq!(refuses(&new, &bob).await, Some(Reason::TokenAlgorithm));
    for tokens in [&alice, &bob] {
        assert_eq!(refuses(&deploy.old, tokens).await, None);
    }
}

/// F-44, R-42: shorter lives hold at once, on the node that has them, for families that began elsewhere.
#[tokio::test]
async fn no_node_goes_on_with_a_family_that_is_older_than_its_own_rules_allow() {
    let deploy = Deploy::begin().await;
    let strict = |it: FountainBuilder| it.refresh(RefreshRules::aal3());
    let new = deploy.node(strict).await;
    let mut long = sign_in(&deploy.old, "alice").await.unwrap();
    let other = sign_in(&deploy.old, "bob").await.unwrap();
    let short = sign_in(&new, "carol").await.unwrap();

    // Within both: the new node goes on with it, and ends it when its own rules say.
    deploy.clock.advance(11 * HOUR + HOUR / 2);
    long = refresh(&new, &long).await.unwrap();
    let left = HOUR / 2;
    assert_eq!(long.family_expires_at, deploy.now() + left);
    let tenant = Tenant::default();
    let text = other.refresh_token.expose();
    let told = new.tokens().introspect(&tenant, text).await.unwrap();
    assert_eq!(told.exp, Some((deploy.now() + left).as_unix_seconds()));

    deploy.clock.advance(left);
    let told = new.tokens().introspect(&tenant, text).await.unwrap();
    assert!(!told.active);
    assert!(
        deploy
            .old
            .tokens()
            .introspect(&tenant, text)
            .await
            .unwrap()
            .active
    );
    let refused = refresh(&new, &other).await.map(drop);
    assert_eq!(refused, Err(Reason::RefreshExpired));
    // What a strict node began is strict everywhere.
    let refused = refresh(&deploy.old, &short).await.map(drop);
    assert_eq!(refused, Err(Reason::RefreshExpired));
}

/// F-44: the form of keys, the pepper, what scopes and roles mean.
#[tokio::test]
async fn no_node_accepts_a_key_or_a_right_that_its_own_configuration_does_not_know() {
    struct Write;
    impl Require for Write {
        fn requirement() -> Requirement {
            Requirement::permission("orders:write")
        }
    }

    let deploy = Deploy::begin().await;
    let old = &deploy.old;
    let other_form = deploy
        .node(|it| it.key_format(KeyFormat::new("acme", ["live"]).unwrap()))
        .await;
    let peppered = deploy.node(|it| it.pepper(Pepper::new(&[7; 32]))).await;
    let key = issue(old).await.unwrap();
    let text = key.key.expose();
    let tokens = sign_in(old, "alice").await.unwrap();
    for (node, reason) in [
        (&other_form, Reason::KeyMalformed),
        (&peppered, Reason::KeyUnknown),
    ] {
        let theirs = issue(node).await.unwrap();
        for _ in 0..2 {
            assert!(
                old.api_keys()
                    .verify(text)
                    .await
                    .unwrap()
                    .reason()
                    .is_none()
            );
            let verdict = node.api_keys().verify(text).await.unwrap();
            assert_eq!(verdict.reason(), Some(reason));
            let verdict = old.api_keys().verify(theirs.key.expose()).await.unwrap();
            assert_eq!(verdict.reason(), Some(reason));
        }
    }
    assert_eq!(
        refresh(&peppered, &tokens).await.map(drop),
        Err(Reason::RefreshUnknown)
    );

    // The new catalogue gives a clerk less, knows no admin, and has no scope for writing.
    let narrow = deploy
        .node(|it| {
            let roles = RoleCatalog::builder()
                .permissions(["orders:read", "orders:write"])
                .role(Role::new("clerk").grant("orders:read"))
                .role(Role::new("boss").grant("orders:write"));
            it.roles(roles.build().unwrap())
        })
        .await;
    let tenant = Tenant::default();
    for (name, role) in [("ada", "admin"), ("bea", "boss")] {
        let registering = if role == "boss" { &narrow } else { old };
        let subject = Subject::new(name).unwrap();
        registering
            .subjects()
            .register(Authority::System, &tenant, &subject, [role])
            .await
            .unwrap();
    }
    for (issuer, verifier, name) in [(old, &narrow, "ada"), (&narrow, old, "bea")] {
        let new = NewTokens::new(Subject::new(name).unwrap(), ClientId::new("web").unwrap());
        let tokens = issuer.tokens().issue(&Actor::System, new).await.unwrap();
        let text = tokens.access.access_token.expose();
        for (node, may) in [(issuer, true), (verifier, false)] {
            for _ in 0..2 {
                let principal = node.tokens().verify(text).await.unwrap();
                assert_eq!(node.authorize::<Write>(principal).is_ok(), may, "{name}");
            }
        }
    }
    // A key's scopes are of the catalogue that looks at them.
    let new = NewApiKey::for_service("billing").scope("orders:write");
    let key = old
        .api_keys()
        .issue(Authority::System, &tenant, new)
        .await
        .unwrap();
    let fewer = deploy
        .node(|it| {
            let roles = RoleCatalog::builder().permissions(["orders:read"]);
            it.roles(roles.build().unwrap())
        })
        .await;
    let principal = fewer
        .authenticate(PresentedCredential::ApiKey(key.key.expose()))
        .await
        .unwrap();
    assert!(fewer.authorize::<Write>(principal).is_err());
}
