use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_lock::{Mutex, MutexGuard};

use super::document::{self, Outcome};
use super::fetch::{FetchError, FetchLimits, FetchedJwks, JwksFetch};
use crate::clock::Clock;
use crate::error::{Reason, Rejection};
use crate::identity::{Issuer, Kid};
use crate::metrics::{JWKS_FETCHES, Labelled};
use crate::signing::Algorithm;
use crate::token::{KeySet, KeySource, TokenKind, TrustedKey};

/// No fetch begins sooner than this after the one before, whatever came of that.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(30);
/// How long a set is fresh when the server does not say.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);
/// The bounds of what a server may say: none makes us ask all the time, or believe for days what it withdrew.
const MAX_AGE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));
/// A fetch that has taken this long is not waited for, and given up once nobody carries it on. Its time-out is 2 s.
const PATIENCE: Duration = Duration::from_secs(5);
/// Callers that wait for one fetch. Who comes after them is refused at once, so that a flood holds no memory (B-50).
const MAX_WAITING: usize = 1_024;

/// The keys of one issuer: the last good set, and the one fetch that may be under way.
///
/// A look-up reads one snapshot and takes no lock. Who needs a fetch takes the lock, begins it, and carries it to
/// its end; a caller that is dropped meanwhile leaves the fetch behind, and the next one carries it on. So a
/// client that disconnects on purpose can neither break off the fetch that others need nor use up its turn.
pub(super) struct RemoteKeys {
    issuer: Issuer,
    algorithms: Box<[Algorithm]>,
    url: Arc<str>,
    max_stale: Duration,
    fetcher: Arc<dyn JwksFetch>,
    clock: Arc<dyn Clock>,
    /// Replaced as a whole, and only by who holds `flight`.
    state: ArcSwap<State>,
    flight: Mutex<Option<Flight>>,
    waiting: AtomicUsize,
    fetches: Labelled,
}

/// What is known, at one moment. All instants are on the monotonic clock.
#[derive(Clone, Default)]
struct State {
    held: Option<Arc<Held>>,
    /// No fetch begins before. Set when one begins: what comes of it changes nothing here.
    next_fetch: Duration,
    /// When the fetch began that is under way.
    flying_since: Option<Duration>,
}

/// The last good set.
struct Held {
    keys: KeySet,
    /// From when on a host that schedules it fetches ahead, so that no request has to.
    ahead_from: Duration,
    fresh_until: Duration,
    usable_until: Duration,
}

/// A fetch under way.
struct Flight {
    since: Duration,
    future: Pin<Box<dyn Future<Output = Result<FetchedJwks, FetchError>> + Send>>,
}

