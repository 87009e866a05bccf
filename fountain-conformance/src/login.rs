//! `Login` on the store: how many passwords are judged when many come at once holds only as well as the store counts them.

use std::sync::Arc;

use fountain_core::access::{Authority, Role, RoleCatalog};
use fountain_core::identity::{ClientId, LoginName};
use fountain_core::login::{Login, LoginAttempt, NewCredential, SignIn};
use fountain_core::memory::MemoryStore;
use fountain_core::seal::LocalKeys;
use fountain_core::{
    Error, ErrorKind, Fountain, ManualClock, OsRandom, Pepper, Reason, Secret, Subject, Tenant,
};

use crate::context::{Context, Stores};
use crate::fixtures::NOW;
use crate::race::{count, race};

/// R-62, F-26: of 200 wrong passwords at once, on four nodes, as many are held against the hash as the threshold says; the others
/// are held against the hash of nobody.
pub(crate) async fn login_of_parallel_wrong_passwords_on_four_nodes_five_are_judged(cx: Context) {
    let s = cx.fresh().await;
    // Each of them hashes: a tenth of the rounds that other races have.
    for _ in 0..cx.rounds.service_races.div_ceil(10) {
        let (tenant, subject) = (cx.fixtures.tenant(), cx.fixtures.subject());
        let mut nodes = Vec::new();
        for _ in 0..4 {
            nodes.push(node(&s).await);
        }
        register(&nodes[0], &tenant, &subject).await;
        let attempts = 3 * cx.rounds.tasks + 8;
        let reasons = race(attempts, |n| {
            let (login, tenant) = (login(&nodes[n % 4]).clone(), tenant.clone());
            async move { why(login.begin(attempt("a guess").tenant(tenant)).await) }
        })
        .await;
        let judged = count(&reasons, |reason| *reason == Reason::PasswordWrong);
        assert_eq!(judged, 5, "judged of {attempts} wrong passwords at once");
        let locked = count(&reasons, |reason| *reason == Reason::Locked);
        assert_eq!(judged + locked, attempts);
        // And the right one is no better than they were, on any node.
        for node in &nodes {
            let right = attempt(GOOD).tenant(tenant.clone());
            assert_eq!(why(login(node).begin(right).await), Reason::Locked);
        }
    }
}

const GOOD: &str = "four words nobody else picked";

fn attempt(password: &str) -> LoginAttempt {
    let client = ClientId::new("web").expect("letters are a client");
    LoginAttempt::new("alice@x", Secret::from(password.to_owned()), client)
}

fn login(node: &Fountain) -> &Login {
    node.sign_in().expect("it was wired").login()
}

/// A node: its own services over the one store. It issues no token, so its signing keys are its own.
async fn node(s: &Stores) -> Fountain {
    let roles = RoleCatalog::builder()
        .permissions(["orders:read"])
        .role(Role::new("clerk").grant("orders:read"))
        .build()
        .expect("one role is a catalog");
    let keys = LocalKeys::generate(Arc::new(OsRandom)).expect("there is entropy");
    Fountain::builder(Arc::new(MemoryStore::new()))
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(roles)
        .key_encryption(Arc::new(keys))
        .clock(Arc::new(ManualClock::at(NOW)))
        .subject_store(s.subjects.clone())
        .credential_store(s.credentials.clone())
        .factor_store(s.factors.clone())
        .challenge_store(s.challenges.clone())
        .lockout_store(s.lockouts.clone())
        .change_feed(s.feed.clone())
        .sign_in(SignIn::builder(Pepper::new(&[7; 32])).service_name("Conformance"))
        .build()
        .await
        .expect("the settings are in bounds")
}

async fn register(node: &Fountain, tenant: &Tenant, subject: &Subject) {
    let by = Authority::System;
    let subjects = node.subjects();
    let registered = subjects.register(by, tenant, subject, ["clerk"]).await;
    registered.expect("it is new");
    let name = LoginName::new("alice@x").expect("it is a name");
    let new = NewCredential::new(subject.clone(), name, Secret::from(GOOD.to_owned()));
    let registered = login(node).register(by, new.tenant(tenant.clone())).await;
    registered.expect("its name is new");
}

/// Why it was refused. What was not refused fails the case.
fn why<T>(outcome: Result<T, Error>) -> Reason {
    match outcome {
        Ok(_) => panic!("it was good"),
        Err(error) => match error.kind() {
            ErrorKind::Refused(rejection) => rejection.reason(),
            other => panic!("{other:?}: {:?}", std::error::Error::source(&error)),
        },
    }
}
