//! One question to a store at a time about one thing, whose answer is shared by those who may share it.
//!
//! A node that remembers nothing of a credential asks the store. When a crowd shows the same credential at once, one
//! of them asks and the others wait for the answer ([`Flights`]).
//!
//! **Who may share.** A question that began after the caller's call did is the caller's own, whatever its answer. An
//! answer to an older question is like a memory: it is shared only if it is one that would be remembered, the feed is
//! fresh, and the stamp that was taken before the question still stands. Otherwise the caller asks anew, together with
//! all others who found it too old. So a caller waits for two answers at most, and of a crowd that comes while the first
//! question is under way, the store hears once while the feed is fresh, and twice while it is not, or where the answer
//! is an error or a refusal.
//!
//! **Who carries it.** The core has no runtime to spawn on. The question lies where all who wait can reach it, and is
//! polled by whichever of them is woken first ([`Question`]). So none of them is needed: one may be dropped, or never
//! polled again, and the question goes on. It is dropped when nobody waits for it any more.
//!
//! **What it may cost others.** Who asks about another thing waits for no lock but that of a table, for as long as a
//! look-up takes. The table holds what is asked about now, an entry for each caller at most, and no answer outlives the
//! calls that share it. A question that has no answer after [`PATIENCE`] is not joined any more: the next caller asks
//! beside it, and when that answer is there first, those who still wait take it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::metrics::{self, Labelled};

mod question;
mod table;

#[cfg(doc)]
use question::{PATIENCE, Question};
pub(crate) use table::{About, Answer, Flights, Seat};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    ApiKey,
    Subject,
    Revocation,
}

impl Topic {
    const ALL: [Self; 3] = [Self::ApiKey, Self::Subject, Self::Revocation];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Subject => "subject",
            Self::Revocation => "revocation",
        }
    }
}

/// Counts the answers that were shared.
#[derive(Debug)]
struct Tally {
    topic: Topic,
    shared: Labelled,
}

impl Tally {
    fn new(topic: Topic) -> Self {
        Self {
            topic,
            shared: Labelled::new(metrics::STORE_ANSWERS_SHARED, Topic::ALL.len()),
        }
    }

    fn shared(&self) {
        let index = Topic::ALL.iter().position(|topic| *topic == self.topic);
        self.shared
            .increment(index.unwrap_or_default(), self.topic.as_str());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
