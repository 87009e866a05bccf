//! The PostgreSQL store and the bare statement, in turn on one server: 16 callers at once, each with a connection.
//!
//! `FOUNTAIN_TEST_POSTGRES` names the server, which `scripts/services start postgres` starts; it does not sync its log.
//! A database is made for this and dropped. `postgres [seconds for each figure]`, 10 unless told otherwise.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program that prints figures, and stops where it cannot get them"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fountain_conformance::{Fixtures, NOW};
use fountain_core::api_key::KeyStore;
use fountain_core::audit::{AuditAction, AuditEvent, AuditStore};
use fountain_core::otp::{ChallengeId, ChallengeOutcome, ChallengeStore};
use fountain_core::token::{RefreshOutcome, RefreshTokenStore};
use fountain_core::{Digest, Tenant};
use fountain_store_postgres::PostgresStore;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgPool};

const CALLERS: usize = 16;
const ROUNDS: u32 = 5;

#[tokio::main]
async fn main() {
    let seconds = std::env::args()
        .nth(1)
        .map_or(10, |text| text.parse().unwrap());
    let url = std::env::var("FOUNTAIN_TEST_POSTGRES").expect(
        "FOUNTAIN_TEST_POSTGRES names no server: eval \"$(scripts/services start postgres)\"",
    );
    let server: PgConnectOptions = url.parse().unwrap();
    let name = format!("fountain_bench_{}", std::process::id());
    let mut admin = server.connect().await.unwrap();
    let make = format!("CREATE DATABASE {name}");
    admin.execute(AssertSqlSafe(make)).await.unwrap();
    compare(server.database(&name), Duration::from_secs(seconds)).await;
    let remove = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute(AssertSqlSafe(remove)).await.unwrap();
    admin.close().await.unwrap();
}

async fn compare(options: PgConnectOptions, time: Duration) {
    let plain = PgPoolOptions::new()
        .max_connections(u32::try_from(CALLERS).unwrap())
        .test_before_acquire(false);
    let pool = plain.connect_with(options.clone()).await.unwrap();
    let builder = PostgresStore::builder(pool.clone()).deadline(Duration::from_secs(60));
    let store = builder.build().await.unwrap();
    pool.execute(BARE_TABLES).await.unwrap();
    let world = Arc::new(World::new(pool, store));

    println!(
        "| operation, c = {CALLERS} | bare statement /s | ours /s | ours / bare | to reach | |"
    );
    println!("|---|--:|--:|--:|---|---|");
    let row = |name: &str, (bare, ours, ratio): (f64, f64, f64), to_reach: &str, met: bool| {
        let verdict = if met { "met" } else { "**missed**" };
        println!("| {name} | {bare:.0} | {ours:.0} | {ratio:.2}x | {to_reach} | {verdict} |");
    };
    let figures = in_turn(&world, time, bare_rotation, rotation).await;
    row("rotate a refresh token", figures, "0.90x", figures.2 >= 0.9);
    ask_challenges(&world.pool).await;
    let figures = in_turn(&world, time, bare_consume, consume).await;
    row(
        "consume a code, with its audit event",
        figures,
        "0.90x",
        figures.2 >= 0.9,
    );
    let keys = world.keys(1_000).await;
    let world = Arc::new(World {
        keys,
        ..World::of(&world)
    });
    let figures = in_turn(&world, time, bare_find, find).await;
    row(
        "find a key by its digest",
        figures,
        "40,000/s",
        figures.1 >= 40_000.0,
    );
    let figures = in_turn(&world, time, bare_record, record).await;
    row("record an event", figures, "", true);
    let figures = in_turn(&world, time, bare_record_all, record_all).await;
    row(
        "record events, 100 in a batch",
        figures,
        "100,000/s",
        figures.1 >= 100_000.0,
    );
    let ours = PostgresStore::pool_options().max_connections(u32::try_from(CALLERS).unwrap());
    let pool = ours.connect_with(options).await.unwrap();
    let builder = PostgresStore::builder(pool).deadline(Duration::from_secs(60));
    let hooked = Arc::new(World {
        store: builder.build().await.unwrap(),
        ..World::of(&world)
    });
    let plain = rate(&world, time, find).await;
    let hooked = rate(&hooked, time, find).await;
    println!(
        "| find, on a pool of `pool_options` instead of a plain one | {plain:.0} | {hooked:.0} | {:.2}x | | |",
        hooked / plain
    );
}

