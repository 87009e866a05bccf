//! One reader of the store at a time, whose answer the others share.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_lock::MutexGuard;

use crate::error::ErrorKind;

pub(super) struct Gate {
    last: async_lock::Mutex<Last>,
    /// How many attempts have begun.
    begun: AtomicU64,
    /// When the store was last asked because of an unknown key.
    claimed: Mutex<Option<Duration>>,
}

/// Where a caller stands: it wants the outcome of an attempt that begins after this was drawn.
#[derive(Clone, Copy)]
pub(super) struct Ticket(u64);

/// The number of an attempt.
#[derive(Clone, Copy)]
pub(super) struct Attempt(u64);

#[derive(Default)]
struct Last {
    attempt: u64,
    failure: Option<ErrorKind>,
}

/// The right to make an attempt. Given back when dropped, and an attempt that was dropped has never been.
pub(super) struct Turn<'a>(MutexGuard<'a, Last>);

impl Gate {
    pub(super) const fn new() -> Self {
        Self {
            last: async_lock::Mutex::new(Last {
                attempt: 0,
                failure: None,
            }),
            begun: AtomicU64::new(0),
            claimed: Mutex::new(None),
        }
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.begun.load(Ordering::SeqCst))
    }

    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn(self.last.lock().await)
    }

    pub(super) fn begin(&self) -> Attempt {
        Attempt(self.begun.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Whether somebody has the turn.
    pub(super) fn is_busy(&self) -> bool {
        self.last.try_lock().is_none()
    }

    /// Whether the store may be asked for an unknown key now. It then may not again for `interval`: claimed before
    /// it is asked, whatever comes of it.
    pub(super) fn claim(&self, now: Duration, interval: Duration) -> bool {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let free = claimed.is_none_or(|last| now.saturating_sub(last) >= interval);
        if free {
            *claimed = Some(now);
        }
        free
    }
}

impl Turn<'_> {
    /// The outcome of the last attempt, if it began after the ticket was drawn.
    pub(super) fn outcome_since(&self, ticket: Ticket) -> Option<Result<(), ErrorKind>> {
        (self.0.attempt > ticket.0).then(|| match &self.0.failure {
            None => Ok(()),
            Some(kind) => Err(kind.clone()),
        })
    }

    pub(super) fn record(&mut self, attempt: Attempt, outcome: Result<(), ErrorKind>) {
        *self.0 = Last {
            attempt: attempt.0,
            failure: outcome.err(),
        };
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}
