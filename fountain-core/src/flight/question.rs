use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};

use super::{Mutex, lock};
use crate::change::Stamp;
use crate::error::StoreError;

/// For how long after it began a question is joined: 1 s. What takes longer hangs, or its store is in trouble.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A call of a store, not yet begun or under way.
pub(super) type Asking<V> = Pin<Box<dyn Future<Output = Result<V, StoreError>> + Send>>;

/// A question to a store, and those who wait for its answer. Any of them can carry it on.
pub(super) struct Question<V> {
    when: When,
    inner: Mutex<Inner<V>>,
    bell: Arc<Bell>,
    /// The question in whose place this one was asked; it may still be under way.
    earlier: Weak<Question<V>>,
}

/// Taken before the question began: its answer is at least as new.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    /// On the monotonic clock.
    pub(super) asked_at: Duration,
    pub(super) stamp: Option<Stamp>,
}

struct Inner<V> {
    state: State<V>,
    /// The answer to a question that began when this one was found useless or given up: after everybody who waits for
    /// this one came.
    later: Option<Arc<Landed<V>>>,
}

enum State<V> {
    /// Nobody polls it at this moment.
    Lies(Asking<V>),
    /// Somebody has it in hand.
    Polled,
    Landed(Arc<Landed<V>>),
    /// It panicked.
    Lost,
}

/// An answer that several share.
pub(super) struct Landed<V> {
    pub(super) answer: Result<V, Arc<StoreError>>,
    pub(super) when: When,
}

/// What waiting for a question came to.
pub(super) enum Outcome<V> {
    /// Its answer.
    Landed(Arc<Landed<V>>),
    /// The answer to one that began later was there first.
    Later(Arc<Landed<V>>),
    /// It has to be asked anew.
    Lost,
}

impl<V> Question<V> {
    pub(super) fn new(when: When, asking: Asking<V>, earlier: Weak<Self>) -> Self {
        Self {
            when,
            inner: Mutex::new(Inner {
                state: State::Lies(asking),
                later: None,
            }),
            bell: Arc::new(Bell::new()),
            earlier,
        }
    }

    /// Whether a caller who comes at `now` does well to wait for it.
    pub(super) fn is_worth_joining(&self, now: Duration) -> bool {
        let inner = lock(&self.inner);
        match inner.state {
            State::Landed(_) => true,
            State::Lost => false,
            State::Lies(_) | State::Polled => now.saturating_sub(self.when.asked_at) <= PATIENCE,
        }
    }

    /// The answer to a question that was asked in the place of this one.
    pub(super) fn later(&self) -> Option<Arc<Landed<V>>> {
        lock(&self.inner).later.clone()
    }

    /// Waits for the answer. Dropped before, it leaves the question to the others who wait.
    pub(super) async fn answer(&self) -> Outcome<V> {
        let mut place = Place {
            bell: &self.bell,
            number: None,
        };
        poll_fn(|context| self.poll(&mut place, context)).await
    }

    fn poll(&self, place: &mut Place<'_>, context: &Context<'_>) -> Poll<Outcome<V>> {
        let mut asking = {
            let mut inner = lock(&self.inner);
            if let Some(outcome) = inner.outcome() {
                return Poll::Ready(outcome);
            }
            // The second look is for what rang before this caller could be woken.
            if matches!(inner.state, State::Polled) || !self.bell.answer() {
                place.wait(context.waker());
                if matches!(inner.state, State::Polled) || !self.bell.answer() {
                    return Poll::Pending;
                }
            }
            let State::Lies(asking) = mem::replace(&mut inner.state, State::Polled) else {
                return Poll::Pending;
            };
            asking
        };
        let in_hand = InHand {
            question: self,
            polled: false,
        };
        let waker = Waker::from(Arc::clone(&self.bell));
        let outcome = asking.as_mut().poll(&mut Context::from_waker(&waker));
        in_hand.done();
        match outcome {
            Poll::Ready(answer) => Poll::Ready(Outcome::Landed(self.land(answer))),
            Poll::Pending => self.put_back(asking, place, context),
        }
    }