impl RemoteKeys {
    pub(super) fn new(
        issuer: Issuer,
        algorithms: &[Algorithm],
        url: &str,
        max_stale: Duration,
        fetcher: Arc<dyn JwksFetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            issuer,
            algorithms: algorithms.into(),
            url: url.into(),
            max_stale,
            fetcher,
            clock,
            state: ArcSwap::default(),
            flight: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            fetches: Labelled::new(JWKS_FETCHES, Outcome::ALL.len()),
        }
    }

    /// What `attempt` makes of the keys; it is asked again when a fetch may have changed its answer.
    ///
    /// 1. It accepts, with a fresh set: accepted, without waiting for anything.
    /// 2. It accepts, with a stale set: the one caller who finds the turn free fetches, and then asks again. All
    ///    others keep the answer, and so does that one when nothing good came, until the longest staleness.
    /// 3. It misses the key: the caller waits for the fetch that is under way, or fetches if it is time, and asks again.
    /// 4. It refuses for another reason: refused, without waiting for anything.
    pub(super) async fn ask<T: Send>(
        &self,
        attempt: impl Fn(&Snapshot) -> Result<T, Rejection> + Send + Sync,
    ) -> Result<T, Rejection> {
        let before = self.snapshot();
        let answer = attempt(&before);
        let worth_it = match &answer {
            Ok(_) => !before.is_fresh(),
            Err(refusal) => misses_the_key(refusal),
        };
        if !worth_it || !before.state.is_due(before.now) {
            return answer;
        }
        if answer.is_err() {
            self.wait_and_fly(&before).await?;
        } else if let Some(flight) = self.flight.try_lock() {
            self.fly(flight).await;
        } else {
            return answer;
        }
        attempt(&self.snapshot())
    }

    /// Fetches when there is no usable set, or three quarters of its freshness have passed. Never more often than others.
    pub(super) async fn refresh_ahead(&self) -> Result<(), Rejection> {
        let before = self.snapshot();
        let held = before.state.held.as_ref();
        if held.is_none_or(|held| before.now >= held.ahead_from) && before.state.is_due(before.now)
        {
            self.wait_and_fly(&before).await?;
        }
        self.snapshot().usable().map(drop).map_err(refusal)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state.load_full(),
            now: self.clock.monotonic(),
        }
    }

    /// Waits for whoever is fetching, then fetches if that is still due.
    async fn wait_and_fly(&self, before: &Snapshot) -> Result<(), Rejection> {
        let hangs = before
            .state
            .flying_since
            .is_some_and(|since| before.now.saturating_sub(since) > PATIENCE);
        let flight = if hangs {
            self.flight.try_lock()
        } else {
            let place = Place::take(&self.waiting);
            match place {
                Some(_) => Some(self.flight.lock().await),
                None => None,
            }
        };
        match flight {
            Some(flight) => {
                self.fly(flight).await;
                Ok(())
            }
            None => Err(refusal(Reason::TokenIssuerKeysUnavailable)),
        }
    }

    /// Carries on the fetch that was left behind, or begins one if it is time; then takes over what came.
    async fn fly(&self, mut flight: MutexGuard<'_, Option<Flight>>) {
        let now = self.clock.monotonic();
        // What was left behind too long ago would answer an old question.
        let left_behind = flight
            .take()
            .filter(|left| now.saturating_sub(left.since) <= PATIENCE);
        let under_way = match left_behind {
            Some(left) => left,
            None if self.claim(now) => self.depart(now),
            None => return,
        };
        let since = under_way.since;
        *flight = Some(under_way);
        if let Some(answer) = carry(&mut flight).await {
            self.land(since, answer);
        }
    }

    /// Takes the turn, if it is time: before the fetch, and for good. Only with the lock held, and nothing under way.
    fn claim(&self, now: Duration) -> bool {
        let mut state = State::clone(&self.state.load());
        let free = now >= state.next_fetch;
        state.flying_since = free.then_some(now);
        if free {
            state.next_fetch = now.saturating_add(COOL_DOWN);
        }
        self.state.store(Arc::new(state));
        free
    }

    fn depart(&self, since: Duration) -> Flight {
        let (fetcher, url) = (Arc::clone(&self.fetcher), Arc::clone(&self.url));
        Flight {
            since,
            future: Box::pin(async move { fetcher.fetch(&url, FetchLimits::default()).await }),
        }
    }

    /// Puts a good set in the place of the last one, and leaves that where it is after anything else. Only with the
    /// lock held.
    fn land(&self, since: Duration, answer: Result<FetchedJwks, FetchError>) {
        let mut state = State::clone(&self.state.load());
        state.flying_since = None;
        let outcome = match self.judge(since, answer) {
            Ok(held) => {
                state.held = Some(Arc::new(held));
                Outcome::Fetched
            }
            Err(outcome) => outcome,
        };
        self.state.store(Arc::new(state));
        self.fetches.increment(outcome.index(), outcome.as_str());
        if outcome != Outcome::Fetched {
            tracing::warn!(
                issuer = %self.issuer,
                outcome = outcome.as_str(),
                "the key set of another issuer was not renewed"
            );
        }
    }

    fn judge(
        &self,
        since: Duration,
        answer: Result<FetchedJwks, FetchError>,
    ) -> Result<Held, Outcome> {
        let fetched = answer.map_err(|error| {
            tracing::debug!(
                issuer = %self.issuer,
                error = &error as &dyn std::error::Error,
                "a key set could not be fetched"
            );
            Outcome::from(error.kind())
        })?;
        let keys = document::read(&fetched, &self.algorithms)?;
        let (least, most) = MAX_AGE;
        let max_age = fetched
            .max_age
            .unwrap_or(DEFAULT_MAX_AGE)
            .clamp(least, most);
        // Its age counts from when it was asked for: it may be that old.
        let fresh_until = since.saturating_add(max_age);
        Ok(Held {
            keys,
            ahead_from: since.saturating_add(max_age / 4 * 3),
            fresh_until,
            usable_until: fresh_until.saturating_add(self.max_stale),
        })
    }
}

impl State {
    /// Whether there is a fetch to wait for, or one may begin.
    fn is_due(&self, now: Duration) -> bool {
        self.flying_since.is_some() || now >= self.next_fetch
    }
}

/// The keys as of one moment.
pub(super) struct Snapshot {
    state: Arc<State>,
    now: Duration,
}

impl Snapshot {
    fn is_fresh(&self) -> bool {
        let held = self.state.held.as_ref();
        held.is_some_and(|held| self.now < held.fresh_until)
    }

    fn usable(&self) -> Result<&Held, Reason> {
        match &self.state.held {
            Some(held) if self.now < held.usable_until => Ok(held),
            _ => Err(Reason::TokenIssuerKeysUnavailable),
        }
    }
}

impl KeySource for Snapshot {
    fn by_header(&self, kind: TokenKind, encoded: &str) -> Option<&TrustedKey> {
        self.usable().ok()?.keys.by_header(kind, encoded)
    }

    /// Only a fresh set can say that there is no such key: a stale one may lack the newest.
    fn by_kid(&self, kid: &Kid) -> Result<&TrustedKey, Reason> {
        let found = self.usable()?.keys.by_kid(kid);
        if self.is_fresh() {
            found
        } else {
            found.map_err(|_| Reason::TokenIssuerKeysUnavailable)
        }
    }
}

fn misses_the_key(refusal: &Rejection) -> bool {
    matches!(
        refusal.reason(),
        Reason::TokenUnknownKey | Reason::TokenIssuerKeysUnavailable
    )
}

fn refusal(reason: Reason) -> Rejection {
    Rejection::unavailable(reason)
}

/// Polls the fetch to its end. Dropped before, it leaves the fetch in its place, for the next caller.
async fn carry(flight: &mut Option<Flight>) -> Option<Result<FetchedJwks, FetchError>> {
    poll_fn(|context| {
        // Taken out while it is polled: one that panics is gone, and never polled again.
        let Some(mut under_way) = flight.take() else {
            return Poll::Ready(None);
        };
        match under_way.future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => {
                *flight = Some(under_way);
                Poll::Pending
            }
        }
    })
    .await
}

/// A place among those who wait, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(waiting);
        (before < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.state.load().held.is_some();
        write!(f, "RemoteKeys({}, held: {held})", self.issuer)
    }
}

#[cfg(test)]
mod tests;
