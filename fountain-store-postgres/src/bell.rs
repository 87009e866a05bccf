//! Telling the other nodes that the feed has grown.
//!
//! Not within the change: a `NOTIFY` there makes all such commits of the whole server stand in a queue, each with its own
//! sync of the log. Told afterwards it writes nothing, and one of it stands for many changes. What is lost, because the
//! process ended in between, say, is found by the poll of whoever listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fountain_core::StoreError;
use tokio::runtime::Handle;

use crate::link::Link;
use crate::sql::Statement;
use crate::store::{PostgresStore, Shared};

/// The channel on which the growth of the feed is told.
pub(crate) const CHANNEL: &str = "fountain_changes";

const RING: &str = "SELECT pg_notify('fountain_changes', '')";

#[derive(Debug, Default)]
pub(crate) struct Bell {
    wanted: AtomicBool,
    ringing: AtomicBool,
}

impl PostgresStore {
    /// Tells that a change was made: by a task beside the caller, or with the host's transaction when that commits.
    pub(crate) async fn tell(&self) -> Result<(), StoreError> {
        if let Link::Carried(_) = self.link() {
            return self.rows(Statement::new(RING)).await.map(drop);
        }
        let shared = self.shared();
        shared.bell.wanted.store(true, Ordering::SeqCst);
        if !shared.bell.ringing.swap(true, Ordering::SeqCst) {
            // Outside of a runtime no statement would have been answered.
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(Ringing::new(shared).ring())),
                Err(_) => shared.bell.ringing.store(false, Ordering::SeqCst),
            }
        }
        Ok(())
    }
}

/// Whoever rings. When its runtime ends and drops it, somebody else may.
struct Ringing {
    shared: Arc<Shared>,
    rings: bool,
}

impl Ringing {
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            rings: true,
        }
    }

    async fn ring(mut self) {
        let shared = Arc::clone(&self.shared);
        while self.rings {
            while shared.bell.wanted.swap(false, Ordering::SeqCst) {
                let ring = Statement::new(RING).prepared(shared.prepared);
                let _told = shared.link.rows(&ring, shared.deadline).await;
            }
            shared.bell.ringing.store(false, Ordering::SeqCst);
            // Somebody may have wanted it since, and seen that it was being rung.
            self.rings = shared.bell.wanted.load(Ordering::SeqCst)
                && !shared.bell.ringing.swap(true, Ordering::SeqCst);
        }
    }
}

impl Drop for Ringing {
    fn drop(&mut self) {
        if self.rings {
            self.shared.bell.ringing.store(false, Ordering::SeqCst);
        }
    }
}
