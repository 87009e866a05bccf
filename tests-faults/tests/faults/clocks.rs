//! Nodes on one PostgreSQL whose clocks are 90 s apart, which is more than the leeway of 30 s (F-29).

use std::sync::Arc;
use std::time::Duration;

use fountain_core::identity::ClientId;
use fountain_core::token::{IssuedTokens, RefreshRequest};
use fountain_core::{Fountain, ManualClock, Reason, Timestamp};
use fountain_tests_faults::Server;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::world::{issue, options, postgres, sign_in, wiring};

/// How far apart the clocks are.
const SKEW: Duration = Duration::from_secs(90);
/// How long an access token lives: the default.
const LIFE: Duration = Duration::from_secs(600);
/// The default leeway.
const LEEWAY: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_micros(1);

struct Clocked {
    fountain: Fountain,
    clock: Arc<ManualClock>,
}

impl Clocked {
    async fn start(server: &Server, at: Timestamp, leeway: Duration) -> Self {
        let clock = Arc::new(ManualClock::at(at));
        let store = postgres(options(&server.url()), 2).await;
        let fountain = wiring(Arc::new(store))
            .staleness(Duration::ZERO)
            .leeway(leeway)
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
        Self { fountain, clock }
    }

    async fn signs_in(&self) -> IssuedTokens {
        sign_in(&self.fountain, "alice").await.unwrap()
    }

    /// Why it does not accept the token, if it does not.
    async fn refuses(&self, tokens: &IssuedTokens) -> Option<Reason> {
        let text = tokens.access.access_token.expose();
        let verified = self.fountain.tokens().verify(text).await;
        verified.err().map(|rejection| rejection.reason())
    }

    async fn refresh(&self, tokens: &IssuedTokens) -> Result<IssuedTokens, Reason> {
        let client = ClientId::new("web").unwrap();
        let request = RefreshRequest::new(tokens.refresh_token.clone(), client);
        let refreshed = self.fountain.tokens().refresh(request).await;
        refreshed.map_err(|error| error.rejection().reason())
    }
}

/// One that is right, one 90 s ahead of it, one 90 s behind.
struct Nodes {
    right: Clocked,
    ahead: Clocked,
    behind: Clocked,
    _server: Server,
}

impl Nodes {
    async fn start(leeway: Duration) -> Self {
        let server = Server::postgres(&[]).await;
        let now = Timestamp::from_unix_seconds(1_900_000_000);
        // The first signing key is old enough for all of them.
        let first = Clocked::start(&server, now - 2 * SKEW, leeway).await;
        let _kept = first.signs_in().await;
        Self {
            right: Clocked::start(&server, now, leeway).await,
            ahead: Clocked::start(&server, now + SKEW, leeway).await,
            behind: Clocked::start(&server, now - SKEW, leeway).await,
            _server: server,
        }
    }

    fn advance(&self, by: Duration) {
        for node in [&self.right, &self.ahead, &self.behind] {
            node.clock.advance(by);
        }
    }
}

/// What is counted on this thread, on which a test runs alone.
fn recorded() -> (PrometheusHandle, impl Drop) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // It lives as long as the process: what counts into it holds no borrow.
    let guard = metrics::set_default_local_recorder(Box::leak(Box::new(recorder)));
    (handle, guard)
}

fn count(handle: &PrometheusHandle, reason: Reason) -> u64 {
    let line = format!(
        "fountain_token_verifications_total{{outcome=\"{}\"}} ",
        reason.as_str()
    );
    let text = handle.render();
    let found = text.lines().find_map(|it| it.strip_prefix(&line));
    found.map_or(0, |number| number.parse().unwrap())
}

