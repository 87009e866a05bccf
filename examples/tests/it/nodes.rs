//! Four processes on one store: what one of them revokes, the others refuse (R-21, R-31, R-36, L-13).

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fountain_tests_faults::{Server, pause};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::boss::{Boss, Calls, PASSWORD, sign_in};
use crate::process::{KEK, PEPPER};

/// After which time no node may accept what another one has revoked (L-13): 5 s.
const BOUND: Duration = Duration::from_secs(5);
/// How often each kind of thing is revoked: three times as many nodes are asked how long it took them.
const ROUNDS: usize = 34;
/// How long a node that asks is left alone between two questions, which is how exact the times are.
const STEP: Duration = Duration::from_millis(2);

type HttpClient = Client<HttpConnector, Full<axum::body::Bytes>>;

/// A node: a process of the reference service. Killed when dropped.
struct Node {
    process: Child,
    address: SocketAddr,
    client: HttpClient,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Node {
    /// Started with these variables, with the password that it made if it was the first.
    fn start(variables: &[(&str, &str)]) -> (Self, Option<String>) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_service"))
            .env_clear()
            .env("FOUNTAIN_LISTEN", "127.0.0.1:0")
            .env("FOUNTAIN_ISSUER", "https://auth.example.com")
            .env("FOUNTAIN_KEK", KEK)
            .env("FOUNTAIN_PEPPER", PEPPER)
            .envs(variables.iter().copied())
            .arg("--dev")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BTreeMap::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let is_last = event["event"] == "listening";
            said.insert(event["event"].as_str().unwrap().to_owned(), event);
            if is_last {
                break;
            }
        }
        let address = said["listening"]["address"].as_str().unwrap();
        let node = Self {
            process,
            address: address.parse().unwrap(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        };
        let password = said.get("bootstrap");
        let password = password.map(|event| event["password"].as_str().unwrap().to_owned());
        (node, password)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        credential: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        self.call_with(method, path, credential, "", body).await
    }

