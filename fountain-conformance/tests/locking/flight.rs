//! Questions to a store that several share: the source of the core's `flight`, with shuttle's locks.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fountain_core::change::CacheTrust;
use fountain_core::{Clock, ManualClock, StoreError};
use shuttle::future::block_on;
use shuttle::sync::{Mutex, MutexGuard};

use crate::check::{count, holds, race};

#[path = "../../../fountain-core/src/flight/question.rs"]
mod question;
#[path = "../../../fountain-core/src/flight/table.rs"]
mod table;

use table::{About, Answer, Flights};

#[derive(Clone, Copy)]
enum Topic {
    Number,
}

/// Counts nothing: shuttle does not see the recorder's locks.
struct Tally;

impl Tally {
    fn new(topic: Topic) -> Self {
        match topic {
            Topic::Number => Self,
        }
    }

    #[expect(clippy::unused_self, reason = "the one of the core counts")]
    fn shared(&self) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A store that answers when its door is opened, and a node that remembers nothing.
struct World {
    flights: Flights<u32, usize>,
    trust: Arc<CacheTrust>,
    store: Arc<Store>,
}

struct Store(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    asked: usize,
    open: bool,
    waiting: Vec<Waker>,
}

impl World {
    fn new(fresh: bool) -> Arc<Self> {
        let clock = Arc::new(ManualClock::at(fountain_conformance::NOW));
        let trust = Arc::new(CacheTrust::new(Duration::from_secs(5)));
        if fresh {
            trust.confirm(clock.monotonic());
        }
        Arc::new(Self {
            flights: Flights::new(Topic::Number, Some(trust.clone()), clock),
            trust,
            store: Arc::new(Store(Mutex::new(Counts::default()))),
        })
    }

    /// The number of the question whose answer it takes.
    async fn ask(&self) -> usize {
        let slot = self.trust.slot(&1);
        let about = About {
            key: 1,
            depends: &[slot],
            memorable: Some(|_| true),
        };
        let question = || {
            let store = Arc::clone(&self.store);
            Box::pin(async move { Ok::<_, StoreError>(store.answer().await) }) as _
        };
        match self.flights.ask(about, || None, question).await {
            Answer::Recalled(number) => number,
            Answer::Landed(seat) => {
                assert!(seat.stamp().is_some());
                assert_eq!(seat.asked_at(), Duration::ZERO);
                *seat.answer().unwrap()
            }
        }
    }

    /// Begins, and goes away if there is no answer at once.
    async fn try_to_ask(&self) {
        let mut call = Box::pin(self.ask());
        poll_fn(|context| {
            let _ = call.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }
}

impl Store {
    async fn answer(&self) -> usize {
        let number = {
            let mut counts = lock(&self.0);
            counts.asked += 1;
            counts.asked
        };
        poll_fn(|context| {
            let mut counts = lock(&self.0);
            if counts.open {
                return Poll::Ready(number);
            }
            counts.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn open(&self) {
        let waiting = {
            let mut counts = lock(&self.0);
            counts.open = true;
            std::mem::take(&mut counts.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

const CALLERS: usize = 4;

/// L-13: whoever goes away, and whenever the store answers, everybody who stays has an answer, and nothing is left.
fn everybody_is_answered(fresh: bool) {
    let world = World::new(fresh);
    let answers = race(CALLERS + 2, |number| {
        let world = Arc::clone(&world);
        async move {
            match number {
                0 => world.store.open(),
                1 => world.try_to_ask().await,
                _ => return Some(world.ask().await),
            }
            None
        }
    });
    assert_eq!(count(&answers, Option::is_some), CALLERS);
    assert_eq!((world.flights.len(), world.flights.seats(&1)), (0, 0));
    let asked = lock(&world.store.0).asked;
    assert!(asked <= CALLERS + 1, "{asked}");
    block_on(world.ask());
    assert_eq!(lock(&world.store.0).asked, asked + 1);
}

#[test]
fn whoever_shares_a_question_is_answered_while_the_feed_is_fresh() {
    holds(|| everybody_is_answered(true));
}

#[test]
fn whoever_shares_a_question_is_answered_while_the_feed_is_stale() {
    holds(|| everybody_is_answered(false));
}

/// Nobody is there to be woken in his place but one who does not get up.
#[test]
fn who_shares_a_question_with_one_who_sleeps_is_answered() {
    holds(|| {
        let world = World::new(true);
        let mut sleeper = begun(&world);
        race(2, |number| {
            let world = Arc::clone(&world);
            async move {
                match number {
                    0 => world.store.open(),
                    _ => assert_eq!(world.ask().await, 1),
                }
            }
        });
        assert_eq!(block_on(sleeper.as_mut()), 1);
    });
}

/// A call that waits, and that nothing wakes until it is polled again.
fn begun(world: &Arc<World>) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    let world = Arc::clone(world);
    let mut call = Box::pin(async move { world.ask().await });
    let mut nobody = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut nobody).is_pending());
    call
}

/// L-13: of those who came while the first question was under way, none asks a third.
fn a_crowd_asks(fresh: bool, questions: usize) {
    let world = World::new(fresh);
    let mut calls: Vec<_> = (0..CALLERS).map(|_| Some(begun(&world))).collect();
    world.store.open();
    race(CALLERS, |number| calls[number].take().unwrap());
    assert_eq!(lock(&world.store.0).asked, questions);
}

#[test]
fn a_crowd_is_one_question_while_the_feed_is_fresh() {
    holds(|| a_crowd_asks(true, 1));
}

#[test]
fn a_crowd_is_two_questions_while_the_feed_is_stale() {
    holds(|| a_crowd_asks(false, 2));
}

/// L-13: nobody takes an answer from before a change that was made before his call began.
#[test]
fn nobody_shares_an_answer_that_is_older_than_a_change_before_the_call() {
    holds(|| {
        let world = World::new(true);
        race(CALLERS + 1, |number| {
            let world = Arc::clone(&world);
            async move {
                if number == 0 {
                    world.store.open();
                    return;
                }
                // The change happens, is acknowledged, and then this caller asks.
                let before = lock(&world.store.0).asked;
                world.trust.forget(&1);
                assert!(
                    world.ask().await > before,
                    "an answer from before the change"
                );
            }
        });
    });
}
