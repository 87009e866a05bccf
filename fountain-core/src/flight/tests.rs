use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;
use crate::change::CacheTrust;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::error::{StoreError, StoreErrorKind};

const CROWD: usize = 1_000;

/// A store of numbers that answers when it is let, and a node that remembers them.
struct World {
    clock: Arc<ManualClock>,
    trust: Arc<CacheTrust>,
    flights: Flights<u32, u32>,
    store: Arc<Store>,
    memory: Mutex<HashMap<u32, u32>>,
}

struct Store {
    asked: AtomicUsize,
    dropped: AtomicUsize,
    /// A permit lets a question go one step on.
    steps: Semaphore,
    /// How many steps a question has.
    length: AtomicUsize,
    /// Which questions about this number never get an answer.
    hangs: Mutex<Option<usize>>,
    panics: AtomicBool,
    failing: AtomicBool,
    value: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_000_000)));
        let trust = Arc::new(CacheTrust::new(Duration::from_secs(5)));
        Arc::new(Self {
            flights: Flights::new(Topic::ApiKey, Some(trust.clone()), clock.clone()),
            clock,
            trust,
            store: Arc::new(Store {
                asked: AtomicUsize::new(0),
                dropped: AtomicUsize::new(0),
                steps: Semaphore::new(0),
                length: AtomicUsize::new(1),
                hangs: Mutex::new(None),
                panics: AtomicBool::new(false),
                failing: AtomicBool::new(false),
                value: AtomicUsize::new(0),
            }),
            memory: Mutex::default(),
        })
    }

    fn fresh() -> Arc<Self> {
        let world = Self::new();
        world.trust.confirm(world.clock.monotonic());
        world
    }

    async fn ask(&self, key: u32) -> Result<u32, StoreErrorKind> {
        let slot = self.trust.slot(&key);
        let about = About {
            key,
            depends: &[slot],
            memorable: Some(|_| true),
        };
        let recall = || {
            let memory = self.memory.lock().unwrap();
            let fresh = self.trust.is_fresh(self.clock.monotonic());
            memory.get(&key).copied().filter(|_| fresh)
        };
        let question = || Box::pin(Arc::clone(&self.store).answer()) as _;
        match self.flights.ask(about, recall, question).await {
            Answer::Recalled(value) => Ok(value),
            Answer::Landed(seat) => {
                let value = *seat.answer().map_err(|error| error.kind())?;
                if seat.stamp() == Some(self.trust.stamp_of(&[slot])) {
                    self.memory.lock().unwrap().insert(key, value);
                }
                Ok(value)
            }
        }
    }

    fn asked(&self) -> usize {
        self.store.asked.load(Ordering::SeqCst)
    }

    /// Everybody of a crowd, each a task of its own, once all of them wait.
    async fn crowd(self: &Arc<Self>) -> Vec<tokio::task::JoinHandle<Result<u32, StoreErrorKind>>> {
        let crowd = (0..CROWD)
            .map(|_| {
                let world = Arc::clone(self);
                tokio::spawn(async move { world.ask(1).await })
            })
            .collect();
        while self.flights.seats(&1) < CROWD {
            tokio::task::yield_now().await;
        }
        crowd
    }
}

impl Store {
    async fn answer(self: Arc<Self>) -> Result<u32, StoreError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut under_way = UnderWay(Some(&self.dropped));
        // What it says is what holds when it is asked.
        let value = u32::try_from(self.value.load(Ordering::SeqCst)).unwrap();
        let failing = self.failing.load(Ordering::SeqCst);
        let hangs = *self.hangs.lock().unwrap();
        if hangs == Some(number) {
            std::future::pending::<()>().await;
        }
        for _ in 0..self.length.load(Ordering::SeqCst) {
            self.steps.acquire().await.unwrap().forget();
        }
        assert!(!self.panics.swap(false, Ordering::SeqCst), "as it was told");
        under_way.0 = None;
        if failing {
            return Err(StoreErrorKind::Timeout.into());
        }
        Ok(value)
    }
}

