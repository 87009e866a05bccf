//! L-13: many requests at once that show one token to a node that does not remember it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fountain_core::access::RoleCatalog;
use fountain_core::authenticate::PresentedCredential;
use fountain_core::identity::{ClientId, Scope};
use fountain_core::memory::MemoryStore;
use fountain_core::seal::LocalKeys;
use fountain_core::token::NewTokens;
use fountain_core::{
    Actor, Fountain, ManualClock, OsRandom, Principal, Reason, Rejection, Subject, Tenant,
    Timestamp,
};

use crate::support::CountingRevocations;

const CROWD: usize = 1_000;

type Call<'a> = Pin<Box<dyn Future<Output = Result<Principal, Rejection>> + Send + 'a>>;

struct World {
    clock: Arc<ManualClock>,
    fountain: Fountain,
    revocations: Arc<CountingRevocations>,
}

impl World {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let revocations = Arc::new(CountingRevocations::new(store.clone()));
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_700_000_000)));
        let fountain = Fountain::builder(store.clone())
            .issuer("https://auth.example.com")
            .audience("orders")
            .roles(
                RoleCatalog::builder()
                    .permission("orders:read")
                    .build()
                    .unwrap(),
            )
            .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom)).unwrap()))
            .refresh_token_store(store.clone())
            .revocation_store(revocations.clone())
            .change_feed(store)
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
        Self {
            clock,
            fountain,
            revocations,
        }
    }

    async fn token(&self, subject: &str) -> String {
        let client = ClientId::new("web").unwrap();
        let new = NewTokens::new(Subject::new(subject).unwrap(), client)
            .scope(Scope::new("orders:read").unwrap());
        let issued = self.fountain.tokens().issue_access(&new).await;
        issued.unwrap().access_token.expose().to_owned()
    }

    /// The feed was heard when the node was built, and then no more.
    fn stale(&self) {
        self.clock.advance(Duration::from_micros(5_000_001));
    }

    fn shows<'a>(&'a self, token: &'a str) -> Call<'a> {
        let credential = PresentedCredential::AccessToken(token);
        Box::pin(self.fountain.authenticate(credential))
    }

    /// Begins all of the calls, then lets the store answer; tells how often it was asked.
    async fn at_once(&self, mut calls: Vec<Call<'_>>) -> (Vec<Result<Principal, Rejection>>, u64) {
        let before = self.revocations.asked();
        let closed = self.revocations.close().await;
        begin(&mut calls).await;
        drop(closed);
        let mut verdicts = Vec::new();
        for call in calls {
            verdicts.push(call.await);
        }
        (verdicts, self.revocations.asked() - before)
    }

    async fn crowd(&self, token: &str) -> (Vec<Result<Principal, Rejection>>, u64) {
        self.at_once((0..CROWD).map(|_| self.shows(token)).collect())
            .await
    }
}

async fn begin(calls: &mut [Call<'_>]) {
    poll_fn(|context| {
        for call in &mut *calls {
            assert!(call.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_crowd_with_one_token_is_one_question_while_the_feed_is_fresh() {
    let world = World::new().await;
    let token = world.token("alice").await;
    world.fountain.tick().await.unwrap();
    let (verdicts, asked) = world.crowd(&token).await;
    assert!(
        verdicts
            .iter()
            .all(|who| who.as_ref().unwrap().subject().as_str() == "alice")
    );
    assert_eq!(asked, 1);
    assert!(world.fountain.tokens().recall(&token).is_some());
}

/// The same on several threads, where callers come before, while and after the store is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_on_many_threads_is_one_question_while_the_feed_is_fresh() {
    let world = Arc::new(World::new().await);
    for subject in ["alice", "bob", "carol"] {
        let token: Arc<str> = world.token(subject).await.into();
        world.fountain.tick().await.unwrap();
        let before = world.revocations.asked();
        let crowd: Vec<_> = (0..CROWD)
            .map(|_| {
                let (world, token) = (Arc::clone(&world), Arc::clone(&token));
                tokio::spawn(async move { world.shows(&token).await.map(|_| ()) })
            })
            .collect();
        for call in crowd {
            call.await.unwrap().unwrap();
        }
        assert_eq!(world.revocations.asked() - before, 1);
    }
}

#[tokio::test]
async fn a_crowd_with_one_token_is_two_questions_while_the_feed_is_stale() {
    let world = World::new().await;
    let token = world.token("alice").await;
    world.stale();
    let (verdicts, asked) = world.crowd(&token).await;
    assert!(verdicts.iter().all(Result::is_ok));
    assert_eq!(asked, 2);
}

/// Who introspects wants the store's own word: what was asked before is not shared, what is asked after is.
#[tokio::test]
async fn a_crowd_that_introspects_one_token_is_two_questions() {
    let world = World::new().await;
    let token = world.token("alice").await;
    world.fountain.tick().await.unwrap();
    let tenant = Tenant::default();
    let introspect = || async {
        let found = world.fountain.tokens().introspect(&tenant, &token).await;
        assert!(found.unwrap().active);
        world.fountain.tokens().verify(&token).await
    };
    let calls = (0..CROWD).map(|_| Box::pin(introspect()) as Call<'_>);
    let (verdicts, asked) = world.at_once(calls.collect()).await;
    assert!(verdicts.iter().all(Result::is_ok));
    assert_eq!(asked, 2);
}

/// a token that is revoked while a crowd waits is refused to everybody who comes after, fresh feed or not.
#[tokio::test]
async fn a_revocation_is_seen_by_every_call_that_begins_after_it() {
    for fresh in [true, false] {
        let world = World::new().await;
        let (token, other) = (world.token("alice").await, world.token("bob").await);
        if fresh {
            world.fountain.tick().await.unwrap();
        } else {
            world.stale();
        }
        // The store has looked, and its answer is on its way.
        let closed = world.revocations.close().await;
        let mut early = vec![world.shows(&token)];
        begin(&mut early).await;
        world
            .fountain
            .tokens()
            .revoke(&Actor::System, &Tenant::default(), &token)
            .await
            .unwrap();
        let mut late: Vec<Call<'_>> = (0..CROWD).map(|_| world.shows(&token)).collect();
        begin(&mut late).await;
        let mut others = vec![world.shows(&other)];
        begin(&mut others).await;
        drop(closed);
        for call in early {
            assert!(call.await.is_ok());
        }
        for call in late {
            assert_eq!(call.await.unwrap_err().reason(), Reason::TokenRevoked);
        }
        for call in others {
            assert_eq!(call.await.unwrap().subject().as_str(), "bob");
        }
    }
}
