//! The server does not answer: it is not there, it was killed, it is slow, it is frozen, it is restarted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fountain_core::api_key::IssuedApiKey;
use fountain_core::{Error, ErrorKind, Fountain, Reason, StoreErrorKind};
use fountain_store_postgres::PostgresStore;
use fountain_tests_faults::{Link, Proxy, Server, pause};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::world::{
    CALL, DECISION, Node, RECOVERY, SLACK, World, accepts, accepts_token, issue, options, pool,
    revoke, sign_in, timed,
};

/// F-01
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_at_start_is_an_error_in_time_and_no_empty_store() {
    let server = Server::postgres(&[]).await;
    let proxy = Proxy::to(server.address()).await;
    let pool = pool(options(&server.url_through(proxy.address())), 4);
    for link in [Link::Refused, Link::BlackHole] {
        proxy.set_and_wait(link).await;
        let (built, took) = timed(PostgresStore::builder(pool.clone()).build()).await;
        let kind = built.unwrap_err().kind();
        assert!(
            matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::Timeout),
            "{link:?}: {kind:?}"
        );
        assert!(took <= CALL + SLACK, "{link:?}: {took:?}");
    }
    proxy.set_and_wait(Link::Good).await;
    let node = Node::start(
        options(&server.url_through(proxy.address())),
        4,
        Duration::ZERO,
    )
    .await;
    // Built while the server was there, used when it is not.
    proxy.set_and_wait(Link::Refused).await;
    let (key, took) = timed(issue(&node.fountain)).await;
    assert_eq!(*key.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(took <= DECISION, "{took:?}");
}

/// F-02
#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_when_the_server_was_killed_is_done_or_not_done() {
    let mut world = World::new().await;
    let good = issue(&world.node.fountain).await.unwrap();
    let mut unknown = 0;
    for _round in 0..2 {
        let mut keys = Vec::new();
        for _ in 0..60 {
            keys.push(issue(&world.node.fountain).await.unwrap());
        }
        let mut revocations = JoinSet::new();
        for key in keys {
            let fountain = world.node.fountain.clone();
            revocations.spawn(async move {
                let (outcome, took) = timed(revoke(&fountain, &key)).await;
                assert!(took <= CALL + SLACK, "{took:?}");
                (key, outcome)
            });
        }
        pause(Duration::from_millis(8)).await;
        world.server.kill().await;
        let outcomes = revocations.join_all().await;
        world.server.start().await;
        world.is_well_again(&good).await;
        for (key, outcome) in outcomes {
            match outcome {
                Ok(()) => assert_eq!(accepts(&world.node.fountain, &key).await, Ok(false)),
                Err(error) => {
                    assert_eq!(*error.kind(), ErrorKind::Unavailable);
                    unknown += 1;
                    // Whatever came of it, the same call again ends it.
                    revoke(&world.node.fountain, &key).await.unwrap();
                    assert_eq!(accepts(&world.node.fountain, &key).await, Ok(false));
                }
            }
        }
    }
    assert!(unknown > 0, "nothing was under way when the server died");
}

/// F-03
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_half_a_minute_is_given_up_in_time_and_the_pool_stays_whole() {
    let world = World::new().await;
    silence(
        &world,
        || world.proxy.set(Link::Slow(Duration::from_secs(30))),
        || world.proxy.set(Link::Good),
    )
    .await;
}

/// F-04
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_given_up_in_time_and_no_task_waits_for_it() {
    let world = World::new().await;
    silence(&world, || world.server.freeze(), || world.server.thaw()).await;
}

/// F-04, with the machine gone: not even the connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_swallows_everything_is_given_up_in_time() {
    let world = World::new().await;
    silence(
        &world,
        || world.proxy.set(Link::BlackHole),
        || world.proxy.set(Link::Good),
    )
    .await;
}

/// connections that only one side believes in.
#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_are_given_up_in_time() {
    let world = World::new().await;
    let good = issue(&world.node.fountain).await.unwrap();
    world.proxy.half_open();
    let (_, took) = timed(accepts(&world.node.fountain, &good)).await;
    assert!(took <= DECISION + SLACK, "{took:?}");
    world.is_well_again(&good).await;
}

