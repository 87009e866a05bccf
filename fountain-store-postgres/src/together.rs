//! Look-ups that travel together: who asks while statements are out is asked for by the next one, with everybody else
//! who waits. Alone, 16 callers cost the server 16 statements and the pool 16 connections, each with a trip of its own and
//! sqlx's `ping` behind it.
//!
//! A statement that was sent is never given one more question, so that each answer is of after its call began: what was
//! acknowledged before is seen.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::postgres::PgRow;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::link::Link;
use crate::sql::Statement;
use crate::store::PostgresStore;

/// How many statements of one kind are out at once while the server answers: one that the server works on, one that is
/// read or written here.
const LANES: usize = 2;

/// How many when it does not: a statement that is stuck, on a connection that died say, must not stop the others.
const MOST_LANES: usize = 16;

/// After what part of a call's deadline a statement counts as stuck.
const STUCK: u32 = 20;

/// How many questions one statement asks.
const MOST_TOGETHER: usize = 256;

/// How many callers wait; one more is told that the store is not available. A caller takes some hundred bytes.
const MOST_WAITING: usize = 16_384;

/// A look-up that one statement can make for many callers.
pub(crate) trait LookUp: Clone + Send + Sync + 'static {
    type Answer: Send + 'static;

    /// Where callers with such questions meet.
    fn desk(store: &PostgresStore) -> &Desk<Self>;

    /// The look-up for all of them, made by [`on_primary!`](crate::store::on_primary).
    fn statement(asked: &[Self]) -> Statement<'_>;

    /// The answer of each, in their order. What cannot be read fails whom it concerns, and nobody else (F-35).
    fn answers(asked: &[Self], rows: &[PgRow]) -> Vec<Result<Self::Answer, StoreError>>;
}

struct Waiting<Q: LookUp> {
    question: Q,
    answer: oneshot::Sender<Result<Q::Answer, StoreError>>,
}

/// Where callers wait for the next statement.
pub(crate) struct Desk<Q: LookUp> {
    line: Mutex<Line<Q>>,
}

struct Line<Q: LookUp> {
    waiting: VecDeque<Waiting<Q>>,
    lanes: usize,
    /// When the last statement was sent.
    sent: Option<Instant>,
}

impl<Q: LookUp> Default for Desk<Q> {
    fn default() -> Self {
        Self {
            line: Mutex::new(Line {
                waiting: VecDeque::new(),
                lanes: 0,
                sent: None,
            }),
        }
    }
}

impl<Q: LookUp> Desk<Q> {
    fn line(&self) -> MutexGuard<'_, Line<Q>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts somebody into the line; whether one more lane is to be opened, which then counts as open.
    fn join(&self, waiting: Waiting<Q>, patience: Duration) -> Result<bool, StoreError> {
        let mut line = self.line();
        if line.waiting.len() >= MOST_WAITING {
            return Err(StoreErrorKind::Unavailable.into());
        }
        line.waiting.push_back(waiting);
        let stuck = |line: &Line<Q>| {
            line.sent
                .is_some_and(|sent| sent.elapsed() > patience / STUCK)
        };
        let opens = line.lanes < LANES || (line.lanes < MOST_LANES && stuck(&line));
        if opens {
            line.lanes += 1;
            // From here it has its time.
            line.sent = Some(Instant::now());
        }
        Ok(opens)
    }

    /// Those who wait, as many as one statement asks for; a lane that finds none is closed.
    fn next(&self) -> Vec<Waiting<Q>> {
        let mut line = self.line();
        let mut taken = Vec::new();
        while taken.len() < MOST_TOGETHER {
            match line.waiting.pop_front() {
                // Given up, or dropped.
                Some(waiting) if waiting.answer.is_closed() => {}
                Some(waiting) => taken.push(waiting),
                None => break,
            }
        }
        if taken.is_empty() {
            line.lanes -= 1;
        } else {
            line.sent = Some(Instant::now());
        }
        taken
    }
}

