use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use fountain_core::{StoreError, StoreErrorKind};

use crate::fields::{list, next, text};
use crate::link::Link;
use crate::script::{self, Call, Table};
use crate::server::Server;
use crate::store::{RedisStore, Shared};

/// The version of what is stored: lines, keys, feed.
const FORMAT: &str = "1";

/// What to decide before a [`RedisStore`] is opened. Every default is the safe one.
///
/// ```no_run
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// use fountain_store_redis::{RedisStore, redis};
/// use std::time::Duration;
///
/// let client = redis::Client::open("redis://127.0.0.1/")?;
/// let connection = redis::aio::ConnectionManager::new(client).await?;
/// let store = RedisStore::builder(connection)
///     .namespace("orders")
///     .patience(Duration::from_millis(500))
///     .accept_volatile_security_state()
///     .open()
///     .await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder opens nothing until `open`"]
pub struct RedisStoreBuilder {
    link: Box<dyn Link>,
    namespace: String,
    patience: Duration,
    feed_length: NonZeroU32,
    accept_volatile: bool,
    assume_noeviction: bool,
}

/// Why a store was not opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The namespace cannot be a hash tag.
    #[error(
        "the namespace is not acceptable: write 1 to 64 characters of A-Z, a-z, 0-9, '.', '_', ':', '-'"
    )]
    Namespace,
    /// The server evicts: under pressure it would forget revocations (F-19).
    #[error(
        "maxmemory-policy is {0}: set it to noeviction, so that a full Redis refuses and does not forget"
    )]
    Evicts(String),
    /// The server does not say whether it evicts.
    #[error(
        "the server does not tell its maxmemory-policy: see to it that it is noeviction, then call assume_noeviction()"
    )]
    EvictionUnknown,
    /// The host has not said that it accepts what Redis may lose.
    #[error(
        "what this Redis loses, lets revoked keys and tokens work again: {loses}. Hold security state in a durable store, \
         or call accept_volatile_security_state()"
    )]
    Volatile {
        /// What a restart or a fail-over of this server loses.
        loses: &'static str,
    },
    /// The connection leads to a replica, whose answers may be old.
    #[error(
        "the connection leads to a replica: connect to the primary, or through Sentinel or a cluster client"
    )]
    Replica,
    /// The server is too old, or does not say how old it is.
    #[error("the server is version {0:?}: Redis 7.0 or later is needed")]
    Version(String),
    /// The server could not be asked; a missing right is in the source's text.
    #[error(
        "the server could not be asked: start it, or check its address, its credentials and the rights of its user"
    )]
    Store(#[from] StoreError),
}

impl RedisStoreBuilder {
    /// How long a call waits for the server unless told otherwise: 1 s (R-90).
    pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(1);
    /// How many changes the feed keeps unless told otherwise: 100,000.
    pub const DEFAULT_FEED_LENGTH: NonZeroU32 = NonZeroU32::MIN.saturating_add(99_999);

    pub(crate) fn new(link: Box<dyn Link>) -> Self {
        Self {
            link,
            namespace: String::from("fountain"),
            patience: Self::DEFAULT_PATIENCE,
            feed_length: Self::DEFAULT_FEED_LENGTH,
            accept_volatile: false,
            assume_noeviction: false,
        }
    }

    /// What tells this store from others in the same Redis: all its keys begin with it, in braces. `fountain` by default.
    ///
    /// 1 to 64 characters of `[A-Za-z0-9._:-]`. In a cluster it also decides which node holds the store.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How long a call waits before it is `Timeout`, whatever the connection's own timeouts are; up to one hour.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(Duration::from_secs(3_600));
        self
    }

    /// How many changes the feed keeps at least; a node that was away for more of them forgets all its caches.
    pub const fn feed_length(mut self, changes: NonZeroU32) -> Self {
        self.feed_length = changes;
        self
    }

    /// Lets this Redis be the only holder of security state.
    ///
    /// # Security
    /// Redis answers before a change is on disk or on a replica. What a crash or a fail-over loses re-opens what it had
    /// closed: revoked keys and tokens work again until they expire, spent refresh tokens are live again. How much that
    /// is depends on the server: see the [crate's documentation](crate).
    pub const fn accept_volatile_security_state(mut self) -> Self {
        self.accept_volatile = true;
        self
    }

    /// Takes the host's word that `maxmemory-policy` is `noeviction`, where the server does not tell.
    ///
    /// A server that tells of another policy is refused all the same.
    pub const fn assume_noeviction(mut self) -> Self {
        self.assume_noeviction = true;
        self
    }

    /// Opens the store: looks at the server, and notes the format there when the store is new.
    ///
    /// # Errors
    /// [`OpenError`]; as its source `Schema` when a newer version of this crate wrote the store.
    ///
    /// # Cancel safety
    /// When dropped, the format may or may not have been noted.
    pub async fn open(self) -> Result<RedisStore, OpenError> {
        let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if !(1..=64).contains(&self.namespace.len()) || !self.namespace.bytes().all(accepted) {
            return Err(OpenError::Namespace);
        }
        let tag = format!("{{{}}}", self.namespace);
        let shared = Shared {
            link: self.link,
            channel: format!("{tag}:changes"),
            tag,
            patience: self.patience,
            feed_length: self.feed_length,
        };
        // By a script, so that it is the server that holds the store's keys which answers.
        let answer = Call::new(&shared, &script::OPEN)
            .tables([Table::Meta])
            .text(FORMAT)
            .read()
            .await?;
        let mut parts = list(answer)?.into_iter();
        let format = text(next(&mut parts)?)?;
        let info = parts.map(text).collect::<Result<String, _>>()?;
        Server::of(&info).check(self.assume_noeviction, self.accept_volatile)?;
        if format != FORMAT {
            return Err(StoreError::new(StoreErrorKind::Schema).into());
        }
        Ok(RedisStore::from_shared(shared))
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
