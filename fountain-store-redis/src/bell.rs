use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fountain_core::change::ChangeBell;
use fountain_core::metrics::CHANGE_BELL_RINGS;
use redis::Cmd;
use redis::aio::ConnectionLike;
use tokio::runtime::Handle;

use crate::link::{Link, in_time};

/// Rings for other nodes by Redis pub/sub, where the truth is in another store: beside a PostgreSQL behind a pooler in
/// transaction mode, say, through which nobody can `LISTEN`.
///
/// Give it to [`FountainBuilder::change_bell`](fountain_core::FountainBuilder::change_bell), and let each node wait on a
/// [`ChangeListener`](crate::ChangeListener) of the same channel. A [`RedisStore`](crate::RedisStore) rings by itself and
/// needs none.
///
/// Nothing is kept in Redis, and nothing depends on it but time: with a Redis that is down, slow or empty, nodes hear of a
/// change at their next poll. A ring never waits, whatever state Redis is in: it is published by a task beside the caller,
/// and rings meanwhile become the one that follows. What failed is counted in `fountain_change_bell_rings_total` and
/// otherwise forgotten.
///
/// ```no_run
/// # async fn wire(fountain: fountain_core::FountainBuilder) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use fountain_store_redis::{ChangeListener, RedisBell, redis};
///
/// let client = redis::Client::open("redis://127.0.0.1/")?;
/// let connection = client.get_connection_manager_lazy(Default::default())?;
/// let bell = RedisBell::new(connection, RedisBell::CHANNEL);
/// let fountain = fountain.change_bell(Arc::new(bell)).build().await?;
///
/// let mut listener = ChangeListener::new(client, RedisBell::CHANNEL);
/// loop {
///     if let Err(error) = fountain.follow().await {
///         eprintln!("the feed does not answer: {error}");
///     }
///     listener.changed().await;
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct RedisBell {
    shared: Arc<Shared>,
}

struct Shared {
    link: Box<dyn Link>,
    channel: String,
    patience: Duration,
    /// How many rings nobody has published yet. Whoever makes it more than none does it for all.
    wanted: AtomicU64,
}

impl RedisBell {
    /// The channel of a [`RedisStore`](crate::RedisStore) in the namespace `fountain`, which serves a bell beside another
    /// store as well.
    pub const CHANNEL: &'static str = "{fountain}:changes";
    /// How long a ring waits for the server: 1 s. Nobody waits for the ring.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// A bell on this channel, over a connection of the host's: a `ConnectionManager`, a multiplexed or a cluster connection.
    ///
    /// Any text will do for a channel. Nodes of one store share one; nodes of another need another, or wake each other for
    /// nothing.
    #[must_use]
    pub fn new<C>(connection: C, channel: impl Into<String>) -> Self
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        Self {
            shared: Arc::new(Shared {
                link: Box::new(connection),
                channel: channel.into(),
                patience: Self::PATIENCE,
                wanted: AtomicU64::new(0),
            }),
        }
    }
}

impl ChangeBell for RedisBell {
    fn ring(&self) {
        if self.shared.wanted.fetch_add(1, Ordering::SeqCst) > 0 {
            // Whoever publishes has not seen this one, and will publish once more.
            return;
        }
        let ringing = Ringing {
            shared: Arc::clone(&self.shared),
            rings: true,
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(ringing.ring())),
            // Outside of a runtime no connection would carry it.
            Err(_) => count("failed"),
        }
    }
}

/// Whoever publishes. When its runtime ends and drops it, somebody else may.
struct Ringing {
    shared: Arc<Shared>,
    rings: bool,
}

impl Ringing {
    async fn ring(mut self) {
        let shared = Arc::clone(&self.shared);
        let Shared {
            link,
            channel,
            patience,
            wanted,
        } = &*shared;
        let mut command = Cmd::new();
        command.arg("PUBLISH").arg(channel).arg("");
        loop {
            let seen = wanted.load(Ordering::SeqCst);
            match in_time(*patience, link.ask(&command)).await {
                Ok(_) => count("rung"),
                Err(error) => {
                    count("failed");
                    tracing::debug!(%error, "the bell was not rung: other nodes hear of the change at their next poll");
                }
            }
            let done = wanted.compare_exchange(seen, 0, Ordering::SeqCst, Ordering::SeqCst);
            if done.is_ok() {
                self.rings = false;
                return;
            }
        }
    }
}

impl Drop for Ringing {
    fn drop(&mut self) {
        if self.rings {
            self.shared.wanted.store(0, Ordering::SeqCst);
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(CHANGE_BELL_RINGS.name, "outcome" => outcome).increment(1);
}

impl fmt::Debug for RedisBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBell")
            .field("channel", &self.shared.channel)
            .finish_non_exhaustive()
    }
}
