use std::fmt;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use crate::bell::CHANNEL;

/// Wakes whoever follows the change feed as soon as another node has changed something.
///
/// It holds one connection of its own, on which it listens; it must lead to the server itself, not through a pooler in
/// transaction mode. Nothing depends on it but time: a notification that is lost costs the wait for the next poll.
///
/// ```no_run
/// # async fn example(
/// #     pool: sqlx::PgPool,
/// #     fountain: fountain_core::Fountain,
/// # ) {
/// use fountain_store_postgres::ChangeListener;
///
/// let mut listener = ChangeListener::new((*pool.connect_options()).clone());
/// loop {
///     if let Err(error) = fountain.follow().await {
///         eprintln!("the feed does not answer: {error}");
///     }
///     listener.changed().await;
/// }
/// # }
/// ```
pub struct ChangeListener {
    options: PgConnectOptions,
    poll: Duration,
    listener: Option<PgListener>,
}

impl ChangeListener {
    /// How long [`changed`](Self::changed) waits at most unless told otherwise: 1 s.
    pub const DEFAULT_POLL: Duration = Duration::from_secs(1);
    /// How long a failed connection is left alone: [`changed`](Self::changed) polls in the meantime.
    const CONNECT: Duration = Duration::from_secs(1);

    /// A listener that is not connected yet.
    #[must_use]
    pub const fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            poll: Self::DEFAULT_POLL,
            listener: None,
        }
    }

    /// How long [`changed`](Self::changed) waits at most, up to 1 s: the poll that backs the notifications up.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll.min(Self::DEFAULT_POLL);
        self
    }

    /// Waits until something changed, at most as long as the poll. Read the feed after each return.
    ///
    /// What is told while nobody waits is not lost: the next call returns at once. A connection that is lost is made
    /// again, and until it is there this is a poll.
    ///
    /// # Cancel safety
    /// When dropped, nothing is lost but time.
    pub async fn changed(&mut self) {
        let poll = self.poll;
        // The outcome of the wait does not matter: either way the feed is read.
        let _waited = tokio::time::timeout(poll, self.wait()).await;
        // Many changes, one reading.
        if let Some(listener) = &mut self.listener {
            while listener.next_buffered().is_some() {}
        }
    }

    async fn wait(&mut self) {
        if self.listener.is_none() {
            self.listener = self.connect().await;
            // What was told before this connection listened was told to nobody: the feed is read at once.
            if self.listener.is_some() {
                return;
            }
        }
        let lost = match &mut self.listener {
            Some(listener) => match listener.try_recv().await {
                Ok(Some(_)) => return,
                // sqlx connects anew by itself, but what was told in between is lost, so that the feed is read.
                Ok(None) => return,
                Err(_) => true,
            },
            None => false,
        };
        if lost {
            self.listener = None;
        }
        std::future::pending().await
    }

    async fn connect(&self) -> Option<PgListener> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Self::CONNECT)
            .test_before_acquire(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await.ok()?;
        listener.listen(CHANNEL).await.ok()?;
        Some(listener)
    }
}

impl fmt::Debug for ChangeListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeListener")
            .field("poll", &self.poll)
            .field("connected", &self.listener.is_some())
            .finish_non_exhaustive()
    }
}
