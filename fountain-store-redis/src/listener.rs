use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, ProtocolVersion, PushInfo, PushKind, RedisResult};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

/// Wakes whoever follows the change feed as soon as another node has changed something.
///
/// It holds one connection of its own, on which it is subscribed. A message reaches every node of a cluster and every
/// replica, so that any server of them will do, and [`or`](Self::or) names more for when one is gone. Nothing depends on
/// it but time: a message that is lost costs the wait for the next poll.
///
/// ```no_run
/// # async fn example(
/// #     store: fountain_store_redis::RedisStore,
/// #     fountain: fountain_core::Fountain,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use fountain_store_redis::{ChangeListener, redis};
///
/// let client = redis::Client::open("redis://fountain:a-long-password@127.0.0.1/")?;
/// let mut listener = ChangeListener::new(client, store.channel());
/// loop {
///     if let Err(error) = fountain.follow().await {
///         eprintln!("the feed does not answer: {error}");
///     }
///     listener.changed().await;
/// }
/// # }
/// ```
pub struct ChangeListener {
    servers: Vec<Client>,
    /// Which of them is asked next.
    next: usize,
    channel: String,
    poll: Duration,
    /// Told of a message and of a lost connection; keeps one for when nobody waits.
    woken: Arc<Notify>,
    link: Link,
}

/// What is under way is kept between calls, so that a short poll does not begin it anew each time.
type UnderWay<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum Link {
    None,
    Connecting(UnderWay<Option<Subscribed>>),
    Subscribed(Subscribed),
}

struct Subscribed {
    connection: MultiplexedConnection,
    lost: Arc<AtomicBool>,
    /// When the server gave its last sign of life.
    heard: Instant,
    /// A question for one: whether it came.
    probe: Option<UnderWay<bool>>,
}

impl ChangeListener {
    /// How long [`changed`](Self::changed) waits at most unless told otherwise: 1 s.
    pub const DEFAULT_POLL: Duration = Duration::from_secs(1);
    /// How long an attempt to connect and to subscribe may take: 2 s. [`changed`](Self::changed) polls in the meantime.
    const CONNECT: Duration = Duration::from_secs(2);
    /// A listener on this channel that is not connected yet.
    ///
    /// The channel is that of the store, [`RedisStore::channel`](crate::RedisStore::channel), or of the
    /// [`RedisBell`](crate::RedisBell)s of the other nodes.
    #[must_use]
    pub fn new(server: Client, channel: impl Into<String>) -> Self {
        Self {
            servers: vec![server],
            next: 0,
            channel: channel.into(),
            poll: Self::DEFAULT_POLL,
            woken: Arc::new(Notify::new()),
            link: Link::None,
        }
    }

    /// One more server of the same cluster, or one more replica, which is listened to when those before it are gone.
    #[must_use]
    pub fn or(mut self, server: Client) -> Self {
        self.servers.push(server);
        self
    }

    /// How long [`changed`](Self::changed) waits at most, up to 1 s: the poll that backs the messages up.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll.min(Self::DEFAULT_POLL);
        self
    }

    /// Waits until something changed, at most as long as the poll. Read the feed after each return.
    ///
    /// What is told while nobody waits is not lost: the next call returns at once. A connection that is lost is made
    /// again, to the next server where there are several, and until it is there this is a poll.
    ///
    /// # Cancel safety
    /// When dropped, nothing is lost but time.
    pub async fn changed(&mut self) {
        // The outcome of the wait does not matter: either way the feed is read.
        let _waited = timeout(self.poll, self.wait()).await;
    }

    async fn wait(&mut self) {
        if matches!(&self.link, Link::Subscribed(link) if link.lost.load(Ordering::SeqCst)) {
            self.link = Link::None;
        }
        if let Link::None = self.link {
            self.link = Link::Connecting(Box::pin(self.connect()));
        }
        match &mut self.link {
            Link::Connecting(attempt) => {
                if let Some(subscribed) = attempt.await {
                    self.link = Link::Subscribed(subscribed);
                    // What was told before this connection was subscribed was told to nobody: the feed is read at once.
                    return;
                }
                self.next = self.next.wrapping_add(1);
            }
            Link::Subscribed(subscribed) => {
                if subscribed.hears(&self.woken).await {
                    return;
                }
            }
            Link::None => {}
        }
        // The next attempt comes with the next call.
        self.link = Link::None;
        pending().await
    }

    /// An attempt at the server whose turn it is.
    fn connect(&self) -> impl Future<Output = Option<Subscribed>> + Send + use<> {
        let turn = self.next.checked_rem(self.servers.len()).unwrap_or(0);
        let server = self.servers.get(turn).cloned();
        let (channel, woken) = (self.channel.clone(), Arc::clone(&self.woken));
        async move {
            let attempt = subscribe(server?, channel, woken);
            timeout(Self::CONNECT, attempt).await.ok()?.ok()
        }
    }
}

impl Subscribed {
    /// After how long a silence the server is asked whether it is still there: 15 s.
    const SILENCE: Duration = Duration::from_secs(15);
    /// How long it has for an answer: 2 s.
    const ANSWER: Duration = Duration::from_secs(2);

    /// Waits for word; `false` when the server gives no sign of life any more.
    async fn hears(&mut self, woken: &Notify) -> bool {
        loop {
            match &mut self.probe {
                Some(probe) => tokio::select! {
                    () = woken.notified() => break,
                    alive = probe => {
                        self.probe = None;
                        if !alive {
                            return false;
                        }
                        self.heard = Instant::now();
                    }
                },
                None => match timeout_at(self.heard + Self::SILENCE, woken.notified()).await {
                    Ok(()) => break,
                    Err(_) => self.probe = Some(Box::pin(ping(self.connection.clone()))),
                },
            }
        }
        self.heard = Instant::now();
        self.probe = None;
        true
    }
}

async fn ping(mut connection: MultiplexedConnection) -> bool {
    let mut ping = Cmd::new();
    ping.arg("PING");
    let answer = timeout(Subscribed::ANSWER, connection.req_packed_command(&ping)).await;
    matches!(answer, Ok(Ok(_)))
}

async fn subscribe(server: Client, channel: String, woken: Arc<Notify>) -> RedisResult<Subscribed> {
    // Version 3 of the protocol, so that the connection that hears can also be asked whether it is still there.
    let info = server.get_connection_info().clone();
    let settings = info.redis_settings().clone();
    let server =
        Client::open(info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3)))?;
    let lost = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&lost);
    let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        match push.kind {
            PushKind::Message => woken.notify_one(),
            PushKind::Disconnection => {
                ends.store(true, Ordering::SeqCst);
                woken.notify_one();
            }
            _ => {}
        }
        Ok::<_, std::convert::Infallible>(())
    });
    let mut connection = server
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    connection.subscribe(channel).await?;
    Ok(Subscribed {
        connection,
        lost,
        heard: Instant::now(),
        probe: None,
    })
}

impl fmt::Debug for ChangeListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connected =
            matches!(&self.link, Link::Subscribed(link) if !link.lost.load(Ordering::SeqCst));
        f.debug_struct("ChangeListener")
            .field("channel", &self.channel)
            .field("poll", &self.poll)
            .field("connected", &connected)
            .finish_non_exhaustive()
    }
}
