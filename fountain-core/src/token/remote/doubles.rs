//! For tests: a fetcher and a clock that are moved by hand, and an issuer on an imagined network.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;

use super::RemoteIssuer;
use super::builder::RemoteIssuerBuilder;
use super::fetch::{FetchError, FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch};
use crate::access::{Role, RoleCatalog};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::identity::{ClientId, Tenant, TokenId};
use crate::random::OsRandom;
use crate::signing::{Algorithm, Kid, SigningKey};
use crate::token::{AccessClaims, TokenRules, TokenSigner};

/// A clock that a test keeps in its hand while it is wired in.
pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_700_000_000)))
}

/// What a server does next, and how often it was asked.
#[derive(Debug)]
pub(crate) struct Script {
    answer: Mutex<Result<FetchedJwks, FetchErrorKind>>,
    /// How many polls an answer takes after the first one.
    polls: AtomicUsize,
    panics: AtomicUsize,
    asked: AtomicUsize,
    /// How many fetches are between their beginning and their end or drop.
    open: AtomicUsize,
}

#[derive(Debug, Clone)]
pub(crate) struct Scripted(pub(crate) Arc<Script>);

impl Scripted {
    pub(crate) fn new(answer: FetchedJwks) -> Self {
        Self(Arc::new(Script {
            answer: Mutex::new(Ok(answer)),
            polls: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn answers(&self, answer: FetchedJwks) {
        *self.0.answer.lock().unwrap() = Ok(answer);
    }

    pub(crate) fn fails(&self, kind: FetchErrorKind) {
        *self.0.answer.lock().unwrap() = Err(kind);
    }

    /// Answers after this many polls more than one; never with `usize::MAX`.
    pub(crate) fn takes(&self, polls: usize) {
        self.0.polls.store(polls, Ordering::SeqCst);
    }

    pub(crate) fn panics_once(&self) {
        self.0.panics.store(1, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }
}

struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl JwksFetch for Scripted {
    async fn fetch(&self, _url: &str, limits: FetchLimits) -> Result<FetchedJwks, FetchError> {
        assert_eq!(limits, FetchLimits::default());
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        self.0.open.fetch_add(1, Ordering::SeqCst);
        let _open = Open(&self.0.open);
        assert_eq!(
            self.0.panics.swap(0, Ordering::SeqCst),
            0,
            "a fetcher's mistake"
        );
        let mut left = self.0.polls.load(Ordering::SeqCst);
        poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left = left.saturating_sub(1);
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        Ok(self.0.answer.lock().unwrap().clone()?)
    }
}

/// A key pair, and the sets in which it stands.
pub(crate) struct Published {
    pub(crate) key: Arc<SigningKey>,
}

impl Published {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm, &OsRandom).unwrap();
        Self { key: Arc::new(key) }
    }

    /// The key under each of these ids, fresh for this many seconds.
    pub(crate) fn set(&self, kids: &[&str], max_age: Option<u64>) -> FetchedJwks {
        let jwk = |kid: &&str| self.key.verifying_key().public_jwk(&kid.parse().unwrap());
        let keys: Option<Vec<_>> = kids.iter().map(jwk).collect();
        answer(
            &format!("{{\"keys\":[{}]}}", keys.unwrap().join(",")),
            max_age,
        )
    }
}

pub(crate) fn answer(body: &str, max_age: Option<u64>) -> FetchedJwks {
    FetchedJwks {
        body: body.as_bytes().to_vec(),
        media_type: Some("application/jwk-set+json".into()),
        max_age: max_age.map(Duration::from_secs),
    }
}

pub(crate) fn kid(id: &str) -> Kid {
    id.parse().unwrap()
}

/// What the future gives without waiting; none when it would wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Moves time by seconds.
pub(crate) fn pass(clock: &ManualClock, seconds: u64) {
    let before = clock.monotonic();
    clock.advance(Duration::from_secs(seconds));
    assert_eq!(clock.monotonic() - before, Duration::from_secs(seconds));
}

pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) fn rules(issuer: &str) -> TokenRules {
    TokenRules::builder()
        .issuer(issuer)
        .audience("orders")
        .algorithm(Algorithm::EdDsa)
        .algorithm(Algorithm::Es256)
        .max_life(Duration::from_secs(900))
        .build()
        .unwrap()
}

pub(crate) fn catalog() -> RoleCatalog {
    RoleCatalog::builder()
        .permissions(["orders:read", "orders:write", "keys:rotate"])
        .role(Role::new("clerk").grant("orders:*"))
        .role(Role::new("admin").grant("orders:*").grant("keys:rotate"))
        .build()
        .unwrap()
}

/// An issuer on the network, and its signing key under the id `k`.
pub(crate) struct Partner {
    pub(crate) server: Scripted,
    pub(crate) published: Published,
}

impl Partner {
    pub(crate) fn new() -> Self {
        let published = Published::new(Algorithm::EdDsa);
        Self {
            server: Scripted::new(published.set(&["k"], None)),
            published,
        }
    }

    pub(crate) fn sign(&self, claims: &AccessClaims) -> String {
        let signer = TokenSigner::new(kid("k"), Arc::clone(&self.published.key));
        signer.sign_access(claims).unwrap().to_string()
    }

    pub(crate) fn builder(&self, issuer: &str, clock: Arc<ManualClock>) -> RemoteIssuerBuilder {
        RemoteIssuer::builder()
            .rules(rules(issuer))
            .jwks_url("https://partner.example/jwks.json")
            .fetch(self.server.clone())
            .tenant(Tenant::new("partner").unwrap())
            .subject_prefix("partner:")
            .roles(catalog())
            .without_revocations()
            .clock(clock)
    }
}

pub(crate) fn claims(issuer: &str) -> AccessClaims {
    let at = Timestamp::from_unix_seconds;
    AccessClaims::new(
        issuer.parse().unwrap(),
        "alice".parse().unwrap(),
        "orders".parse().unwrap(),
        ClientId::new("web").unwrap(),
        TokenId::new("t1").unwrap(),
        at(NOW),
        at(NOW + 600),
    )
}
