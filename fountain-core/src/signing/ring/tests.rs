//! Several nodes on one store, each with its own memory, on clocks that stand still until they are moved.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::audit::AuditEvent;
use crate::clock::{ManualClock, Timestamp};
use crate::error::{ErrorKind, Reason, Rejection, StoreError, StoreErrorKind};
use crate::identity::{Actor, Audience, ClientId, Subject, Tenant, TokenId};
use crate::memory::MemoryStore;
use crate::random::OsRandom;
use crate::seal::{KekId, LocalKeys};
use crate::signing::{
    Algorithm, Family, KeyRing, KeyTransition, Kid, SigningKeyState, TransitionOutcome,
};
use crate::token::{AccessClaims, TokenRules, verify_access};

mod emergency;
mod faults;
mod rotation;

const KEK: [u8; 32] = *b"a key-encryption key of 32 bytes";
const LIFE: Duration = Duration::from_secs(900);
const MICRO: Duration = Duration::from_micros(1);

/// A memory store that counts, can be down, and answers only when it is polled again.
#[derive(Debug, Default)]
struct Store {
    inner: MemoryStore,
    reads: AtomicUsize,
    down: AtomicBool,
}

impl Store {
    async fn answer(&self) -> Result<(), StoreError> {
        let mut polled = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut polled, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        match self.down.load(Ordering::SeqCst) {
            true => Err(StoreErrorKind::Unavailable.into()),
            false => Ok(()),
        }
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

#[async_trait]
impl SigningKeyStore for Store {
    async fn ring(&self, issuer: &Issuer) -> Result<KeyRing, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.answer().await?;
        self.inner.ring(issuer).await
    }

    async fn apply(
        &self,
        issuer: &Issuer,
        expected: u64,
        transition: KeyTransition,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<TransitionOutcome, StoreError> {
        self.answer().await?;
        let outcome = self
            .inner
            .apply(issuer, expected, transition, now, event)
            .await?;
        self.answer().await?;
        Ok(outcome)
    }
}

/// What all nodes have in common.
#[derive(Clone)]
struct World {
    store: Arc<Store>,
    clock: Arc<ManualClock>,
    rules: TokenRules,
}

impl World {
    fn new(algorithm: Algorithm) -> Self {
        Self {
            store: Arc::default(),
            clock: Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_700_000_000))),
            rules: TokenRules::builder()
                .issuer("https://auth.example.com")
                .audience("orders")
                .algorithm(algorithm)
                .max_life(LIFE)
                .build()
                .unwrap(),
        }
    }

    fn edwards() -> Self {
        Self::new(Algorithm::EdDsa)
    }

    fn node(&self) -> Keyring {
        self.node_with(&KEK, |builder| builder)
    }

    fn node_with(
        &self,
        kek: &[u8; 32],
        configure: impl FnOnce(KeyringConfigBuilder) -> KeyringConfigBuilder,
    ) -> Keyring {
        let random = Arc::new(OsRandom);
        let keys = LocalKeys::new(KekId::new("a").unwrap(), kek, random.clone()).unwrap();
        Keyring::new(KeyringParts {
            config: configure(KeyringConfig::for_tokens(&self.rules))
                .build()
                .unwrap(),
            store: self.store.clone(),
            sealer: Sealer::new(Arc::new(keys), random.clone()),
            trust: Arc::new(CacheTrust::new(Duration::from_secs(5))),
            clock: self.clock.clone(),
            random,
        })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn ring(&self) -> KeyRing {
        self.store.inner.ring(self.rules.issuer()).await.unwrap()
    }

    async fn in_state(&self, state: SigningKeyState) -> Vec<Kid> {
        let ring = self.ring().await;
        let kids = ring.keys.into_iter().filter(|record| record.state == state);
        kids.map(|record| record.kid).collect()
    }

    async fn issue(&self, node: &Keyring) -> String {
        let now = Timestamp::from_unix_seconds(self.now().as_unix_seconds());
        let claims = AccessClaims::new(
            self.rules.issuer().clone(),
            Subject::new("u1").unwrap(),
            Audience::new("orders").unwrap(),
            ClientId::new("web").unwrap(),
            TokenId::new("t1").unwrap(),
            now,
            now + LIFE,
        );
        node.signer().await.unwrap().sign_access(&claims).unwrap()
    }

    /// What a verifier on this node says, as the token service asks it.
    async fn verify(&self, node: &Keyring, token: &str) -> Result<(), Reason> {
        let keys = node.keys().await.map_err(reason)?;
        let verify = |keys: &KeySet| verify_access(token, &self.rules, keys, self.now());
        match verify(&keys) {
            Ok(_) => return Ok(()),
            Err(rejection) if rejection.reason() == Reason::TokenUnknownKey => {}
            Err(rejection) if rejection.reason() == Reason::TokenKeyState => {}
            Err(rejection) => return Err(rejection.reason()),
        }
        match node.keys_after(&keys).await.map_err(reason)? {
            Some(newer) => verify(&newer).map(drop),
            None => verify(&keys).map(drop),
        }
        .map_err(|rejection| rejection.reason())
    }
}

fn reason(error: Error) -> Reason {
    Rejection::from(error).reason()
}

/// Every node at once, on as many threads as there are.
async fn together<T: Send + 'static, F>(
    nodes: Vec<Arc<Keyring>>,
    call: fn(Arc<Keyring>) -> F,
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(tokio::sync::Barrier::new(nodes.len()));
    let tasks: Vec<_> = nodes
        .into_iter()
        .map(|node| {
            let barrier = barrier.clone();
            tokio::spawn(async move {
                barrier.wait().await;
                call(node).await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
