//! A fetcher and a clock that tests move by hand.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;

use super::fetch::{FetchError, FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::random::OsRandom;
use crate::signing::{Algorithm, Kid, SigningKey};

/// A clock that a test keeps in its hand while it is wired in.
pub(super) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_700_000_000)))
}

/// What a server does next, and how often it was asked.
#[derive(Debug)]
pub(super) struct Script {
    answer: Mutex<Result<FetchedJwks, FetchErrorKind>>,
    /// How many polls an answer takes after the first one.
    polls: AtomicUsize,
    panics: AtomicUsize,
    asked: AtomicUsize,
    /// How many fetches are between their beginning and their end or drop.
    open: AtomicUsize,
}

#[derive(Debug, Clone)]
pub(super) struct Scripted(pub(super) Arc<Script>);

impl Scripted {
    pub(super) fn new(answer: FetchedJwks) -> Self {
        Self(Arc::new(Script {
            answer: Mutex::new(Ok(answer)),
            polls: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        }))
    }

    pub(super) fn answers(&self, answer: FetchedJwks) {
        *self.0.answer.lock().unwrap() = Ok(answer);
    }

    pub(super) fn fails(&self, kind: FetchErrorKind) {
        *self.0.answer.lock().unwrap() = Err(kind);
    }

    /// Answers after this many polls more than one; never with `usize::MAX`.
    pub(super) fn takes(&self, polls: usize) {
        self.0.polls.store(polls, Ordering::SeqCst);
    }

    pub(super) fn panics_once(&self) {
        self.0.panics.store(1, Ordering::SeqCst);
    }

    pub(super) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    pub(super) fn open(&self) -> usize {
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
pub(super) struct Published {
    pub(super) key: Arc<SigningKey>,
}

impl Published {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm, &OsRandom).unwrap();
        Self { key: Arc::new(key) }
    }

    /// The key under each of these ids, fresh for this many seconds.
    pub(super) fn set(&self, kids: &[&str], max_age: Option<u64>) -> FetchedJwks {
        let jwk = |kid: &&str| self.key.verifying_key().public_jwk(&kid.parse().unwrap());
        let keys: Option<Vec<_>> = kids.iter().map(jwk).collect();
        answer(
            &format!("{{\"keys\":[{}]}}", keys.unwrap().join(",")),
            max_age,
        )
    }
}

pub(super) fn answer(body: &str, max_age: Option<u64>) -> FetchedJwks {
    FetchedJwks {
        body: body.as_bytes().to_vec(),
        media_type: Some("application/jwk-set+json".into()),
        max_age: max_age.map(Duration::from_secs),
    }
}

pub(super) fn kid(id: &str) -> Kid {
    id.parse().unwrap()
}

/// What the future gives without waiting; none when it would wait.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Moves time by seconds.
pub(super) fn pass(clock: &ManualClock, seconds: u64) {
    let before = clock.monotonic();
    clock.advance(Duration::from_secs(seconds));
    assert_eq!(clock.monotonic() - before, Duration::from_secs(seconds));
}