/// Nothing is answered for a while, and then everything is well again.
async fn silence(world: &World, begin: impl Fn(), end: impl Fn()) {
    let remembering = world.remembering().await;
    let fountain = &world.node.fountain;
    let (good, revoked) = (
        issue(fountain).await.unwrap(),
        issue(fountain).await.unwrap(),
    );
    let (open, ended) = (
        sign_in(fountain, "alice").await.unwrap(),
        sign_in(fountain, "bob").await.unwrap(),
    );
    revoke(fountain, &revoked).await.unwrap();
    let tokens = fountain.tokens();
    let refresh = ended.refresh_token.expose();
    tokens
        .revoke(
            &fountain_core::Actor::System,
            &fountain_core::Tenant::default(),
            refresh,
        )
        .await
        .unwrap();
    remembering.fountain.follow().await.unwrap();
    assert_eq!(accepts(&remembering.fountain, &good).await, Ok(true));
    assert_eq!(accepts_token(&remembering.fountain, &open).await, Ok(true));
    let tasks = alive_tasks();

    begin();
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in 0..24 {
        let (over, fountain) = (over.clone(), fountain.clone());
        let (good, revoked) = (clone(&good), clone(&revoked));
        let (open, ended) = (open.clone(), ended.clone());
        callers.spawn(async move {
            let mut calls = 0;
            while !over.load(Ordering::Acquire) && calls < 20 {
                calls += 1;
                call_in_vain(&fountain, caller, [&good, &revoked], [&open, &ended]).await;
            }
            calls
        });
    }
    // Who remembers may go on, until the feed has been silent for too long.
    assert_eq!(accepts(&remembering.fountain, &good).await, Ok(true));
    assert_eq!(accepts_token(&remembering.fountain, &open).await, Ok(true));
    assert_ne!(accepts(&remembering.fountain, &revoked).await, Ok(true));
    pause(Duration::from_millis(2_500)).await;
    assert!(remembering.fountain.follow().await.is_err());
    over.store(true, Ordering::Release);
    let calls: usize = callers.join_all().await.into_iter().sum();
    assert!(calls >= 24, "{calls}");
    pause(RECOVERY.saturating_sub(Duration::from_secs(3))).await;
    assert!(accepts(&remembering.fountain, &good).await.is_err());
    assert!(accepts_token(&remembering.fountain, &open).await.is_err());

    end();
    world.is_well_again(&good).await;
    assert_eq!(accepts(fountain, &revoked).await, Ok(false));
    assert_eq!(accepts_token(fountain, &open).await, Ok(true));
    assert_eq!(accepts_token(fountain, &ended).await, Ok(false));
    fountain_tests_faults::within("no task is left", RECOVERY, async || {
        // The pools may keep a task of their own for new connections; nothing that grows with the calls.
        (alive_tasks() <= tasks + 8).then_some(())
    })
    .await;
}

/// One call, in its time, which is not answered with a decision.
async fn call_in_vain(
    fountain: &Fountain,
    caller: usize,
    [good, revoked]: [&IssuedApiKey; 2],
    [open, ended]: [&fountain_core::token::IssuedTokens; 2],
) {
    let failed = |error: Error| *error.kind() == ErrorKind::Unavailable;
    let (failed, bound) = match caller % 6 {
        0 => timed_as(DECISION, async { accepts(fountain, good).await.is_err() }).await,
        1 => {
            timed_as(DECISION, async {
                accepts(fountain, revoked).await.is_err()
            })
            .await
        }
        2 => {
            timed_as(DECISION, async {
                accepts_token(fountain, open).await.is_err()
            })
            .await
        }
        3 => {
            timed_as(DECISION, async {
                accepts_token(fountain, ended).await.is_err()
            })
            .await
        }
        4 => {
            timed_as(CALL, async {
                revoke(fountain, revoked).await.is_err_and(failed)
            })
            .await
        }
        // Two calls of the store: whether the key was stored is asked when that is not known.
        _ => timed_as(2 * CALL, async { issue(fountain).await.is_err_and(failed) }).await,
    };
    assert!(
        failed && bound,
        "caller {caller}: failed {failed}, in time {bound}"
    );
}

/// What it gave, and whether that was in time.
async fn timed_as(bound: Duration, future: impl Future<Output = bool>) -> (bool, bool) {
    let (output, took) = timed(future).await;
    (output, took <= bound + SLACK)
}