    async fn call_with(
        &self,
        method: Method,
        path: &str,
        credential: &str,
        grant: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let body = body.map_or(String::new(), |body| body.to_string());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", "application/json");
        if !credential.is_empty() {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        if !grant.is_empty() {
            request = request.header("fountain-step-up", grant);
        }
        let request = request.body(Full::from(body)).unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn post(&self, path: &str, credential: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, credential, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    async fn delete(&self, path: &str, credential: &str, grant: &str) {
        let (status, answer) = self
            .call_with(Method::DELETE, path, credential, grant, None)
            .await;
        assert_eq!(status, 204, "{path}: {answer}");
    }
}

impl Calls for Node {
    async fn ask(&self, path: &str, credential: &str, grant: &str, body: Value) -> (u16, Value) {
        self.call_with(Method::POST, path, credential, grant, Some(body))
            .await
    }
}

async fn whoami(client: &HttpClient, node: SocketAddr, credential: &str) -> u16 {
    let request = Request::builder()
        .uri(format!("http://{node}/v1/whoami"))
        .header("authorization", format!("Bearer {credential}"))
        .body(Full::default())
        .unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status().as_u16();
    drop(response.into_body().collect().await.unwrap());
    status
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}

/// Asks a node about a credential again and again, from before it is revoked: how long after that it was refused.
async fn refused_after(
    client: HttpClient,
    node: SocketAddr,
    credential: String,
    revoked: watch::Receiver<Option<Instant>>,
) -> Duration {
    loop {
        let status = whoami(&client, node, &credential).await;
        let answered = now();
        let since = *revoked.borrow();
        let after = since.map_or(Duration::ZERO, |since| {
            answered.saturating_duration_since(since)
        });
        if status == 401 {
            return after;
        }
        assert_eq!(status, 200);
        assert!(
            after <= BOUND * 3,
            "{node} goes on accepting what was revoked"
        );
        pause(STEP).await;
    }
}

/// What is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    ApiKey,
    Family,
    Roles,
    Disabled,
    SigningKey,
}

const KINDS: [Kind; 5] = [
    Kind::ApiKey,
    Kind::Family,
    Kind::Roles,
    Kind::Disabled,
    Kind::SigningKey,
];

/// Four nodes on one store.
struct Cluster {
    nodes: Vec<Node>,
    /// A key that may do everything, so that it outlives every signing key.
    admin: String,
    boss: Boss,
    subjects: u32,
}

impl Cluster {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let (first, password) = Node::start(variables);
        let mut nodes = vec![first];
        for _ in 1..4 {
            let (node, none) = Node::start(variables);
            assert!(none.is_none(), "it sees the administrator of the first");
            nodes.push(node);
        }
        let first = &nodes[0];
        // The first on an empty store makes one.
        let (token, _) = sign_in(first, "admin", &password.unwrap()).await;
        let new = json!({ "name": "ops", "scopes": ["*"] });
        let issued = first.post("/v1/keys", &token, new).await;
        let admin = issued["key"].as_str().unwrap().to_owned();
        let new = json!({ "username": "root", "password": PASSWORD, "roles": ["admin"] });
        first.post("/v1/subjects", &admin, new).await;
        let boss = Boss::enrolled(first, "root").await;
        Self {
            nodes,
            admin,
            boss,
            subjects: 0,
        }
    }

    /// Gives something out on the first node, lets all remember it, revokes it on the first: how long after the answer
    /// each of the others refused it.
    async fn spread(&mut self, kind: Kind) -> Vec<Duration> {
        self.subjects += 1;
        let subject = format!("subject-{}", self.subjects);
        let (first, admin) = (&self.nodes[0], self.admin.as_str());
        let new = json!({ "username": subject, "password": PASSWORD, "roles": ["clerk"] });
        first.post("/v1/subjects", admin, new).await;
        let (credential, path, body) = match kind {
            Kind::ApiKey => {
                let new = json!({ "name": "billing", "scopes": ["orders:read"] });
                let issued = first.post("/v1/keys", admin, new).await;
                let path = format!("/v1/keys/{}", issued["id"].as_str().unwrap());
                (issued["key"].clone(), path, None)
            }
            Kind::SigningKey => {
                let (access, _) = sign_in(first, &subject, PASSWORD).await;
                let path = format!("/v1/signing-keys/{}", self.signing_key().await);
                (access.into(), path, None)
            }
            kind => {
                let (access, refresh) = sign_in(first, &subject, PASSWORD).await;
                let (path, body) = match kind {
                    Kind::Family => ("/v1/token/revoke".to_owned(), json!({ "token": refresh })),
                    Kind::Roles => (
                        format!("/v1/dev/subjects/{subject}"),
                        json!({ "roles": ["auditor"] }),
                    ),
                    _ => (
                        format!("/v1/dev/subjects/{subject}"),
                        json!({ "enabled": false }),
                    ),
                };
                (access.into(), path, Some(body))
            }
        };
        let credential = credential.as_str().unwrap();
        let (by, grant) = match kind {
            Kind::SigningKey => {
                let kid = path.rsplit('/').next();
                // Of the key that signs now: the one before it was ended.
                self.boss.sign_in(first).await;
                let grant = self.boss.grant(first, "signing-keys:delete", kid).await;
                (self.boss.token.clone(), grant)
            }
            _ => (admin.to_owned(), String::new()),
        };
        for node in &self.nodes {
            for _ in 0..2 {
                assert_eq!(whoami(&node.client, node.address, credential).await, 200);
            }
        }
        let (say, said) = watch::channel(None);
        let mut others = JoinSet::new();
        for node in &self.nodes[1..] {
            let client = node.client.clone();
            let credential = credential.to_owned();
            others.spawn(refused_after(
                client,
                node.address,
                credential,
                said.clone(),
            ));
        }
        match body {
            Some(body) => drop(first.post(&path, &by, body).await),
            None => first.delete(&path, &by, &grant).await,
        }
        say.send_replace(Some(now()));
        // On the node that revoked it, at once.
        assert_eq!(whoami(&first.client, first.address, credential).await, 401);
        let times = others.join_all().await;
        // And nowhere ever again.
        for node in &self.nodes {
            assert_eq!(whoami(&node.client, node.address, credential).await, 401);
        }
        times
    }

    /// The key that signs: the newest in the published set, since the older ones were revoked.
    async fn signing_key(&self) -> String {
        let (status, set) = self.nodes[0]
            .call(Method::GET, "/.well-known/jwks.json", "", None)
            .await;
        assert_eq!(status, 200);
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 1, "{set}");
        keys[0]["kid"].as_str().unwrap().to_owned()
    }

