//! whatever happens, no secret shows.

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use fountain_core::access::Requirement;
use fountain_tower::RequireLayer;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::{Layer, Service, service_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::support::{
    ADMIN, Body, DOWN, Desk, FRESH, GOOD, ROTATED, bare, bearer, catalog, layer, with,
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        log.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What a verbose host does: it logs every request and response it sees, whole.
async fn verbose(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    tracing::trace!(?request, "handling");
    Ok(Response::new(Body::default()))
}

#[test]
fn no_secret_in_logs_at_trace_debug_output_or_answers() {
    let log = Log::default();
    let subscriber = tracing_subscriber::registry().with(
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(log.clone()),
    );
    let mut shown = String::new();
    // For all threads, so that what the other tests log meanwhile is searched as well.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::callsite::rebuild_interest_cache();
    {
        let require = catalog()
            .compile(&Requirement::permission("keys:rotate"))
            .unwrap();
        for auth in [layer(Desk::waiting(1)), layer(Desk::new()).optional()] {
            let service = auth.layer(RequireLayer::new(require.clone()).layer(service_fn(verbose)));
            shown.push_str(&format!("{auth:?} {service:?}"));
            for request in [
                bearer(GOOD),
                bearer(ADMIN),
                bearer(FRESH),
                bearer(DOWN),
                bearer(ROTATED),
                bearer("CANARY.bad"),
                bearer("CANARY bad"),
                bare(),
                with(&[("authorization", b"Basic CANARY")]),
                with(&[("x-api-key", b"CANARY")]),
                with(&[("x-api-key", b"CANARY"), ("authorization", b"CANARY")]),
                with(&[("cookie", format!("k={GOOD}").as_bytes())]),
                Request::get(format!("/?k={GOOD}"))
                    .body(Body::default())
                    .unwrap(),
            ] {
                let call = service.clone().call(request);
                shown.push_str(&format!("{call:?}"));
                let (parts, body) = tokio_test::block_on(call).unwrap().into_parts();
                let body = tokio_test::block_on(body.collect()).unwrap().to_bytes();
                shown.push_str(&format!("{parts:?} {}", String::from_utf8_lossy(&body)));
            }
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // Positive controls: the log is there, with the reasons and the verbose handler.
    for expected in [
        "credential_misplaced",
        "token_signature",
        "store_unavailable",
        "credential_ambiguous",
        "handling",
    ] {
        assert!(log.contains(expected), "{expected} is not in the log");
    }
    assert!(log.contains("WARN"));
    assert!(!log.contains("CANARY"), "{log}");
    assert!(!shown.contains("CANARY"), "{shown}");
}
