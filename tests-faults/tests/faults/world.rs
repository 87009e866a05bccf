//! What the tests on PostgreSQL share: a server, a proxy before it, and nodes.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fountain_core::access::{Authority, Role, RoleCatalog};
use fountain_core::api_key::{IssuedApiKey, NewApiKey};
use fountain_core::authenticate::PresentedCredential;
use fountain_core::identity::ClientId;
use fountain_core::seal::LocalKeys;
use fountain_core::token::{IssuedTokens, NewTokens};
use fountain_core::{
    Actor, Error, Fountain, FountainBuilder, OsRandom, Reason, RejectionKind, Store, Subject,
    Tenant,
};
use fountain_store_postgres::PostgresStore;
use fountain_tests_faults::{Proxy, Server, within};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgPool};
use tokio::time::timeout;

/// How long a store's call may take.
pub(crate) const CALL: Duration = Duration::from_secs(1);
/// How long a decision may take.
pub(crate) const DECISION: Duration = Duration::from_secs(3);
/// How long it may take until all is well, once the server answers.
pub(crate) const RECOVERY: Duration = Duration::from_secs(5);
/// What a busy machine of two cores adds to a deadline.
pub(crate) const SLACK: Duration = Duration::from_millis(700);

/// A PostgreSQL, a proxy before it, and a node behind the proxy that remembers nothing.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    pub(crate) node: Node,
}

/// One node: its pool, its store, its services.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) pool: PgPool,
    pub(crate) store: PostgresStore,
    pub(crate) fountain: Fountain,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[], 8).await
    }

    /// With these settings of the server, and so many connections in the node's pool.
    pub(crate) async fn with(settings: &[&str], connections: u32) -> Self {
        let server = Server::postgres(settings).await;
        let proxy = Proxy::to(server.address()).await;
        let options = options(&server.url_through(proxy.address()));
        let node = Node::start(options, connections, Duration::ZERO).await;
        Self {
            server,
            proxy,
            node,
        }
    }

    /// Another node behind the same proxy, which believes what it remembers for 5 s.
    pub(crate) async fn remembering(&self) -> Node {
        let options = options(&self.server.url_through(self.proxy.address()));
        let node = Node::start(options, 4, Duration::from_secs(5)).await;
        node.fountain.follow().await.unwrap();
        node
    }

    /// A connection that is not the store's and does not go through the proxy.
    pub(crate) async fn beside(&self) -> PgConnection {
        options(&self.server.url()).connect().await.unwrap()
    }

    /// Whether this was so within the bound after an outage, and the pool has all of its connections again, none of
    /// them in a transaction.
    pub(crate) async fn is_well_again(&self, key: &IssuedApiKey) -> Duration {
        let (_, took) = within("a good key is accepted again", RECOVERY, async || {
            accepts(&self.node.fountain, key).await.ok()
        })
        .await;
        let left = RECOVERY.saturating_sub(took);
        let size = self.node.pool.options().get_max_connections();
        within("the pool has all its connections", left, async || {
            let mut held = Vec::new();
            for _ in 0..size {
                let mut one = self.node.pool.acquire().await.ok()?;
                // Not given back when it is dead: sqlx would wait for its answer.
                match timeout(CALL, one.ping()).await {
                    Ok(Ok(())) => held.push(one),
                    _ => drop(one.detach()),
                }
            }
            (held.len() == usize::try_from(size).ok()?).then_some(())
        })
        .await;
        assert_eq!(idle_in_transaction(&self.server).await, 0);
        took
    }
}

impl Node {
    pub(crate) async fn start(
        options: PgConnectOptions,
        connections: u32,
        staleness: Duration,
    ) -> Self {
        let pool = pool(options, connections);
        let store = PostgresStore::builder(pool.clone()).build().await.unwrap();
        let fountain = wiring(Arc::new(store.clone()))
            .staleness(staleness)
            .build()
            .await
            .unwrap();
        Self {
            pool,
            store,
            fountain,
        }
    }
}

pub(crate) fn options(url: &str) -> PgConnectOptions {
    url.parse::<PgConnectOptions>()
        .unwrap()
        .disable_statement_logging()
}

