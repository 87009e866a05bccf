//! The Redis store, many calls at once on one connection, beside bare `EVALSHA` of scripts that do the same writes and
//! judge nothing.

use fountain_conformance::Fixtures;
use fountain_core::api_key::KeyStore;
use fountain_core::audit::AuditAction;
use fountain_core::token::{RefreshOutcome, RefreshTokenStore, RefreshUse};
use fountain_core::{Clock, Digest, SystemClock, Tenant};
use fountain_store_redis::RedisStore;
use fountain_store_redis::redis::aio::ConnectionManager;
use fountain_store_redis::redis::{Client, Cmd, Script, Value, cmd};
use tokio::task::JoinSet;

use crate::measure::median;

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many callers wait at once.
    pub callers: usize,
    /// How many calls each makes in a round, one after the other.
    pub calls: usize,
    /// How many rounds, in which the bare script and the store take turns.
    pub rounds: usize,
}

impl Load {
    /// For figures.
    pub const FULL: Self = Self {
        callers: 64,
        calls: 200,
        rounds: 21,
    };
    /// To see that everything runs.
    pub const QUICK: Self = Self {
        callers: 4,
        calls: 5,
        rounds: 3,
    };
}

/// Calls in a second, the medians over the rounds.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Of the bare script.
    pub bare: f64,
    /// Of the store.
    pub ours: f64,
    /// What the store does of what the bare script does, round by round.
    pub share: f64,
}

const BARE_FIND: &str = "return redis.call('HGET', KEYS[1], redis.call('HGET', KEYS[2], ARGV[1]))";

/// What a rotation writes: its event, the spent token, its successor and the successor's text; and reads the family.
const BARE_ROTATE: &str = "
    local place = redis.call('HINCRBY', KEYS[1], 'sequence', 1)
    redis.call('XADD', KEYS[3], place .. '-0', 'event', ARGV[2])
    redis.call('SADD', KEYS[2], ARGV[1])
    redis.call('HSET', KEYS[4], ARGV[3], ARGV[4])
    redis.call('HSET', KEYS[4], ARGV[5], ARGV[6])
    redis.call('HSET', KEYS[5], ARGV[7], ARGV[8])
    return redis.call('HGET', KEYS[5], ARGV[7])";

/// A server and the store in it, and keys beside the store for the bare scripts.
#[derive(Debug)]
pub struct Bench {
    connection: ConnectionManager,
    store: RedisStore,
    namespace: String,
    fixtures: Fixtures,
    tenant: Tenant,
}

impl Bench {
    /// Opens a store in a namespace of its own.
    pub async fn open(url: &str, namespace: &str) -> Self {
        let client = Client::open(url).unwrap();
        let connection = ConnectionManager::new(client).await.unwrap();
        let store = RedisStore::builder(connection.clone())
            .namespace(namespace)
            .accept_volatile_security_state()
            .open()
            .await
            .unwrap();
        Self {
            connection,
            store,
            namespace: namespace.to_owned(),
            fixtures: Fixtures::seeded(0),
            tenant: Tenant::default(),
        }
    }