/// Both in turn, some rounds; the medians of the rates and of the ratios of each round.
async fn in_turn<F, G>(
    world: &Arc<World>,
    time: Duration,
    bare: fn(Arc<World>, usize, Instant) -> F,
    ours: fn(Arc<World>, usize, Instant) -> G,
) -> (f64, f64, f64)
where
    F: Future<Output = u64> + Send + 'static,
    G: Future<Output = u64> + Send + 'static,
{
    let (mut bares, mut all, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let slice = time / (2 * ROUNDS);
    // Once without counting: connections, prepared statements, plans.
    rate(world, slice, bare).await;
    rate(world, slice, ours).await;
    for _ in 0..ROUNDS {
        let (b, o) = (
            rate(world, slice, bare).await,
            rate(world, slice, ours).await,
        );
        bares.push(b);
        all.push(o);
        ratios.push(o / b);
    }
    (median(bares), median(all), median(ratios))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap()
}

async fn rate<F>(
    world: &Arc<World>,
    time: Duration,
    call: fn(Arc<World>, usize, Instant) -> F,
) -> f64
where
    F: Future<Output = u64> + Send + 'static,
{
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(call(Arc::clone(world), caller, began + time)))
        .collect();
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    // Fewer than 2^52.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of calls of some seconds"
    )]
    let calls = calls as f64;
    calls / began.elapsed().as_secs_f64()
}

struct World {
    pool: PgPool,
    store: PostgresStore,
    fixtures: Fixtures,
    tenant: Tenant,
    keys: Vec<Digest>,
    count: Arc<AtomicU64>,
}

impl World {
    fn new(pool: PgPool, store: PostgresStore) -> Self {
        Self {
            pool,
            store,
            fixtures: Fixtures::seeded(1),
            tenant: Tenant::default(),
            keys: Vec::new(),
            count: Arc::default(),
        }
    }

    fn of(world: &Self) -> Self {
        Self {
            pool: world.pool.clone(),
            store: world.store.clone(),
            fixtures: world.fixtures.clone(),
            tenant: world.tenant.clone(),
            keys: world.keys.clone(),
            count: Arc::clone(&world.count),
        }
    }

    async fn keys(&self, count: usize) -> Vec<Digest> {
        let mut keys = Vec::new();
        for _ in 0..count {
            let record = self.fixtures.api_key(&self.tenant);
            keys.push(record.digest);
            let event = self.fixtures.event(&self.tenant, AuditAction::ApiKeyIssued);
            KeyStore::insert(&self.store, record, event).await.unwrap();
        }
        keys
    }

    fn number(&self) -> i64 {
        i64::try_from(self.count.fetch_add(1, Ordering::Relaxed)).unwrap()
    }

    fn digest(&self) -> Digest {
        self.fixtures.digest()
    }
}

const BARE_TABLES: &str = "
    CREATE TABLE bare_tokens (digest bytea PRIMARY KEY, family text NOT NULL, expires_at bigint NOT NULL, spent_at bigint,
                              successor bytea, sealed_successor bytea);
    CREATE INDEX ON bare_tokens (family);
    CREATE TABLE bare_events (id text PRIMARY KEY, arrival bigint GENERATED ALWAYS AS IDENTITY, tenant text, event json);
";

/// The least that rotating with an event can be: one CTE, which decides by the token alone.
const BARE_ROTATION: &str = "
    WITH spent AS (
        UPDATE bare_tokens SET spent_at = $2, successor = $3, sealed_successor = $4
        WHERE digest = $1 AND spent_at IS NULL AND expires_at > $2 RETURNING family),
    next AS (INSERT INTO bare_tokens (digest, family, expires_at) SELECT $3, family, $5 FROM spent),
    noted AS (INSERT INTO bare_events (id, tenant, event) SELECT $6, 'default', $7::json FROM spent)
    SELECT family FROM spent";