/// Counts a question that was dropped before it was answered.
struct UnderWay<'a>(Option<&'a AtomicUsize>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(dropped) = self.0 {
            dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<u32, StoreErrorKind>> + Send + 'a>>;

/// Polls once, whoever is woken later.
fn step(call: &mut Call<'_>) -> Poll<Result<u32, StoreErrorKind>> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn waits(call: &mut Call<'_>) -> bool {
    step(call).is_pending()
}

/// L-13: a thousand callers of a node whose feed is fresh are one question.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_asks_once_while_the_feed_is_fresh() {
    let world = World::fresh();
    let crowd = world.crowd().await;
    world.store.value.store(7, Ordering::SeqCst); // after it was asked
    world.store.steps.add_permits(CROWD);
    for call in crowd {
        assert_eq!(call.await.unwrap(), Ok(0));
    }
    assert_eq!(world.asked(), 1);
    assert_eq!(world.flights.len(), 0);
}

/// The same without waiting for all to come: whoever falls behind the answer finds it remembered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_of_stragglers_asks_once_while_the_feed_is_fresh() {
    for _ in 0..20 {
        let world = World::fresh();
        world.store.steps.add_permits(CROWD);
        let crowd: Vec<_> = (0..CROWD)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { world.ask(1).await })
            })
            .collect();
        for call in crowd {
            assert_eq!(call.await.unwrap(), Ok(0));
        }
        assert_eq!(world.asked(), 1);
    }
}

/// Who came while the first question was under way may not believe its answer: all of them share a second one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_asks_twice_while_the_feed_is_stale() {
    for _ in 0..20 {
        let world = World::new();
        let crowd = world.crowd().await;
        world.store.value.store(7, Ordering::SeqCst);
        world.store.steps.add_permits(CROWD);
        let mut old = 0;
        for call in crowd {
            old += usize::from(call.await.unwrap().unwrap() == 0);
        }
        assert_eq!((world.asked(), old), (2, 1));
        assert_eq!(world.flights.len(), 0);
    }
}

/// A failing store is asked twice, and not a thousand times; the next caller asks anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_shares_an_error_and_the_next_caller_does_not() {
    let world = World::fresh();
    world.store.failing.store(true, Ordering::SeqCst);
    let crowd = world.crowd().await;
    world.store.steps.add_permits(CROWD);
    for call in crowd {
        assert_eq!(call.await.unwrap(), Err(StoreErrorKind::Timeout));
    }
    assert_eq!(world.asked(), 2);
    world.store.failing.store(false, Ordering::SeqCst);
    assert_eq!(world.ask(1).await, Ok(0));
    assert_eq!(world.asked(), 3);
}

/// L-13: what was changed before a call began is seen by it, whoever is asking already.
#[tokio::test]
async fn a_change_between_a_question_and_a_call_is_seen_by_the_call() {
    let world = World::fresh();
    let mut early: Call<'_> = Box::pin(world.ask(1));
    assert!(waits(&mut early));
    world.store.value.store(7, Ordering::SeqCst);
    world.trust.forget(&1);
    let mut late: Call<'_> = Box::pin(world.ask(1));
    assert!(waits(&mut late));
    world.store.steps.add_permits(1);
    assert_eq!(step(&mut early), Poll::Ready(Ok(0)));
    assert!(waits(&mut late));
    world.store.steps.add_permits(1);
    assert_eq!(step(&mut late), Poll::Ready(Ok(7)));
    assert_eq!(world.asked(), 2);
}

/// The same where the feed says so only after the call began, but before the answer.
#[tokio::test]
async fn an_older_answer_is_not_shared_once_its_stamp_has_moved() {
    let world = World::fresh();
    let mut early: Call<'_> = Box::pin(world.ask(1));
    let mut late: Call<'_> = Box::pin(world.ask(1));
    assert!(waits(&mut early) && waits(&mut late));
    world.store.value.store(7, Ordering::SeqCst);
    world.trust.forget(&1);
    world.store.steps.add_permits(2);
    assert_eq!(step(&mut early), Poll::Ready(Ok(0)));
    assert_eq!(step(&mut late), Poll::Ready(Ok(7)));
}

/// L-13: the feed has to be fresh when the answer is taken, not when the question was asked.
#[tokio::test]
async fn an_older_answer_is_not_shared_once_the_feed_is_stale() {
    let world = World::fresh();
    let mut early: Call<'_> = Box::pin(world.ask(1));
    let mut late: Call<'_> = Box::pin(world.ask(1));
    assert!(waits(&mut early) && waits(&mut late));
    world.clock.advance(Duration::from_micros(5_000_001));
    world.store.steps.add_permits(2);
    assert_eq!(step(&mut early), Poll::Ready(Ok(0)));
    assert_eq!(step(&mut late), Poll::Ready(Ok(0)));
    assert_eq!(world.asked(), 2);
}

