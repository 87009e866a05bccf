//! A database of its own for each test, made from a template that was migrated once, and dropped afterwards.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use fountain_store_postgres::{MIGRATIONS, PostgresStore};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgPool};
use tokio::sync::OnceCell;

/// The server that the tests use, as its superuser.
pub(crate) fn server() -> PgConnectOptions {
    named("FOUNTAIN_TEST_POSTGRES", "postgres").disable_statement_logging()
}

/// A server by the variable that names it, which `scripts/services start …` sets.
#[expect(
    clippy::disallowed_methods,
    reason = "a test finds its server by the environment"
)]
pub(crate) fn named(variable: &str, services: &str) -> PgConnectOptions {
    let Ok(url) = std::env::var(variable) else {
        panic!(
            "{variable} names no server to test on: run scripts/test, or \
             eval \"$(scripts/services start {services})\" beforehand"
        );
    };
    url.parse().unwrap()
}

/// A database that is dropped with this.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    options: PgConnectOptions,
}

impl Database {
    /// One with Fountain's tables.
    pub(crate) async fn migrated() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(template).await;
        Self::create(&format!("TEMPLATE {template}")).await
    }

    /// One with nothing in it.
    pub(crate) async fn empty() -> Self {
        Self::create("TEMPLATE template0").await
    }

    async fn create(how: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fountain_test_{}_{count}", std::process::id());
        let mut admin = server().connect().await.unwrap();
        run(&mut admin, &format!("CREATE DATABASE {name} {how}")).await;
        let options = server().database(&name);
        Self { name, options }
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A pool as the crate recommends it, with room for this many connections.
    pub(crate) fn pool(&self, connections: u32) -> PgPool {
        PostgresStore::pool_options()
            .max_connections(connections)
            .connect_lazy_with(self.options())
    }

    /// A connection that is not the store's.
    pub(crate) async fn beside(&self) -> PgConnection {
        self.options.connect().await.unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A runtime cannot be entered from within another one.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut admin = server().connect().await.unwrap();
                run(&mut admin, &drop).await;
            });
        });
        // A server that a test killed has nothing left to drop.
        let _joined = dropped.join();
    }
}

/// The name of a database with this version's tables; made by whichever process of the tests comes first.
async fn template() -> String {
    let mut hasher = DefaultHasher::new();
    for migration in MIGRATIONS {
        migration.sql.hash(&mut hasher);
    }
    let name = format!("fountain_template_{:016x}", hasher.finish());
    let mut admin = server().connect().await.unwrap();
    run(&mut admin, "SELECT pg_advisory_lock(7381240360074832239)").await;
    let ready =
        format!("SELECT count(*) FROM pg_database WHERE datname = '{name}' AND NOT datallowconn");
    if number(&mut admin, &ready).await == 0 {
        run(&mut admin, &format!("DROP DATABASE IF EXISTS {name}")).await;
        run(
            &mut admin,
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        )
        .await;
        PostgresStore::migrate(&server().database(&name))
            .await
            .unwrap();
        // Nobody connects to it, so that it can always be copied; this also says that it is ready.
        run(
            &mut admin,
            &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        )
        .await;
    }
    name
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