impl PostgresStore {
    /// Asks, together with whoever else asks at this moment, within the deadline of a call.
    ///
    /// The statement runs in a task of its own: a caller that is dropped takes nobody's answer along.
    pub(crate) async fn ask<Q: LookUp>(&self, question: Q) -> Result<Q::Answer, StoreError> {
        if let Link::Carried(_) = self.link() {
            return alone(self, question).await;
        }
        tokio::time::timeout(self.shared().deadline, async {
            // Twice, since a runtime that ends takes its lanes along, and with them callers of another one.
            for _ in 0..2 {
                let (answer, answered) = oneshot::channel();
                let waiting = Waiting {
                    question: question.clone(),
                    answer,
                };
                if Q::desk(self).join(waiting, self.shared().deadline)? {
                    let lane = Lane::<Q>::new(self);
                    let runtime = Handle::try_current();
                    let runtime =
                        runtime.map_err(|_| StoreError::new(StoreErrorKind::Unavailable))?;
                    runtime.spawn(lane.serve());
                }
                if let Ok(answer) = answered.await {
                    return answer;
                }
            }
            Err(StoreErrorKind::Unavailable.into())
        })
        .await
        .map_err(|_| StoreError::new(StoreErrorKind::Timeout))?
    }
}

async fn alone<Q: LookUp>(store: &PostgresStore, question: Q) -> Result<Q::Answer, StoreError> {
    let asked = [question];
    let rows = store.look_up(Q::statement(&asked)).await?;
    let answer = Q::answers(&asked, &rows).pop();
    answer.unwrap_or_else(|| Err(StoreErrorKind::Unavailable.into()))
}

/// Whoever sends one statement after the other, as long as somebody waits.
struct Lane<Q: LookUp> {
    store: PostgresStore,
    open: bool,
    kind: std::marker::PhantomData<fn(Q)>,
}

impl<Q: LookUp> Lane<Q> {
    fn new(store: &PostgresStore) -> Self {
        Self {
            store: store.clone(),
            open: true,
            kind: std::marker::PhantomData,
        }
    }

    async fn serve(mut self) {
        loop {
            // Those who have just been answered, or were woken with whoever opened this lane, come along if they ask.
            yield_now().await;
            let waiting = Q::desk(&self.store).next();
            if waiting.is_empty() {
                self.open = false;
                return;
            }
            let (asked, to): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .map(|waiting| (waiting.question, waiting.answer))
                .unzip();
            let found = self.store.look_up(Q::statement(&asked)).await;
            let answers = match found {
                Ok(rows) => Q::answers(&asked, &rows),
                Err(error) => to_each(error, to.len()),
            };
            for (to, answer) in to.into_iter().zip(answers) {
                // Nobody there: the caller was dropped.
                let _gone = to.send(answer);
            }
        }
    }
}

impl<Q: LookUp> Drop for Lane<Q> {
    /// Its runtime ended, or it panicked. Whom it took along sees that nobody will answer; who waits behind it is told
    /// likewise, and asks once more.
    fn drop(&mut self) {
        if self.open {
            let mut line = Q::desk(&self.store).line();
            line.lanes -= 1;
            let left = if line.lanes == 0 {
                std::mem::take(&mut line.waiting)
            } else {
                VecDeque::new()
            };
            // Dropped without the lock, since that wakes them.
            drop(line);
            drop(left);
        }
    }
}

/// The one error of a statement that many share.
#[derive(Debug, Clone)]
struct Shared(Arc<StoreError>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the look-up of several callers at once failed")
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

fn to_each<T>(error: StoreError, callers: usize) -> Vec<Result<T, StoreError>> {
    if callers == 1 {
        return vec![Err(error)];
    }
    let (kind, error) = (error.kind(), Shared(Arc::new(error)));
    (0..callers)
        .map(|_| Err(StoreError::with_source(kind, error.clone())))
        .collect()
}
