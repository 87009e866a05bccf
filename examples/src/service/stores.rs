//! Where state is kept, and how a node hears of other nodes' changes: opened, listened to, closed.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::memory::MemoryStore;
use fountain_core::{Fountain, FountainBuilder, Secret};
use fountain_store_postgres as postgres;
use fountain_store_postgres::PostgresStore;
use fountain_store_redis as redis;
use fountain_store_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use fountain_store_redis::redis::{Client, IntoConnectionInfo as _};
use fountain_store_redis::{OpenError, RedisBell, RedisStore};
use fountain_store_sqlite::SqliteStore;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool};

use super::{BoxError, StoreChoice};

/// How many connections one node has to PostgreSQL: 16.
const CONNECTIONS: u32 = 16;
/// How long Redis is left alone at most between two attempts to connect: 500 ms. Without an end the pauses double.
const PAUSE: Duration = Duration::from_millis(500);

/// A store, opened.
pub(super) struct Opened {
    pub(super) builder: FountainBuilder,
    pub(super) wakings: Wakings,
    pub(super) close: Close,
}

/// What is to be closed at the end.
#[derive(Debug)]
pub(super) enum Close {
    Nothing,
    Sqlite(Arc<SqliteStore>),
    Postgres(PgPool),
}

impl Close {
    pub(super) async fn close(&self) {
        match self {
            Self::Nothing => {}
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// What tells that another node has changed something, each only for as long as it lasts: the tick reads the feed anyway.
#[derive(Debug, Default)]
pub(super) struct Wakings {
    postgres: Option<postgres::ChangeListener>,
    redis: Option<redis::ChangeListener>,
}

impl Wakings {
    /// Whether there is anything to wait for.
    pub(super) const fn are_none(&self) -> bool {
        self.postgres.is_none() && self.redis.is_none()
    }

    /// Until one of them wakes, at most a second.
    pub(super) async fn next(&mut self) {
        match (&mut self.postgres, &mut self.redis) {
            (Some(postgres), Some(redis)) => tokio::select! {
                () = postgres.changed() => {}
                () = redis.changed() => {}
            },
            (Some(postgres), None) => postgres.changed().await,
            (None, Some(redis)) => redis.changed().await,
            (None, None) => std::future::pending().await,
        }
    }
}

/// Opens the store; where a Redis is given beside it, nodes wake each other by that, and nothing is kept there.
pub(super) async fn open(
    choice: &StoreChoice,
    beside: Option<&Secret>,
) -> Result<Opened, BoxError> {
    // Which implementation of cryptography TLS has, where a dependency's features could leave it open. An error means
    // that it has been said before, by another service in this process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut opened = match choice {
        StoreChoice::Memory => Opened {
            builder: Fountain::builder(Arc::new(MemoryStore::new())),
            wakings: Wakings::default(),
            close: Close::Nothing,
        },
        StoreChoice::Sqlite(path) => {
            let store = Arc::new(SqliteStore::open(path).await?);
            Opened {
                builder: Fountain::builder(store.clone()),
                wakings: Wakings::default(),
                close: Close::Sqlite(store),
            }
        }
        StoreChoice::Postgres { url, pooler } => in_postgres(url, *pooler).await?,
        StoreChoice::Redis {
            url,
            accept_volatile,
        } => in_redis(url, *accept_volatile).await?,
    };
    if let Some(url) = beside {
        let client = client(url)?;
        // Not there is no reason not to start.
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), connecting())?;
        let bell = RedisBell::new(connection, RedisBell::CHANNEL);
        opened.builder = opened.builder.change_bell(Arc::new(bell));
        let listener = redis::ChangeListener::new(client, RedisBell::CHANNEL);
        opened.wakings.redis = Some(listener);
    }
    Ok(opened)
}

async fn in_postgres(url: &Secret, pooler: bool) -> Result<Opened, BoxError> {
    // Behind a pooler values stand in the statements, and belong in no log.
    let options = postgres_options(url)
        .ok_or("FOUNTAIN_STORE is no address of a PostgreSQL")?
        .disable_statement_logging();
    let pool = PostgresStore::pool_options()
        .max_connections(CONNECTIONS)
        .connect_lazy_with(options.clone());
    let store = PostgresStore::builder(pool.clone()).prepared(!pooler);
    Ok(Opened {
        builder: Fountain::builder(Arc::new(store.build().await?)),
        wakings: Wakings {
            // Through a pooler nobody can listen.
            postgres: (!pooler).then(|| postgres::ChangeListener::new(options)),
            redis: None,
        },
        close: Close::Postgres(pool),
    })
}

async fn in_redis(url: &Secret, accept_volatile: bool) -> Result<Opened, BoxError> {
    let client = client(url)?;
    let connection = ConnectionManager::new_with_config(client.clone(), connecting()).await?;
    let mut builder = RedisStore::builder(connection);
    if accept_volatile {
        builder = builder.accept_volatile_security_state();
    }
    let store = builder.open().await.map_err(|error| match error {
        OpenError::Volatile { loses } => BoxError::from(format!(
            "what this Redis loses, lets revoked keys and tokens work again: {loses}. Keep state in PostgreSQL, or \
             set FOUNTAIN_ACCEPT_VOLATILE_SECURITY_STATE=true"
        )),
        error => error.into(),
    })?;
    let listener = redis::ChangeListener::new(client, store.channel());
    Ok(Opened {
        builder: Fountain::builder(Arc::new(store)),
        wakings: Wakings {
            postgres: None,
            redis: Some(listener),
        },
        close: Close::Nothing,
    })
}

fn connecting() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new().set_max_delay(PAUSE)
}

fn client(url: &Secret) -> Result<Client, BoxError> {
    // The driver's own error could repeat the address.
    Client::open(url.expose()).map_err(|_| "the address is not one of a Redis".into())
}

/// What the driver makes of an address; none when it is no address.
pub(super) fn postgres_options(url: &Secret) -> Option<PgConnectOptions> {
    PgConnectOptions::from_str(url.expose()).ok()
}

/// Whether there is a password in an address, by a rule that sees one where there might be none.
pub(super) fn has_password(url: &Secret) -> bool {
    let text = url.expose();
    let before_host = text
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'));
    before_host.is_some_and(|(user, _)| user.contains(':')) || text.contains("password=")
}

/// Whether the driver can make something of this address.
pub(super) fn is_redis(url: &Secret) -> bool {
    url.expose().into_connection_info().is_ok()
}