    /// All kinds, in turn, so many rounds. Prints a line for each, and gives the medians.
    #[expect(
        clippy::print_stderr,
        reason = "the measured times are what the test is for, beside its bound"
    )]
    async fn measure(&mut self, name: &str, rounds: usize) -> BTreeMap<Kind, Duration> {
        let mut times: BTreeMap<Kind, Vec<Duration>> = BTreeMap::new();
        for _ in 0..rounds {
            for kind in KINDS {
                let new = self.spread(kind).await;
                times.entry(kind).or_default().extend(new);
            }
        }
        let mut medians = BTreeMap::new();
        for (kind, mut times) in times {
            assert_eq!(times.len(), 3 * rounds);
            times.sort();
            let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
            eprintln!(
                "{name}: {kind:?}: p50 {:.1?}, p99 {:.1?}, at most {:.1?}, {} times",
                at(50),
                at(99),
                at(100),
                times.len()
            );
            assert!(at(100) <= BOUND, "{kind:?}: {times:?}");
            medians.insert(kind, at(50));
        }
        medians
    }
}

/// Whether the nodes were woken: by polls alone half of them take longer than half a second.
fn assert_woken(medians: &BTreeMap<Kind, Duration>) {
    for (kind, median) in medians {
        assert!(*median < Duration::from_millis(250), "{kind:?}: {median:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_of_four_processes_on_one_postgres_revokes_the_others_refuse_within_the_bound() {
    let server = Server::postgres(&[]).await;
    let mut cluster = Cluster::start(&[("FOUNTAIN_STORE", &server.url())]).await;
    assert_woken(&cluster.measure("PostgreSQL", ROUNDS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_of_four_processes_on_one_redis_revokes_the_others_refuse_within_the_bound() {
    let server = Server::redis(&[]).await;
    let mut cluster = Cluster::start(&[
        ("FOUNTAIN_STORE", &server.url()),
        ("FOUNTAIN_ACCEPT_VOLATILE_SECURITY_STATE", "true"),
    ])
    .await;
    assert_woken(&cluster.measure("Redis", ROUNDS).await);
}

/// Issue 3: the truth in PostgreSQL behind a pooler, through which nobody can listen; a Redis that wakes. Without that Redis
/// the nodes poll, and keep the bound.
#[tokio::test(flavor = "multi_thread")]
async fn processes_on_postgres_that_redis_wakes_keep_the_bound_without_it() {
    let postgres = Server::postgres(&[]).await;
    let mut redis = Server::redis(&[]).await;
    let mut cluster = Cluster::start(&[
        ("FOUNTAIN_STORE", &postgres.url()),
        ("FOUNTAIN_STORE_POOLER", "true"),
        ("FOUNTAIN_REDIS_URL", &redis.url()),
    ])
    .await;
    assert_woken(&cluster.measure("PostgreSQL, woken by Redis", ROUNDS).await);
    redis.freeze();
    cluster.measure("PostgreSQL, Redis frozen", 3).await;
    redis.thaw();
    redis.kill().await;
    cluster
        .measure("PostgreSQL, Redis killed", ROUNDS / 3)
        .await;
    // The nodes tell of it, and a process starts without it.
    let failed = cluster.metric("fountain_change_bell_rings_total{outcome=\"failed\"}");
    assert!(failed.await > 0);
    let rung = cluster.metric("fountain_change_bell_rings_total{outcome=\"rung\"}");
    assert!(rung.await > 0);
    let (_late, none) = Node::start(&[
        ("FOUNTAIN_STORE", &postgres.url()),
        ("FOUNTAIN_REDIS_URL", &redis.url()),
    ]);
    assert!(none.is_none());
}

impl Cluster {
    /// A counter of the first node.
    async fn metric(&self, series: &str) -> u64 {
        let node = &self.nodes[0];
        let request = Request::builder()
            .uri(format!("http://{}/metrics", node.address))
            .body(Full::default())
            .unwrap();
        let response = node.client.request(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {series} in {text}"))
    }
}
