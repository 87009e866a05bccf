//! What a node remembers and may not believe (F-32): read before a change and stored behind it, or of somebody else.

use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::Authority;
use fountain_core::api_key::NewApiKey;
use fountain_core::authenticate::PresentedCredential;
use fountain_core::identity::ClientId;
use fountain_core::token::NewTokens;
use fountain_core::{Actor, Fountain, Reason, Subject, Tenant};
use fountain_store_postgres::PostgresStore;
use fountain_tests_faults::{Link, Proxy, within};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::world::{Held, RECOVERY, World, number, options, postgres, sign_in, wiring};

fn is_remembered(node: &Fountain, held: &Held) -> bool {
    match held.credential() {
        PresentedCredential::AccessToken(text) => node.tokens().recall(text).is_some(),
        PresentedCredential::ApiKey(text) => node.api_keys().recall(text).is_some(),
    }
}

async fn refused(node: &Fountain, held: &Held) -> Option<Reason> {
    let verified = node.authenticate(held.credential()).await;
    verified.err().map(|rejection| rejection.reason())
}

/// One connection, for which its next user waits as long as it takes.
fn slow_pool(options: PgConnectOptions) -> PgPool {
    PostgresStore::pool_options()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .connect_lazy_with(options)
}

/// F-32, R-82: a node asks for a record; before the answer arrives, the record changes and the node hears of it. What it
/// then remembers is of an older version, and it does not believe it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_change_and_stored_behind_it_is_not_believed() {
    let world = World::new().await;
    let (changing, mut beside) = (&world.node.fountain, world.beside().await);
    let tenant = Tenant::default();
    let proxy = Proxy::to(world.server.address()).await;
    let late = options(&world.server.url_through(proxy.address())).application_name("late");
    let store = PostgresStore::builder(slow_pool(late)).deadline(Duration::from_secs(30));
    let feed = postgres(options(&world.server.url()), 1).await;
    let node = wiring(Arc::new(store.build().await.unwrap()))
        .change_feed(Arc::new(feed))
        .build()
        .await
        .unwrap();

    // It has the signing keys, and its connection knows the statements.
    let new = NewApiKey::for_owner("somebody", "a key").scope("orders:read");
    let somebodys = changing
        .api_keys()
        .issue(Authority::System, &tenant, new)
        .await;
    for held in [
        Held::Token(sign_in(&node, "somebody").await.unwrap()),
        Held::key(somebodys.unwrap()),
    ] {
        assert_eq!(refused(&node, &held).await, None);
    }

    for (what, changes) in [
        ("a token", false),
        ("a token", true),
        ("a key", false),
        ("a key", true),
        ("an owner", true),
    ] {
        let name = format!("{}-{changes}", what.replace(' ', "-"));
        let subject = Subject::new(name.as_str()).unwrap();
        let subjects = changing.subjects();
        subjects
            .register(Authority::System, &tenant, &subject, ["admin"])
            .await
            .unwrap();
        let held = if what == "a token" {
            Held::Token(sign_in(changing, &name).await.unwrap())
        } else {
            let new = NewApiKey::for_owner(name.as_str(), "a key").scope("orders:read");
            let issued = changing.api_keys().issue(Authority::System, &tenant, new);
            Held::key(issued.await.unwrap())
        };
        node.follow().await.unwrap();
        assert!(!is_remembered(&node, &held));

        // The last thing that was asked there is nothing of what follows.
        node.audit().page(&tenant, None, 1).await.unwrap();
        proxy.set(Link::Slow(Duration::from_millis(500)));
        let (answer, ()) = tokio::join!(refused(&node, &held), async {
            // The last statement of that connection is the one whose answer is on its way.
            let table = if what == "a token" {
                "revocations"
            } else {
                "subjects"
            };
            let asked = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'late' AND state = 'idle'
                 AND query LIKE '%fountain.{table}%'"
            );
            if what != "a token" {
                // A key is asked for first, and its owner then.
                let first = asked.replace(table, "api_keys");
                within(
                    "the server was asked for the key",
                    Duration::from_secs(20),
                    async || (number(&mut beside, &first).await == 1).then_some(()),
                )
                .await;
                if what == "an owner" {
                    proxy.set(Link::Good);
                    proxy.set(Link::Slow(Duration::from_millis(500)));
                }
            }
            if what != "a key" {
                within(
                    "the server was asked",
                    Duration::from_secs(20),
                    async || (number(&mut beside, &asked).await == 1).then_some(()),
                )
                .await;
            }
            if changes {
                match &held {
                    Held::Token(_) => {
                        let roles = ["clerk"];
                        let assigned = subjects.assign(Authority::System, &tenant, &subject, roles);
                        assigned.await.unwrap();
                    }
                    Held::Key(key) if what == "a key" => {
                        let keys = changing.api_keys();
                        let id = &key.record.id;
                        keys.revoke(Authority::System, &tenant, id).await.unwrap();
                    }
                    Held::Key(_) => {
                        let disabled = subjects.disable(Authority::System, &tenant, &subject);
                        disabled.await.unwrap();
                    }
                }
            }
            assert_eq!(node.follow().await.unwrap() > 0, changes, "{what}");
            proxy.set(Link::Good);
        });
        // The answer was true when it was given.
        assert_eq!(answer, None, "{what}");
        assert_eq!(is_remembered(&node, &held), !changes, "{what}");
        let expected = match (what, changes) {
            (_, false) => None,
            ("a token", _) => Some(Reason::TokenRevoked),
            ("a key", _) => Some(Reason::KeyRevoked),
            _ => Some(Reason::KeyOwnerDisabled),
        };
        for _ in 0..2 {
            assert_eq!(refused(&node, &held).await, expected, "{what}");
        }
    }
}