async fn bare_rotation(world: Arc<World>, _: usize, until: Instant) -> u64 {
    let mut token = world.digest();
    let family = world.fixtures.family(&world.tenant);
    let end = family.expires_at.as_unix_micros();
    sqlx::query("INSERT INTO bare_tokens (digest, family, expires_at) VALUES ($1, $2, $3)")
        .bind(token.as_bytes().as_slice())
        .bind(family.id.as_str())
        .bind(end)
        .execute(&world.pool)
        .await
        .unwrap();
    let mut calls = 0;
    while Instant::now() < until {
        let attempt = world.fixtures.use_of(&family, token);
        let event = serde_json::to_string(&attempt.on_rotated).unwrap();
        let spent = sqlx::query(BARE_ROTATION)
            .bind(token.as_bytes().as_slice())
            .bind(NOW.as_unix_micros())
            .bind(attempt.successor.digest.as_bytes().as_slice())
            .bind(attempt.sealed_successor)
            .bind(end)
            .bind(attempt.on_rotated.id.as_str())
            .bind(event)
            .fetch_optional(&world.pool)
            .await
            .unwrap();
        assert!(spent.is_some());
        token = attempt.successor.digest;
        calls += 1;
    }
    calls
}

async fn rotation(world: Arc<World>, _: usize, until: Instant) -> u64 {
    let family = world.fixtures.family(&world.tenant);
    let first = world.fixtures.refresh_token();
    let mut token = first.digest;
    let event = world
        .fixtures
        .event(&world.tenant, AuditAction::TokenIssued);
    RefreshTokenStore::insert(&world.store, family.clone(), first, event)
        .await
        .unwrap();
    let mut calls = 0;
    while Instant::now() < until {
        let attempt = world.fixtures.use_of(&family, token);
        token = attempt.successor.digest;
        let outcome = world.store.use_token(attempt).await.unwrap();
        assert!(matches!(outcome, RefreshOutcome::Rotated { .. }));
        calls += 1;
    }
    calls
}

/// More than are consumed in the time, and as many again for the bare statement.
const CHALLENGES: i64 = 400_000;

/// Challenges that wait for one code, numbered; the bare ones in a table of the least that there can be.
async fn ask_challenges(pool: &PgPool) {
    let ask = format!(
        "INSERT INTO fountain.challenges (id, tenant, subject, purpose, binding, context, created_at, expires_at, attempts,
                                          attempt_limit, code_factor, code_digest, code_issued_at, code_expires_at)
         SELECT lpad(n::text, 22, '0'), 'default', 'subject', 'login', '\\x{zeros}', '', {now}, {end}, 1, 5,
                lpad('0', 22, '0'), '\\x{zeros}', {now}, {end}
         FROM generate_series(0, {last}) AS n;
         CREATE TABLE bare_codes (id text PRIMARY KEY, digest bytea NOT NULL, expires_at bigint NOT NULL, consumed_at bigint);
         INSERT INTO bare_codes SELECT lpad(n::text, 22, '0'), '\\x{zeros}', {end} FROM generate_series(0, {last}) AS n;
         ANALYZE",
        zeros = "00".repeat(32),
        now = NOW.as_unix_micros(),
        end = NOW.as_unix_micros() + 600_000_000,
        last = CHALLENGES - 1,
    );
    pool.execute(AssertSqlSafe(ask)).await.unwrap();
}

/// The least that taking a code once with an event can be.
const BARE_CONSUME: &str = "
    WITH taken AS (
        UPDATE bare_codes SET consumed_at = $2
        WHERE id = $1 AND digest = $3 AND consumed_at IS NULL AND expires_at > $2 RETURNING id),
    noted AS (INSERT INTO bare_events (id, tenant, event) SELECT $4, 'default', $5::json FROM taken)
    SELECT id FROM taken";

fn next_challenge(by: &AtomicU64) -> String {
    let number = by.fetch_add(1, Ordering::Relaxed);
    assert!(
        i64::try_from(number).unwrap() < CHALLENGES,
        "ask for more challenges"
    );
    format!("{number:022}")
}

static BARE_CONSUMED: AtomicU64 = AtomicU64::new(0);
static CONSUMED: AtomicU64 = AtomicU64::new(0);

