//! Nodes on one PostgreSQL that do not agree: about who may do what, about the time, about their configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fountain_core::access::{Authority, Require, Requirement};
use fountain_core::api_key::NewApiKey;
use fountain_core::{Fountain, RejectionKind, Subject, Tenant};
use fountain_tests_faults::pause;
use tokio::task::JoinSet;

use crate::world::{Held, Node, World, options, sign_in};

/// What a role gives and a key's owner may do.
struct Write;

impl Require for Write {
    fn requirement() -> Requirement {
        Requirement::permission("orders:write")
    }
}

/// Whether it is let through; nothing when the node cannot tell: 503.
async fn is_let_through(fountain: &Fountain, held: &Held) -> Option<bool> {
    match fountain.authenticate(held.credential()).await {
        Ok(principal) => Some(fountain.authorize::<Write>(principal).is_ok()),
        Err(refused) => {
            let down = matches!(refused.kind(), RejectionKind::Unavailable { .. });
            (!down).then_some(false)
        }
    }
}

/// One request: to which node, with what, when it began, whether it was let through.
struct Request {
    node: usize,
    held: usize,
    began: Instant,
    allowed: Option<bool>,
}

/// Until told to stop: every 12 ms one request with each, which on three nodes makes 1,000 a second of all of them.
async fn load(
    node: usize,
    fountain: Fountain,
    all: Arc<Vec<Held>>,
    goes_on: Arc<AtomicBool>,
) -> Vec<Request> {
    let mut requests = Vec::new();
    // What was missed on a busy machine is made up for.
    let mut beat = tokio::time::interval(Duration::from_millis(12));
    while goes_on.load(Ordering::Relaxed) {
        beat.tick().await;
        for (held, one) in all.iter().enumerate() {
            let began = now();
            let allowed = is_let_through(&fountain, one).await;
            requests.push(Request {
                node,
                held,
                began,
                allowed,
            });
        }
    }
    requests
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bound of R-82 is one of real time"
)]
fn now() -> Instant {
    Instant::now()
}

/// F-28, R-82: while 1,000 requests a second run, one node takes a role away and disables the owner of a key. That node lets
/// nobody through from then on. Another hears of it at its next tick. One that hears nothing any more believes what it
/// remembers for 5 s and not longer. Who lost nothing notices nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_taken_away_under_load_lets_nobody_through_after_the_bound() {
    const BOUND: Duration = Duration::from_secs(5);
    let world = World::new().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let node = Node::start(options(&world.server.url()), 4, BOUND).await;
        nodes.push(node.fountain);
    }
    let [local, follows, deaf] = &nodes[..] else {
        unreachable!("there are three")
    };
    let tenant = Tenant::default();
    let mut all = Vec::new();
    for (name, role) in [
        ("alice", "admin"),
        ("bob", "admin"),
        ("carol", "clerk"),
        ("root", "admin"),
    ] {
        let subject = Subject::new(name).unwrap();
        local
            .subjects()
            .register(Authority::System, &tenant, &subject, [role])
            .await
            .unwrap();
    }
    for name in ["alice", "bob"] {
        all.push(Held::Token(sign_in(local, name).await.unwrap()));
    }
    for owner in ["carol", "root"] {
        let new = NewApiKey::for_owner(owner, "a key").scope("orders:write");
        all.push(Held::key(
            local
                .api_keys()
                .issue(Authority::System, &tenant, new)
                .await
                .unwrap(),
        ));
    }
    let lost = [0, 2];
    let all = Arc::new(all);
    for node in &nodes {
        node.follow().await.unwrap();
    }

    let goes_on = Arc::new(AtomicBool::new(true));
    let mut running = JoinSet::new();
    for (node, fountain) in nodes.iter().enumerate() {
        running.spawn(load(node, fountain.clone(), all.clone(), goes_on.clone()));
    }
    let mut ticks = JoinSet::new();
    for node in [local, follows] {
        let (node, goes_on) = (node.clone(), goes_on.clone());
        ticks.spawn(async move {
            while goes_on.load(Ordering::Relaxed) {
                node.follow().await.unwrap();
                pause(Duration::from_secs(1)).await;
            }
        });
    }
    pause(Duration::from_millis(600)).await;
    // The one that hears nothing has heard all until just before.
    deaf.follow().await.unwrap();
    let began = now();
    let (alice, carol) = (
        Subject::new("alice").unwrap(),
        Subject::new("carol").unwrap(),
    );
    local
        .subjects()
        .assign(Authority::System, &tenant, &alice, ["clerk"])
        .await
        .unwrap();
    local
        .subjects()
        .disable(Authority::System, &tenant, &carol)
        .await
        .unwrap();
    let removed = now();
    pause(BOUND + Duration::from_millis(1_200)).await;
    goes_on.store(false, Ordering::Relaxed);
    let requests: Vec<Request> = running.join_all().await.into_iter().flatten().collect();
    ticks.join_all().await;

    let seconds = requests.last().unwrap().began - requests[0].began;
    let rate = requests.len() as f64 / seconds.as_secs_f64();
    // A machine that has other things to do gets less done.
    assert!(rate > 300.0, "{rate:.0} requests a second are no load");
    let last_allowed = |node: usize, held: usize| {
        let of = |request: &&Request| {
            request.node == node && request.held == held && request.allowed == Some(true)
        };
        requests
            .iter()
            .filter(of)
            .map(|request| request.began)
            .max()
            .unwrap()
    };
    for held in lost {
        assert!(
            last_allowed(0, held) < removed,
            "on the node itself, {held}"
        );
        assert!(
            last_allowed(1, held) < removed + BOUND,
            "on a node that follows, {held}"
        );
        let deaf = last_allowed(2, held);
        assert!(
            deaf < removed + BOUND,
            "on a node that hears nothing, {held}"
        );
        // Or nothing was remembered, and this would have shown nothing.
        assert!(deaf > removed, "on a node that hears nothing, {held}");
    }
    for request in &requests {
        let before = request.began < began;
        if before || !lost.contains(&request.held) {
            assert_ne!(
                request.allowed,
                Some(false),
                "{} on {}",
                request.held,
                request.node
            );
        }
    }
}