/// A store with a pool of its own.
pub(crate) async fn postgres(options: PgConnectOptions, connections: u32) -> PostgresStore {
    let pool = pool(options, connections);
    PostgresStore::builder(pool).build().await.unwrap()
}

pub(crate) fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PostgresStore::pool_options()
        .max_connections(connections)
        .connect_lazy_with(options)
}

/// What every node is wired with.
pub(crate) fn wiring<S: Store>(store: Arc<S>) -> FountainBuilder {
    let bytes = std::array::from_fn(|place| u8::try_from(place * 7).unwrap());
    let kek = LocalKeys::new("kek-1".parse().unwrap(), &bytes, Arc::new(OsRandom)).unwrap();
    let roles = RoleCatalog::builder()
        .permissions(["orders:read", "orders:write"])
        .role(Role::new("admin").grant("*"))
        .role(Role::new("clerk").grant("orders:read"))
        .build()
        .unwrap();
    Fountain::builder(store)
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(roles)
        .key_encryption(Arc::new(kek))
}

/// What it gave, and how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "deadlines are promised in real time"
)]
pub(crate) async fn timed<F: Future>(future: F) -> (F::Output, Duration) {
    let began = Instant::now();
    let output = future.await;
    (output, began.elapsed())
}

pub(crate) async fn issue(fountain: &Fountain) -> Result<IssuedApiKey, Error> {
    let new = NewApiKey::for_service("billing").scope("orders:read");
    fountain
        .api_keys()
        .issue(Authority::System, &Tenant::default(), new)
        .await
}

pub(crate) async fn revoke(fountain: &Fountain, key: &IssuedApiKey) -> Result<(), Error> {
    fountain
        .api_keys()
        .revoke(Authority::System, &Tenant::default(), &key.record.id)
        .await
}

pub(crate) async fn sign_in(fountain: &Fountain, subject: &str) -> Result<IssuedTokens, Error> {
    let new = NewTokens::new(
        Subject::new(subject).unwrap(),
        ClientId::new("web").unwrap(),
    );
    fountain.tokens().issue(&Actor::System, new).await
}

/// What somebody shows who wants to be let in.
pub(crate) enum Held {
    Token(IssuedTokens),
    Key(Box<IssuedApiKey>),
}

impl Held {
    pub(crate) fn key(issued: IssuedApiKey) -> Self {
        Self::Key(Box::new(issued))
    }

    pub(crate) fn credential(&self) -> PresentedCredential<'_> {
        match self {
            Self::Token(tokens) => {
                PresentedCredential::AccessToken(tokens.access.access_token.expose())
            }
            Self::Key(key) => PresentedCredential::ApiKey(key.key.expose()),
        }
    }
}

/// Whether a key is accepted; the reason when there is no decision.
pub(crate) async fn accepts(fountain: &Fountain, key: &IssuedApiKey) -> Result<bool, Reason> {
    decided(fountain, PresentedCredential::ApiKey(key.key.expose())).await
}

/// Whether an access token is accepted; the reason when there is no decision.
pub(crate) async fn accepts_token(
    fountain: &Fountain,
    tokens: &IssuedTokens,
) -> Result<bool, Reason> {
    let text = tokens.access.access_token.expose();
    decided(fountain, PresentedCredential::AccessToken(text)).await
}

async fn decided(fountain: &Fountain, credential: PresentedCredential<'_>) -> Result<bool, Reason> {
    match fountain.authenticate(credential).await {
        Ok(_) => Ok(true),
        Err(rejection) if *rejection.kind() == RejectionKind::InvalidToken => Ok(false),
        Err(rejection) => {
            assert!(
                matches!(rejection.kind(), RejectionKind::Unavailable { .. }),
                "neither a decision nor 503: {rejection:?}"
            );
            Err(rejection.reason())
        }
    }
}

/// How many connections of the database sit in a transaction that nobody goes on with.
pub(crate) async fn idle_in_transaction(server: &Server) -> i64 {
    let mut beside = options(&server.url()).connect().await.unwrap();
    number(
        &mut beside,
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .await
}

pub(crate) async fn run(connection: &mut PgConnection, sql: &str) {
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}

pub(crate) async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .unwrap()
}