/// F-32, R-83: what is remembered of one tenant's subject is not found for another's of the same name, not even under the
/// signature of a token that is remembered.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_of_one_tenant_is_of_no_use_in_another() {
    let world = World::new().await;
    let node = world.remembering().await.fountain;
    let alice = Subject::new("alice").unwrap();
    let tenants = ["north", "south"].map(|name| Tenant::new(name).unwrap());
    let mut tokens = Vec::new();
    for tenant in &tenants {
        // Somebody has to stay an administrator.
        for subject in [&alice, &Subject::new("root").unwrap()] {
            let subjects = node.subjects();
            let registered = subjects.register(Authority::System, tenant, subject, ["admin"]);
            registered.await.unwrap();
        }
        let new = NewTokens::new(alice.clone(), ClientId::new("web").unwrap());
        let issued = node
            .tokens()
            .issue(&Actor::System, new.tenant(tenant.clone()));
        tokens.push(issued.await.unwrap().access.access_token);
    }
    node.follow().await.unwrap();
    for (token, tenant) in tokens.iter().zip(&tenants) {
        for _ in 0..2 {
            let principal = node.tokens().verify(token.expose()).await.unwrap();
            assert_eq!(principal.tenant(), tenant);
        }
        let recalled = node.tokens().recall(token.expose()).unwrap();
        assert_eq!(recalled.tenant(), tenant);
    }

    // The signature of one, by which it is found, under the claims of the other.
    let parts: Vec<Vec<&str>> = tokens
        .iter()
        .map(|token| token.expose().split('.').collect())
        .collect();
    for (signed, claims) in [(0, 1), (1, 0)] {
        let forged = [parts[signed][0], parts[claims][1], parts[signed][2]].join(".");
        for _ in 0..2 {
            assert!(node.tokens().recall(&forged).is_none());
            let refused = node.tokens().verify(&forged).await.unwrap_err();
            assert_eq!(refused.reason(), Reason::TokenSignature);
        }
        assert!(node.tokens().recall(tokens[signed].expose()).is_some());
    }

    // A change in the south is none in the north.
    let other = &world.node.fountain;
    let assigned = other
        .subjects()
        .assign(Authority::System, &tenants[1], &alice, ["clerk"]);
    assigned.await.unwrap();
    within("the node has heard of it", RECOVERY, async || {
        (node.follow().await.unwrap() > 0).then_some(())
    })
    .await;
    let north = node.tokens().verify(tokens[0].expose()).await.unwrap();
    assert_eq!(north.roles(), ["admin"]);
    let south = node.tokens().verify(tokens[1].expose()).await.unwrap_err();
    assert_eq!(south.reason(), Reason::TokenRevoked);
}