/// Whoever carries the question may be dropped at each of its steps: the others go on with it, and lose nothing.
#[tokio::test]
async fn whoever_is_dropped_hands_the_question_on() {
    const STEPS: usize = 5;
    for dropped_after in 0..STEPS {
        let world = World::fresh();
        world.store.length.store(STEPS, Ordering::SeqCst);
        let mut first: Call<'_> = Box::pin(world.ask(1));
        assert!(waits(&mut first));
        let other = tokio::spawn({
            let world = Arc::clone(&world);
            async move { world.ask(1).await }
        });
        while world.flights.seats(&1) < 2 {
            tokio::task::yield_now().await;
        }
        for _ in 0..dropped_after {
            world.store.steps.add_permits(1);
            assert!(waits(&mut first));
        }
        // Woken, and then dropped without having been polled.
        world.store.steps.add_permits(1);
        drop(first);
        world.store.steps.add_permits(STEPS);
        assert_eq!(other.await.unwrap(), Ok(0));
        assert_eq!((world.asked(), world.flights.len()), (1, 0));
    }
}

/// A caller that has begun and is then not polled any more holds nobody up.
#[tokio::test]
async fn whoever_sleeps_holds_nobody_up() {
    let world = World::fresh();
    let mut sleeper: Call<'_> = Box::pin(world.ask(1));
    assert!(waits(&mut sleeper));
    let other = world.ask(1);
    world.store.steps.add_permits(1);
    assert_eq!(other.await, Ok(0));
    assert_eq!(step(&mut sleeper), Poll::Ready(Ok(0)));
    assert_eq!(world.asked(), 1);
}