fn clone(key: &IssuedApiKey) -> IssuedApiKey {
    IssuedApiKey {
        record: key.record.clone(),
        key: key.key.clone(),
    }
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// F-05
#[tokio::test(flavor = "multi_thread")]
async fn restarts_under_500_requests_a_second_lose_nothing_that_was_acknowledged() {
    let mut world = World::with(&[], 16).await;
    let load = Load::prepare(&world.node.fountain).await;
    let load = Arc::new(load);
    let running = tokio::spawn(load.clone().run(world.node.fountain.clone()));
    pause(Duration::from_secs(1)).await;
    assert!(load.is_quiet_for(Duration::from_millis(300)).await);
    for immediate in [false, true] {
        if immediate {
            world.server.stop_immediately().await;
        } else {
            world.server.stop().await;
        }
        world.server.start().await;
        let (_, took) = fountain_tests_faults::within(
            "half a second with next to no errors",
            RECOVERY + Duration::from_millis(500),
            async || {
                load.is_quiet_for(Duration::from_millis(500))
                    .await
                    .then_some(())
            },
        )
        .await;
        eprintln!(
            "F-05: errors ended {:?} after the server answered",
            took.saturating_sub(Duration::from_millis(500))
        );
    }
    load.over.store(true, Ordering::Release);
    running.await.unwrap();
    load.judge(&world).await;
}

/// 500 requests a second, and what came of them.
struct Load {
    good: IssuedApiKey,
    revoked: IssuedApiKey,
    spare: tokio::sync::Mutex<Vec<IssuedApiKey>>,
    acknowledged: tokio::sync::Mutex<Vec<IssuedApiKey>>,
    issued: tokio::sync::Mutex<Vec<IssuedApiKey>>,
    errors: std::sync::atomic::AtomicU64,
    answers: std::sync::atomic::AtomicU64,
    over: AtomicBool,
}

impl Load {
    async fn prepare(fountain: &Fountain) -> Self {
        let revoked = issue(fountain).await.unwrap();
        revoke(fountain, &revoked).await.unwrap();
        let mut spare = Vec::new();
        for _ in 0..400 {
            spare.push(issue(fountain).await.unwrap());
        }
        Self {
            good: issue(fountain).await.unwrap(),
            revoked,
            spare: spare.into(),
            acknowledged: Vec::new().into(),
            issued: Vec::new().into(),
            errors: 0.into(),
            answers: 0.into(),
            over: false.into(),
        }
    }

    /// Ten requests every 20 ms, for 25 s at most, of which at most 64 are under way at once: a service that queued
    /// without an end would not come back from a second of silence on any machine.
    async fn run(self: Arc<Self>, fountain: Fountain) {
        let mut every = tokio::time::interval(Duration::from_millis(20));
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut requests = JoinSet::new();
        for _ in 0..1_250 {
            if self.over.load(Ordering::Acquire) {
                break;
            }
            every.tick().await;
            while let Some(done) = requests.try_join_next() {
                done.unwrap();
            }
            for kind in 0..10 {
                if requests.len() < 64 {
                    requests.spawn(self.clone().request(fountain.clone(), kind));
                }
            }
        }
        requests.join_all().await;
    }

    async fn request(self: Arc<Self>, fountain: Fountain, kind: usize) {
        let answered = match kind {
            0..5 => match accepts(&fountain, &self.good).await {
                Ok(accepted) => {
                    assert!(accepted, "a good key was refused");
                    true
                }
                Err(reason) => {
                    assert_eq!(reason, Reason::StoreUnavailable);
                    false
                }
            },
            5..8 => match accepts(&fountain, &self.revoked).await {
                Ok(accepted) => {
                    assert!(!accepted, "a revoked key was accepted");
                    true
                }
                Err(_) => false,
            },
            8 => {
                let Some(key) = self.spare.lock().await.pop() else {
                    return;
                };
                let answer = revoke(&fountain, &key).await.is_ok();
                if answer {
                    self.acknowledged.lock().await.push(key);
                }
                answer
            }
            _ => match issue(&fountain).await {
                Ok(key) => {
                    self.issued.lock().await.push(key);
                    true
                }
                Err(_) => false,
            },
        };
        let count = if answered {
            &self.answers
        } else {
            &self.errors
        };
        count.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether there are answers for so long, and next to no errors: a busy machine may be late now and then.
    async fn is_quiet_for(&self, while_: Duration) -> bool {
        let (errors, answers) = (
            self.errors.load(Ordering::Acquire),
            self.answers.load(Ordering::Acquire),
        );
        pause(while_).await;
        let errors = self.errors.load(Ordering::Acquire) - errors;
        let answers = self.answers.load(Ordering::Acquire) - answers;
        answers > 0 && errors * 20 <= answers
    }

    #[expect(
        clippy::print_stderr,
        reason = "how much was tried belongs to the verdict"
    )]
    async fn judge(&self, world: &World) {
        let fountain = &world.node.fountain;
        world.is_well_again(&self.good).await;
        let (acknowledged, issued) = (self.acknowledged.lock().await, self.issued.lock().await);
        for key in acknowledged.iter() {
            assert_eq!(
                accepts(fountain, key).await,
                Ok(false),
                "a revocation was lost"
            );
        }
        for key in issued.iter() {
            assert_eq!(accepts(fountain, key).await, Ok(true), "a key was lost");
        }
        let (errors, answers) = (
            self.errors.load(Ordering::Acquire),
            self.answers.load(Ordering::Acquire),
        );
        eprintln!(
            "F-05: {answers} answers, {errors} errors, {} revocations and {} keys acknowledged",
            acknowledged.len(),
            issued.len()
        );
        assert!(errors > 0 && acknowledged.len() > 20 && issued.len() > 20);
    }
}
