use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fountain_core::{Principal, Reason, Rejection};

use super::Shared;

/// What has to be waited for before a request is let through.
pub(crate) type Decision<T> = Pin<Box<dyn Future<Output = Result<T, Rejection>> + Send>>;

/// A credential being verified. Boxed: `Authenticator` is a trait object, and this is not the fast path.
pub(crate) type Verification = Decision<Principal>;

/// A request that waits for its decision, with the service that was polled ready for it.
///
/// Dropping it at any point drops the decision, the request and the service with what it had reserved.
pub(crate) struct Pending<S, Q, R, T = Principal> {
    pub(crate) decision: Decision<T>,
    pub(crate) deadline: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(crate) request: Q,
    pub(crate) service: S,
    pub(crate) shared: Arc<Shared>,
    pub(crate) responder: R,
}

impl<S, Q, R, T> Pending<S, Q, R, T> {
    /// The decision, or its refusal when the deadline passes first.
    ///
    /// The deadline begins when the decision first has to wait, so that one which does not costs no timer.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Rejection>> {
        if let Poll::Ready(decided) = self.decision.as_mut().poll(cx) {
            return Poll::Ready(decided);
        }
        let shared = &self.shared;
        let deadline = self
            .deadline
            .get_or_insert_with(|| shared.timer.wait(shared.deadline));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(Rejection::unavailable(Reason::DeadlineExceeded)))
    }
}