    /// Finds one of a thousand API keys by its digest.
    pub async fn find(&self, load: Load) -> Figures {
        let mut digests = Vec::new();
        for _ in 0..1_000 {
            let record = self.fixtures.api_key(&self.tenant);
            let event = self.fixtures.event(&self.tenant, AuditAction::ApiKeyIssued);
            digests.push(record.digest);
            KeyStore::insert(&self.store, record, event).await.unwrap();
        }
        let bare = self.load(BARE_FIND).await;
        let keys = ["api_keys", "api_keys:digests"].map(|key| self.key(key));
        let digest = |n: usize| *digests.iter().cycle().nth(n % digests.len()).unwrap();
        self.turns(
            load,
            |n| {
                let mut command = evalsha(&bare, &keys);
                let digest = digest(n);
                command.arg(base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes()));
                command
            },
            digest,
            |store, digest: Digest| async move {
                assert!(store.find_by_digest(&digest).await.unwrap().is_some());
            },
        )
        .await
    }

    /// Rotates refresh tokens, each caller those of a family of its own, with the audit event.
    pub async fn rotate(&self, load: Load) -> Figures {
        let bare = self.load(BARE_ROTATE).await;
        // A family for each caller in each round, whose tokens follow one another.
        let mut uses = Vec::new();
        for _ in 0..load.callers * load.rounds {
            let family = self.fixtures.family(&self.tenant);
            let first = self.fixtures.refresh_token();
            let mut presented = first.digest;
            let event = self.fixtures.event(&self.tenant, AuditAction::TokenIssued);
            RefreshTokenStore::insert(&self.store, family.clone(), first, event)
                .await
                .unwrap();
            for _ in 0..load.calls {
                let attempt = self.fixtures.use_of(&family, presented);
                presented = attempt.successor.digest;
                uses.push(attempt);
            }
        }
        let mut uses = uses.into_iter();
        let event = self
            .fixtures
            .event(&self.tenant, AuditAction::TokenRefreshed);
        let event = serde_json::to_string(&event).unwrap();
        // As long as what the store keeps.
        let (token, family) = ("t".repeat(36), "f".repeat(22));
        let spent = format!("spent {family} 1001700000000000000 {token}1234567");
        let live = format!("live {family} 1001700000000000000");
        let sealed = "s".repeat(100);
        let keys = ["meta", "events", "audit", "tokens", "families"]
            .map(|key| self.key(&format!("bare:{key}")));
        let mut count = 0_u64;
        self.turns(
            load,
            |_| {
                count += 1;
                let mut command = evalsha(&bare, &keys);
                command
                    .arg(format!("{count:022}"))
                    .arg(&event)
                    .arg(format!("{token}{count:07}"))
                    .arg(&spent)
                    .arg(format!("{token}{:07}", count + 1))
                    .arg(&live)
                    .arg(format!("sealed {family}"))
                    .arg(&sealed);
                command
            },
            |_| -> RefreshUse { uses.next().unwrap() },
            |store, attempt| async move {
                let outcome = store.use_token(attempt).await.unwrap();
                assert!(matches!(outcome, RefreshOutcome::Rotated { .. }));
            },
        )
        .await
    }

    /// Deletes what this made.
    pub async fn end(mut self) {
        let pattern = format!("{{{}}}:*", self.namespace);
        let mut cursor = String::from("0");
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern);
            let (next, keys): (String, Vec<String>) =
                scan.query_async(&mut self.connection).await.unwrap();
            for key in keys {
                let () = cmd("UNLINK")
                    .arg(key)
                    .query_async(&mut self.connection)
                    .await
                    .unwrap();
            }
            if next == "0" {
                return;
            }
            cursor = next;
        }
    }

    /// The bare script and the store in turn, each with all callers at once. What they are given is made before.
    async fn turns<I: Send + 'static, F: Future<Output = ()> + Send + 'static>(
        &self,
        load: Load,
        mut bare: impl FnMut(usize) -> Cmd,
        mut input: impl FnMut(usize) -> I,
        call: fn(RedisStore, I) -> F,
    ) -> Figures {
        let (mut bares, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..load.rounds {
            let commands = given(load, &mut bare);
            let connection = self.connection.clone();
            let took = seconds(commands, move |command| {
                let mut connection = connection.clone();
                async move {
                    let answer: Value = command.query_async(&mut connection).await.unwrap();
                    assert_ne!(answer, Value::Nil);
                }
            });
            bares.push(per_second(load, took.await));
            let inputs = given(load, &mut input);
            let store = self.store.clone();
            let took = seconds(inputs, move |input| call(store.clone(), input));
            ours.push(per_second(load, took.await));
        }
        let shares = ours.iter().zip(&bares).map(|(ours, bare)| ours / bare);
        Figures {
            share: median(shares.collect()),
            bare: median(bares),
            ours: median(ours),
        }
    }

    fn key(&self, table: &str) -> String {
        format!("{{{}}}:{table}", self.namespace)
    }

    /// The SHA-1 of a script that the server knows from now on.
    async fn load(&self, text: &str) -> String {
        let mut connection = self.connection.clone();
        Script::new(text).load_async(&mut connection).await.unwrap()
    }
}

fn evalsha(sha: &str, keys: &[String]) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(sha).arg(keys.len()).arg(keys);
    command
}

/// What each caller is given.
fn given<I>(load: Load, make: &mut impl FnMut(usize) -> I) -> Vec<Vec<I>> {
    let mut count = 0;
    let mut next = || {
        count += 1;
        make(count)
    };
    (0..load.callers)
        .map(|_| (0..load.calls).map(|_| next()).collect())
        .collect()
}

/// How long all callers take together.
async fn seconds<I, F>(given: Vec<Vec<I>>, call: impl Fn(I) -> F + Clone + Send + 'static) -> f64
where
    I: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let clock = SystemClock::new();
    let before = clock.monotonic();
    let mut callers = JoinSet::new();
    for inputs in given {
        let call = call.clone();
        callers.spawn(async move {
            for input in inputs {
                call(input).await;
            }
        });
    }
    callers.join_all().await;
    clock.monotonic().saturating_sub(before).as_secs_f64()
}

fn per_second(load: Load, seconds: f64) -> f64 {
    let calls = u32::try_from(load.callers * load.calls).unwrap();
    f64::from(calls) / seconds
}