async fn bare_consume(world: Arc<World>, _: usize, until: Instant) -> u64 {
    let mut calls = 0;
    while Instant::now() < until {
        let event = world
            .fixtures
            .event(&world.tenant, AuditAction::ChallengeAnswered);
        let taken = sqlx::query(BARE_CONSUME)
            .bind(next_challenge(&BARE_CONSUMED))
            .bind(NOW.as_unix_micros())
            .bind([0_u8; 32].as_slice())
            .bind(event.id.as_str())
            .bind(serde_json::to_string(&event).unwrap())
            .fetch_optional(&world.pool)
            .await
            .unwrap();
        assert!(taken.is_some());
        calls += 1;
    }
    calls
}

async fn consume(world: Arc<World>, _: usize, until: Instant) -> u64 {
    let code = Digest::from_bytes([0; 32]);
    let mut calls = 0;
    while Instant::now() < until {
        let event = world
            .fixtures
            .event(&world.tenant, AuditAction::ChallengeAnswered);
        let id = ChallengeId::new(next_challenge(&CONSUMED)).unwrap();
        let outcome = world
            .store
            .consume(&world.tenant, &id, Some(&code), NOW, event)
            .await
            .unwrap();
        assert!(matches!(outcome, ChallengeOutcome::Done(_)));
        calls += 1;
    }
    calls
}

async fn bare_find(world: Arc<World>, caller: usize, until: Instant) -> u64 {
    let mut calls = 0;
    for key in world.keys.iter().cycle().skip(caller * 61) {
        if Instant::now() >= until {
            break;
        }
        let found = sqlx::query("SELECT * FROM fountain.api_keys WHERE digest = $1")
            .bind(key.as_bytes().as_slice())
            .fetch_optional(&world.pool)
            .await
            .unwrap();
        assert!(found.is_some());
        calls += 1;
    }
    calls
}

async fn find(world: Arc<World>, caller: usize, until: Instant) -> u64 {
    let mut calls = 0;
    for key in world.keys.iter().cycle().skip(caller * 61) {
        if Instant::now() >= until {
            break;
        }
        assert!(world.store.find_by_digest(key).await.unwrap().is_some());
        calls += 1;
    }
    calls
}

async fn bare_record(world: Arc<World>, _: usize, until: Instant) -> u64 {
    let mut calls = 0;
    while Instant::now() < until {
        let event = world
            .fixtures
            .event(&world.tenant, AuditAction::Authenticated);
        sqlx::query("INSERT INTO bare_events (id, tenant, event) VALUES ($1, $2, $3::json)")
            .bind(format!("{}-{}", event.id.as_str(), world.number()))
            .bind(event.tenant.as_str())
            .bind(serde_json::to_string(&event).unwrap())
            .execute(&world.pool)
            .await
            .unwrap();
        calls += 1;
    }
    calls
}

async fn record(world: Arc<World>, _: usize, until: Instant) -> u64 {
    let mut calls = 0;
    while Instant::now() < until {
        let event = world
            .fixtures
            .event(&world.tenant, AuditAction::Authenticated);
        world.store.record(event).await.unwrap();
        calls += 1;
    }
    calls
}

const BATCH: usize = 100;

fn batch(world: &World) -> Vec<AuditEvent> {
    let event = || {
        world
            .fixtures
            .event(&world.tenant, AuditAction::Authenticated)
    };
    (0..BATCH).map(|_| event()).collect()
}

/// Counts events, not calls.
async fn bare_record_all(world: Arc<World>, _: usize, until: Instant) -> u64 {
    let mut events = 0;
    while Instant::now() < until {
        let batch = batch(&world);
        let ids: Vec<_> = batch.iter().map(|event| event.id.as_str()).collect();
        let tenants: Vec<_> = batch.iter().map(|event| event.tenant.as_str()).collect();
        let texts: Vec<_> = batch
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect();
        sqlx::query(
            "INSERT INTO bare_events (id, tenant, event)
             SELECT id, tenant, event::json FROM unnest($1, $2, $3) AS given (id, tenant, event)",
        )
        .bind(ids)
        .bind(tenants)
        .bind(&texts)
        .execute(&world.pool)
        .await
        .unwrap();
        events += BATCH as u64;
    }
    events
}

async fn record_all(world: Arc<World>, _: usize, until: Instant) -> u64 {
    let mut events = 0;
    while Instant::now() < until {
        world.store.record_all(batch(&world)).await.unwrap();
        events += BATCH as u64;
    }
    events
}