/// F-29, R-18, R-19: a token counts as of the clock of the node that looks at it, to the microsecond of the leeway, and the
/// metric says that it is the clocks that differ.
#[tokio::test]
async fn a_token_from_a_clock_outside_the_leeway_is_refused_and_counted_as_such() {
    let (metrics, _guard) = recorded();
    let nodes = Nodes::start(LEEWAY).await;
    let (from_ahead, from_right, from_behind) = (
        nodes.ahead.signs_in().await,
        nodes.right.signs_in().await,
        nodes.behind.signs_in().await,
    );

    // From the future: not yet.
    let future = Some(Reason::TokenIssuedInFuture);
    assert_eq!(nodes.right.refuses(&from_ahead).await, future);
    assert_eq!(nodes.behind.refuses(&from_ahead).await, future);
    assert_eq!(nodes.behind.refuses(&from_right).await, future);
    assert_eq!(count(&metrics, Reason::TokenIssuedInFuture), 3);
    // From the past: still.
    assert_eq!(nodes.right.refuses(&from_behind).await, None);
    assert_eq!(nodes.ahead.refuses(&from_behind).await, None);
    assert_eq!(nodes.ahead.refuses(&from_right).await, None);

    // Until the difference is no more than the leeway.
    nodes.advance(SKEW - LEEWAY - TICK);
    assert_eq!(nodes.right.refuses(&from_ahead).await, future);
    assert_eq!(nodes.behind.refuses(&from_right).await, future);
    nodes.advance(TICK);
    assert_eq!(nodes.right.refuses(&from_ahead).await, None);
    assert_eq!(nodes.behind.refuses(&from_right).await, None);
    assert_eq!(nodes.behind.refuses(&from_ahead).await, future);
    assert_eq!(count(&metrics, Reason::TokenIssuedInFuture), 6);

    // Each node by its own clock lets it end.
    assert_eq!(count(&metrics, Reason::TokenExpired), 0);
    let expired = Some(Reason::TokenExpired);
    let mut passed = SKEW - LEEWAY;
    for (token, node, ends) in [
        (&from_behind, &nodes.ahead, LIFE + LEEWAY - 2 * SKEW),
        (&from_behind, &nodes.right, LIFE + LEEWAY - SKEW),
        (&from_right, &nodes.ahead, LIFE + LEEWAY - SKEW),
        (&from_behind, &nodes.behind, LIFE + LEEWAY),
        (&from_right, &nodes.right, LIFE + LEEWAY),
        (&from_ahead, &nodes.ahead, LIFE + LEEWAY),
        (&from_ahead, &nodes.right, LIFE + LEEWAY + SKEW),
        (&from_right, &nodes.behind, LIFE + LEEWAY + SKEW),
        (&from_ahead, &nodes.behind, LIFE + LEEWAY + 2 * SKEW),
    ] {
        if passed < ends {
            nodes.advance(ends - TICK - passed);
            assert_eq!(node.refuses(token).await, None, "before {ends:?}");
            nodes.advance(TICK);
            passed = ends;
        }
        assert_eq!(node.refuses(token).await, expired, "after {ends:?}");
    }
    assert_eq!(count(&metrics, Reason::TokenExpired), 9);
}

/// F-29: hosts who know that their clocks are bad can say so, and then all of it works.
#[tokio::test]
async fn a_token_from_a_clock_inside_the_leeway_is_accepted_everywhere() {
    let nodes = Nodes::start(2 * SKEW).await;
    for from in [&nodes.ahead, &nodes.right, &nodes.behind] {
        let tokens = from.signs_in().await;
        for at in [&nodes.ahead, &nodes.right, &nodes.behind] {
            assert_eq!(at.refuses(&tokens).await, None);
        }
    }
}

/// F-29, R-39: the grace is measured across two clocks, so that it grows or shrinks by the difference. No node ever gives a
/// spent token a second successor.
#[tokio::test]
async fn a_spent_refresh_token_has_one_successor_whatever_the_clocks_say() {
    let nodes = Nodes::start(LEEWAY).await;
    let first = nodes.right.signs_in().await;
    let next = nodes.ahead.refresh(&first).await.unwrap();
    for node in [&nodes.ahead, &nodes.right, &nodes.behind] {
        let again = node.refresh(&first).await.unwrap();
        assert_eq!(again.refresh_token.expose(), next.refresh_token.expose());
    }

    // Used in the past of the others: for them the grace is over, and whoever comes again is a thief.
    let first = nodes.right.signs_in().await;
    let next = nodes.behind.refresh(&first).await.unwrap();
    let again = nodes.right.refresh(&first).await.map(drop);
    assert_eq!(again, Err(Reason::RefreshReused));
    for node in [&nodes.ahead, &nodes.right, &nodes.behind] {
        assert_eq!(
            node.refresh(&next).await.map(drop),
            Err(Reason::RefreshRevoked)
        );
        assert!(node.refuses(&next).await.is_some());
    }
}

/// F-29, R-36: an API key works from the moment on at which it was issued, by the clock of whoever looks; no leeway is given.
#[tokio::test]
async fn an_api_key_from_a_clock_that_is_ahead_works_once_the_others_get_there() {
    let nodes = Nodes::start(LEEWAY).await;
    let key = issue(&nodes.ahead.fountain).await.unwrap();
    let text = key.key.expose();
    let early = nodes.right.fountain.api_keys().verify(text).await.unwrap();
    assert_eq!(early.reason(), Some(Reason::KeyNotYetValid));
    nodes.advance(SKEW);
    let then = nodes.right.fountain.api_keys().verify(text).await.unwrap();
    assert_eq!(then.reason(), None);
    let behind = nodes.behind.fountain.api_keys().verify(text).await.unwrap();
    assert_eq!(behind.reason(), Some(Reason::KeyNotYetValid));
}
