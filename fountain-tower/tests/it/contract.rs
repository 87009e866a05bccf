//! tower's contract, and what happens when things go wrong in the middle.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use fountain_core::access::Requirement;
use fountain_core::authenticate::{Authenticator, PresentedCredential};
use fountain_core::{Principal, Rejection};
use fountain_tower::RequireLayer;
use http::{Request, Response};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;

use crate::support::{
    Body, DOWN, Desk, FRESH, GOOD, Hand, bare, bearer, catalog, layer, layer_with, with,
};

fn subject<B>(request: &Request<B>) -> String {
    request
        .extensions()
        .get::<Principal>()
        .map_or_else(|| "nobody".to_owned(), |p| p.subject().to_string())
}

async fn echo(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from(subject(&request))))
}

/// A service that may be called only when this very clone was polled ready.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(self.ready, "called without having been ready");
        self.ready = false;
        ready(Ok(Response::new(Body::from(subject(&request)))))
    }
}

/// Recalls everybody.
#[derive(Debug)]
struct Remembers(Principal);

#[async_trait::async_trait]
impl Authenticator for Remembers {
    fn recall(&self, _: &PresentedCredential<'_>) -> Option<Principal> {
        Some(self.0.clone())
    }
    async fn authenticate(&self, _: PresentedCredential<'_>) -> Result<Principal, Rejection> {
        Ok(self.0.clone())
    }
}

/// A service that does nothing, and allocates nothing.
#[derive(Debug, Clone)]
struct Nothing;

impl Service<Request<Body>> for Nothing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::default())))
    }
}

/// on each way through the layers the service that was polled ready is the one that is called.
#[tokio::test]
async fn the_ready_service_is_the_one_called() {
    let require = RequireLayer::new(
        catalog()
            .compile(&Requirement::permission("orders:read"))
            .unwrap(),
    );
    let mut service = ServiceBuilder::new()
        .layer(layer(Desk::waiting(2)))
        .layer(require)
        .service(Strict::default());
    for _ in 0..3 {
        for (request, status) in [
            (bearer(FRESH), 200),
            (with(&[("x-api-key", GOOD.as_bytes())]), 200),
            (bearer("CANARY.bad"), 401),
            (bare(), 401),
        ] {
            let response = service.ready().await.unwrap().call(request).await.unwrap();
            assert_eq!(response.status(), status);
        }
    }
}

/// readiness is the wrapped service's.
#[test]
fn the_layer_is_ready_when_the_service_is() {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let mut service = mock::Spawn::new(layer(Desk::new()).layer(service));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut response = tokio_test::task::spawn(service.call(bearer(FRESH)));
    assert_pending!(response.poll());
    let (request, send) =
        assert_ready!(tokio_test::task::spawn(handle.next_request()).poll()).unwrap();
    assert_eq!(subject(&request), "fresh");
    send.send_response(Response::new(Body::from("done")));
    assert!(response.is_woken());
    assert_ready_ok!(response.poll());
}

/// a refusal gives back what `poll_ready` had reserved; a client that is refused cannot hold a slot.
#[test]
fn a_refusal_holds_no_permit() {
    let rotate = Requirement::permission("keys:rotate");
    let service = ServiceBuilder::new()
        .layer(layer(Desk::new()))
        .layer(RequireLayer::new(catalog().compile(&rotate).unwrap()))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(echo));
    // Each clone stands for a connection that stays open after it was refused.
    let mut connections = Vec::new();
    for request in [bare(), bearer("CANARY.bad"), bearer(DOWN), bearer(GOOD)] {
        let mut connection = mock::Spawn::new(service.clone());
        assert_ready_ok!(
            connection.poll_ready(),
            "a refused connection holds the only permit"
        );
        let mut answer = tokio_test::task::spawn(connection.call(request));
        assert_ne!(assert_ready!(answer.poll()).unwrap().status(), 200);
        drop(answer);
        connections.push(connection);
    }
    let mut last = mock::Spawn::new(service);
    assert_ready_ok!(
        last.poll_ready(),
        "a refused connection holds the only permit"
    );
}

/// a verification in flight holds its permit, and gives it back when it is dropped.
#[test]
fn a_dropped_verification_gives_its_permit_back() {
    let service = ServiceBuilder::new()
        .layer(layer(Desk::waiting(5)))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(echo));
    let mut first = mock::Spawn::new(service.clone());
    let mut second = mock::Spawn::new(service);
    assert_ready_ok!(first.poll_ready());
    let mut response = tokio_test::task::spawn(first.call(bearer(FRESH)));
    assert_pending!(response.poll());
    assert_pending!(second.poll_ready());
    drop(response);
    assert_ready_ok!(second.poll_ready());
}

/// dropped after any number of polls, nothing is handed on and nothing stays open.
#[test]
fn a_future_dropped_at_any_poll_leaves_nothing_behind() {
    const WAITS: usize = 8;
    for polls in 0..=WAITS + 1 {
        let desk = Arc::new(Desk::waiting(WAITS));
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let mut service =
            mock::Spawn::new(layer_with(Arc::clone(&desk), Hand::default()).layer(service));
        assert_ready_ok!(service.poll_ready());
        let mut response = tokio_test::task::spawn(service.call(bearer(FRESH)));
        for _ in 0..polls {
            assert_pending!(response.poll());
        }
        drop(response);
        assert_eq!(desk.open.load(Ordering::Relaxed), 0, "after {polls} polls");
        let mut next = tokio_test::task::spawn(handle.next_request());
        assert_eq!(next.poll().is_ready(), polls > WAITS, "after {polls} polls");
        drop(next);
        // The service goes on as if nothing had been.
        assert_ready_ok!(service.poll_ready());
        let mut good =
            tokio_test::task::spawn(service.call(with(&[("x-api-key", GOOD.as_bytes())])));
        assert_pending!(good.poll());
    }
}