    fn put_back(
        &self,
        asking: Asking<V>,
        place: &mut Place<'_>,
        context: &Context<'_>,
    ) -> Poll<Outcome<V>> {
        {
            let mut inner = lock(&self.inner);
            if let Some(later) = inner.later.clone() {
                inner.state = State::Lost;
                return Poll::Ready(Outcome::Later(later));
            }
            inner.state = State::Lies(asking);
            place.wait(context.waker());
        }
        // Who was woken while it was in hand could do nothing, and may have been told to wait again.
        if self.bell.has_rung() {
            self.bell.wake_everybody();
        }
        Poll::Pending
    }

    fn land(&self, answer: Result<V, StoreError>) -> Arc<Landed<V>> {
        let landed = Arc::new(Landed {
            answer: answer.map_err(Arc::new),
            when: self.when,
        });
        lock(&self.inner).state = State::Landed(Arc::clone(&landed));
        self.bell.wake_everybody();
        let mut earlier = self.earlier.upgrade();
        while let Some(question) = earlier {
            let had_landed = question.overtake(&landed);
            // What was before one that landed was overtaken by that.
            earlier = (!had_landed).then(|| question.earlier.upgrade()).flatten();
        }
        landed
    }

    /// Gives those who wait the answer to a later question. Tells whether this one was answered already.
    fn overtake(&self, landed: &Arc<Landed<V>>) -> bool {
        let had_landed = {
            let mut inner = lock(&self.inner);
            inner.later = Some(Arc::clone(landed));
            matches!(inner.state, State::Landed(_))
        };
        self.bell.wake_everybody();
        had_landed
    }
}

impl<V> Inner<V> {
    fn outcome(&self) -> Option<Outcome<V>> {
        match (&self.state, &self.later) {
            (State::Landed(landed), _) => Some(Outcome::Landed(Arc::clone(landed))),
            (_, Some(later)) => Some(Outcome::Later(Arc::clone(later))),
            (State::Lost, None) => Some(Outcome::Lost),
            (State::Lies(_) | State::Polled, None) => None,
        }
    }
}

/// Held while the question is polled: when that panics, it is lost, and never polled again.
struct InHand<'a, V> {
    question: &'a Question<V>,
    polled: bool,
}

impl<V> InHand<'_, V> {
    fn done(mut self) {
        self.polled = true;
    }
}

impl<V> Drop for InHand<'_, V> {
    fn drop(&mut self) {
        if !self.polled {
            lock(&self.question.inner).state = State::Lost;
            self.question.bell.wake_everybody();
        }
    }
}

/// Wakes all who wait when the question can go on: whichever of them is polled first carries it.
struct Bell(Mutex<Ringing>);

struct Ringing {
    /// Whether the question is to be polled.
    rung: bool,
    next: u64,
    waiting: HashMap<u64, Waker>,
}

impl Bell {
    /// It has rung: a question that was never polled is to be polled.
    fn new() -> Self {
        Self(Mutex::new(Ringing {
            rung: true,
            next: 0,
            waiting: HashMap::new(),
        }))
    }

    /// Whether it has rung. Who is told so has to poll the question.
    fn answer(&self) -> bool {
        mem::take(&mut lock(&self.0).rung)
    }

    fn has_rung(&self) -> bool {
        lock(&self.0).rung
    }

    fn wake_everybody(&self) {
        let waiting = mem::take(&mut lock(&self.0).waiting);
        waiting.into_values().for_each(Waker::wake);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.0).rung = true;
        self.wake_everybody();
    }
}

/// A place among those who wait, given back when dropped.
struct Place<'a> {
    bell: &'a Bell,
    number: Option<u64>,
}

impl Place<'_> {
    fn wait(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let mut ringing = lock(&self.bell.0);
        let number = *self.number.get_or_insert_with(|| {
            ringing.next = ringing.next.wrapping_add(1);
            ringing.next
        });
        let before = ringing.waiting.insert(number, waker);
        drop(ringing);
        // A task may end with its last waker: with the lock free.
        drop(before);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let left = lock(&self.bell.0).waiting.remove(&number);
            drop(left);
        }
    }
}
