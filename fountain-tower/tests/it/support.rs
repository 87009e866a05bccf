//! An authenticator whose answers a test chooses, and short ways to make requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fountain_core::access::RoleCatalog;
use fountain_core::authenticate::{Authenticator, PresentedCredential};
use fountain_core::identity::{Assurance, Credential, KeyId, PrincipalParts, Subject};
use fountain_core::{Principal, Reason, Rejection, Tenant, Timestamp};
use fountain_tower::AuthLayer;
use fountain_tower::timer::Timer;
use http::Request;
use http_body_util::Full;

/// The key of [`Desk`] that is good. Every secret of these tests holds the canary.
pub(crate) const GOOD: &str = "fnt_test_CANARYgood";
/// A token whose subject is an administrator.
pub(crate) const ADMIN: &str = "CANARY.admin.token";
/// A good token that has to be verified: after being polled [`Desk::waits`] times.
pub(crate) const FRESH: &str = "CANARY.fresh.token";
/// A token for which the store does not answer.
pub(crate) const DOWN: &str = "CANARY.down.token";
/// A key that was rotated and ends at [`ENDS_AT`].
pub(crate) const ROTATED: &str = "fnt_test_CANARYrotated";
/// The same, not seen before.
pub(crate) const ROTATED_FRESH: &str = "fnt_test_CANARYrotatedfresh";
pub(crate) const ENDS_AT: i64 = 1_700_000_000;

/// The authenticator: recalls some credentials, verifies others, refuses the rest.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) catalog: RoleCatalog,
    /// How often a verification is polled before it ends.
    pub(crate) waits: usize,
    pub(crate) asked: AtomicUsize,
    /// Verifications that were begun and neither ended nor dropped.
    pub(crate) open: Arc<AtomicUsize>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            catalog: catalog(),
            waits: 0,
            asked: AtomicUsize::new(0),
            open: Arc::default(),
        }
    }

    pub(crate) fn waiting(waits: usize) -> Self {
        Self {
            waits,
            ..Self::new()
        }
    }

    pub(crate) fn principal(&self, name: &str, roles: &[&str]) -> Principal {
        Principal::new(PrincipalParts {
            tenant: Tenant::default(),
            subject: Subject::new(name).unwrap(),
            credential: Credential::ApiKey {
                id: KeyId::new("0123456789abcdef").unwrap(),
            },
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            scopes: vec![],
            grants: self.catalog.resolve_roles(roles),
            assurance: Assurance::default(),
            expires_at: Timestamp::MAX,
            superseded_at: (name == "rotated").then(|| Timestamp::from_unix_seconds(ENDS_AT)),
        })
    }
}

#[async_trait]
impl Authenticator for Desk {
    fn recall(&self, credential: &PresentedCredential<'_>) -> Option<Principal> {
        match credential {
            PresentedCredential::ApiKey(GOOD) => Some(self.principal("billing", &["reader"])),
            PresentedCredential::ApiKey(ROTATED) => Some(self.principal("rotated", &[])),
            PresentedCredential::AccessToken(ADMIN) => Some(self.principal("root", &["admin"])),
            _ => None,
        }
    }

    async fn authenticate(
        &self,
        credential: PresentedCredential<'_>,
    ) -> Result<Principal, Rejection> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _open = Open::new(&self.open);
        Yield(self.waits).await;
        match credential {
            PresentedCredential::AccessToken(FRESH) => Ok(self.principal("fresh", &["reader"])),
            PresentedCredential::ApiKey(ROTATED_FRESH) => Ok(self.principal("rotated", &[])),
            PresentedCredential::AccessToken(DOWN) => {
                Err(Rejection::unavailable(Reason::StoreUnavailable))
            }
            PresentedCredential::AccessToken(_) => {
                Err(Rejection::invalid_token(Reason::TokenSignature))
            }
            PresentedCredential::ApiKey(_) => Err(Rejection::invalid_token(Reason::KeyUnknown)),
        }
    }
}

struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Pending so many times, waking itself; for ever and silent with `usize::MAX`.
struct Yield(usize);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        if self.0 == usize::MAX {
            return Poll::Pending;
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(crate) fn catalog() -> RoleCatalog {
    use fountain_core::access::Role;
    RoleCatalog::builder()
        .permissions(["orders:read", "keys:rotate"])
        .role(Role::new("reader").grant("orders:read"))
        .role(Role::new("admin").inherit("reader").grant("keys:rotate"))
        .build()
        .unwrap()
}

/// A timer that a test lets run out; nothing sleeps.
#[derive(Debug, Default)]
pub(crate) struct HandTimer(Mutex<(bool, Option<Duration>, Vec<Waker>)>);

impl HandTimer {
    pub(crate) fn run_out(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        state.2.drain(..).for_each(Waker::wake);
    }

    /// How long it was asked to wait.
    pub(crate) fn asked(&self) -> Option<Duration> {
        self.0.lock().unwrap().1
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Hand(pub(crate) Arc<HandTimer>);

impl Timer for Hand {
    fn wait(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let timer = Arc::clone(&self.0);
        timer.0.lock().unwrap().1 = Some(duration);
        Box::pin(std::future::poll_fn(move |cx| {
            let mut state = timer.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.2.push(cx.waker().clone());
            Poll::Pending
        }))
    }
}

/// A layer in front of a desk, with a timer that never runs out by itself.
pub(crate) fn layer(desk: Desk) -> AuthLayer {
    layer_with(Arc::new(desk), Hand::default())
}

pub(crate) fn layer_with(desk: Arc<Desk>, timer: Hand) -> AuthLayer {
    let catalog = desk.catalog.clone();
    AuthLayer::builder(desk)
        .realm("x")
        .roles(catalog)
        .timer(Arc::new(timer))
        .build()
        .unwrap()
}

pub(crate) type Body = Full<Bytes>;

pub(crate) fn bare() -> Request<Body> {
    Request::new(Body::default())
}

pub(crate) fn with(headers: &[(&str, &[u8])]) -> Request<Body> {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::default()).unwrap()
}

pub(crate) fn bearer(token: &str) -> Request<Body> {
    with(&[("authorization", format!("Bearer {token}").as_bytes())])
}