/// With the last who waits the question ends, and nothing is left of it.
#[tokio::test]
async fn a_question_that_nobody_waits_for_is_dropped() {
    let world = World::fresh();
    let mut calls: Vec<Call<'_>> = (0..3).map(|_| Box::pin(world.ask(1)) as _).collect();
    assert!(calls.iter_mut().all(waits));
    while let Some(call) = calls.pop() {
        assert_eq!(world.store.dropped.load(Ordering::SeqCst), 0);
        drop(call);
    }
    assert_eq!(world.store.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(world.flights.len(), 0);
    world.store.steps.add_permits(1);
    assert_eq!(world.ask(1).await, Ok(0));
    assert_eq!(world.asked(), 2);
}

/// A panic is that of whoever polled; the others ask anew.
#[tokio::test]
async fn a_panic_is_not_shared() {
    let world = World::fresh();
    world.store.panics.store(true, Ordering::SeqCst);
    let call = |world: &Arc<World>| {
        let world = Arc::clone(world);
        tokio::spawn(async move { world.ask(1).await })
    };
    let (one, other) = (call(&world), call(&world));
    while world.flights.seats(&1) < 2 {
        tokio::task::yield_now().await;
    }
    world.store.steps.add_permits(2);
    let mut outcomes = [one.await, other.await];
    outcomes.sort_by_key(Result::is_err);
    let [good, bad] = outcomes;
    assert_eq!(good.unwrap(), Ok(0));
    assert!(bad.unwrap_err().is_panic());
    assert_eq!((world.asked(), world.flights.len()), (2, 0));
}

/// Other things are asked about while one hangs, however many they are, and leave nothing behind.
#[tokio::test]
async fn a_question_that_hangs_holds_up_nobody_who_asks_about_something_else() {
    let world = World::fresh();
    *world.store.hangs.lock().unwrap() = Some(1);
    let mut hung: Call<'_> = Box::pin(world.ask(0));
    assert!(waits(&mut hung));
    world.store.steps.add_permits(10_000);
    for key in 1..=10_000 {
        assert_eq!(world.ask(key).await, Ok(0));
    }
    assert_eq!((world.asked(), world.flights.len()), (10_001, 1));
    assert!(waits(&mut hung));
}

/// A question is joined for a second. Then the next caller asks beside it, and whoever is first answers all.
#[tokio::test]
async fn who_waits_for_a_question_that_hangs_takes_the_answer_to_the_next() {
    let world = World::fresh();
    *world.store.hangs.lock().unwrap() = Some(1);
    let mut hung: Vec<Call<'_>> = (0..3).map(|_| Box::pin(world.ask(1)) as _).collect();
    assert!(hung.iter_mut().all(waits));
    world.clock.advance(question::PATIENCE);
    hung.push(Box::pin(world.ask(1)));
    assert!(hung.iter_mut().all(waits));
    assert_eq!(world.asked(), 1);

    world.clock.advance(Duration::from_micros(1));
    world.store.steps.add_permits(1);
    assert_eq!(world.ask(1).await, Ok(0));
    assert_eq!(world.asked(), 2);
    for call in &mut hung {
        assert_eq!(step(call), Poll::Ready(Ok(0)));
    }
    drop(hung);
    assert_eq!(world.asked(), 2);
    assert_eq!(world.store.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(world.flights.len(), 0);
}

/// What is only slow is not given up: its answer comes, also when others have begun to ask beside it.
#[tokio::test]
async fn a_slow_question_is_answered_although_others_ask_beside_it() {
    let world = World::fresh();
    let mut slow: Call<'_> = Box::pin(world.ask(1));
    assert!(waits(&mut slow));
    world.clock.advance(Duration::from_secs(2));
    let mut next: Call<'_> = Box::pin(world.ask(1));
    assert!(waits(&mut next));
    world.store.steps.add_permits(1);
    assert_eq!(step(&mut slow), Poll::Ready(Ok(0)));
    assert!(waits(&mut next));
    world.store.steps.add_permits(1);
    assert_eq!(step(&mut next), Poll::Ready(Ok(0)));
    assert_eq!(world.asked(), 2);
}

/// Who wants the store's own word shares only what was asked after the call began.
#[tokio::test]
async fn nothing_older_is_shared_with_who_wants_none() {
    let world = World::fresh();
    let mut early: Call<'_> = Box::pin(world.ask(1));
    assert!(waits(&mut early));
    let strict = |world: Arc<World>| async move {
        let slot = world.trust.slot(&1_u32);
        let about = About {
            key: 1,
            depends: &[slot],
            memorable: None,
        };
        let question = || Box::pin(Arc::clone(&world.store).answer()) as _;
        match world.flights.ask(about, || None::<u32>, question).await {
            Answer::Recalled(value) => Ok(value),
            Answer::Landed(seat) => seat.answer().copied().map_err(|error| error.kind()),
        }
    };
    let mut calls: Vec<Call<'_>> = (0..3)
        .map(|_| Box::pin(strict(Arc::clone(&world))) as _)
        .collect();
    assert!(calls.iter_mut().all(waits));
    world.store.value.store(7, Ordering::SeqCst);
    world.store.steps.add_permits(2);
    assert_eq!(step(&mut early), Poll::Ready(Ok(0)));
    for call in &mut calls {
        assert_eq!(step(call), Poll::Ready(Ok(7)));
    }
    assert_eq!(world.asked(), 2);
}

/// Those who wait are woken when the question can go on, be it while somebody has it in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_question_of_many_steps_is_carried_to_its_end_by_whoever_is_left() {
    for round in 0..50 {
        let world = World::fresh();
        world.store.length.store(20, Ordering::SeqCst);
        let crowd = world.crowd().await;
        let feeder = tokio::spawn({
            let world = Arc::clone(&world);
            async move {
                for _ in 0..20 {
                    world.store.steps.add_permits(1);
                    tokio::task::yield_now().await;
                }
            }
        });
        // All but one leave, in between.
        let mut crowd = crowd;
        let last = crowd.swap_remove(round);
        for call in crowd {
            call.abort();
        }
        feeder.await.unwrap();
        assert_eq!(last.await.unwrap(), Ok(0));
        assert_eq!(world.asked(), 1);
    }
}

/// A question that wakes itself while it is polled is polled again.
#[tokio::test]
async fn a_question_that_yields_goes_on() {
    let trust = Arc::new(CacheTrust::new(Duration::ZERO));
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1)));
    let flights = Flights::<u32, u32>::new(Topic::Subject, Some(trust), clock);
    let about = About {
        key: 1,
        depends: &[],
        memorable: None,
    };
    let question = || {
        Box::pin(async {
            let mut left = 10;
            poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            Ok(3_u32)
        }) as _
    };
    match flights.ask(about, || None::<u32>, question).await {
        Answer::Landed(seat) => assert_eq!(seat.answer().unwrap(), &3),
        Answer::Recalled(_) => unreachable!(),
    }
}

/// the labels are a closed set.
#[test]
fn every_topic_has_a_label_of_its_own() {
    let mut labels = Topic::ALL.map(Topic::as_str).to_vec();
    labels.dedup();
    assert_eq!(labels.len(), Topic::ALL.len());
    Topic::ALL
        .into_iter()
        .for_each(|topic| Tally::new(topic).shared());
}