///
#[tokio::test]
async fn a_panicking_service_poisons_nothing() {
    let mut service = layer(Desk::new()).layer(service_fn(|request: Request<Body>| async move {
        assert_ne!(subject(&request), "fresh", "the handler's bug");
        echo(request).await
    }));
    for _ in 0..2 {
        let call = service.ready().await.unwrap().call(bearer(FRESH));
        let mut call = tokio_test::task::spawn(call);
        assert!(std::panic::catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
        let good = with(&[("x-api-key", GOOD.as_bytes())]);
        let response = service.ready().await.unwrap().call(good).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

/// A service that panics in `call` itself, so that the decision is already made and the request gone.
#[test]
fn a_future_polled_after_a_panic_lets_nothing_through() {
    let mut service = layer(Desk::new()).layer(service_fn(
        |_: Request<Body>| -> Ready<Result<Response<Body>, Infallible>> {
            panic!("the handler's bug")
        },
    ));
    let mut call = tokio_test::task::spawn(service.call(bearer(FRESH)));
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
    assert_pending!(call.poll());
}

///
#[test]
fn a_decision_past_its_deadline_is_503_and_dropped() {
    let desk = Arc::new(Desk::waiting(usize::MAX));
    let timer = Hand::default();
    let mut service = layer_with(Arc::clone(&desk), timer.clone()).layer(service_fn(echo));
    let mut call = tokio_test::task::spawn(service.call(bearer(FRESH)));
    assert_eq!(
        timer.0.asked(),
        None,
        "the timer costs nothing before it is needed"
    );
    assert_pending!(call.poll());
    assert_eq!(timer.0.asked(), Some(Duration::from_secs(3)));
    assert_eq!(desk.open.load(Ordering::Relaxed), 1);
    timer.0.run_out();
    let response = assert_ready!(call.poll()).unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(desk.open.load(Ordering::Relaxed), 0);
}

/// a decision that is there when the deadline passes counts.
#[test]
fn a_decision_in_time_beats_the_deadline() {
    let timer = Hand::default();
    timer.0.run_out();
    let mut service = layer_with(Arc::new(Desk::new()), timer).layer(service_fn(echo));
    let mut call = tokio_test::task::spawn(service.call(bearer(FRESH)));
    assert_eq!(assert_ready!(call.poll()).unwrap().status(), 200);
}

/// Outside of a runtime tokio's timer refuses instead of panicking or waiting for ever.
#[cfg(feature = "tokio")]
#[test]
fn without_a_runtime_the_deadline_is_over_at_once() {
    let auth = fountain_tower::AuthLayer::builder(Arc::new(Desk::waiting(1)))
        .build()
        .unwrap();
    let mut service = auth.layer(service_fn(echo));
    let mut call = tokio_test::task::spawn(service.call(bearer(FRESH)));
    assert_eq!(assert_ready!(call.poll()).unwrap().status(), 503);
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn tokio_keeps_the_deadline() {
    let auth = fountain_tower::AuthLayer::builder(Arc::new(Desk::waiting(usize::MAX)))
        .deadline(Duration::from_millis(1))
        .build()
        .unwrap();
    let call = auth.layer(service_fn(echo)).oneshot(bearer(FRESH));
    let response = tokio::time::timeout(Duration::from_secs(1), call).await;
    assert_eq!(response.expect("the deadline").unwrap().status(), 503);
}

/// A recalled credential costs what its two entries in the extensions cost, and not one allocation more: no boxed
/// future, no task, no copy of the credential.
#[test]
fn a_recalled_credential_allocates_nothing_but_its_extensions() {
    #[derive(Clone)]
    struct Marker(#[expect(dead_code, reason = "as large as a handle")] Arc<()>);

    let desk = Arc::new(Desk::new());
    let principal = desk.principal("billing", &["reader"]);
    let marker = Marker(Arc::new(()));
    let mut request = bare();
    let entries = allocation_counter::measure(|| {
        request.extensions_mut().insert(marker);
        request.extensions_mut().insert(principal.clone());
    });
    let auth = fountain_tower::AuthLayer::builder(Arc::new(Remembers(principal)))
        .timer(Arc::new(Hand::default()))
        .build()
        .unwrap();
    let mut service = auth.layer(Nothing);
    let request = with(&[("x-api-key", GOOD.as_bytes()), ("accept", b"*/*")]);
    let mut future = None;
    let call = allocation_counter::measure(|| future = Some(service.call(request)));
    assert_eq!(call.count_total, entries.count_total);
}

/// The layers can be shared between threads, and need no `Debug` of what they wrap.
#[test]
fn the_services_are_send_sync_and_debug() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    fn is_send<T: Send>(_: &T) {}
    let auth = layer(Desk::new());
    check(&auth);
    let mut service = auth.layer(service_fn(echo));
    check(&service);
    is_send(&service.call(bearer(FRESH)));
    let require = RequireLayer::new(catalog().compile(&Requirement::authenticated()).unwrap());
    check(&require);
    check(&require.layer(service_fn(echo)));
}
