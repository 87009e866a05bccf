use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fountain_core::access::SteppedUp;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::auth::{Decision, Pending, Shared};
use crate::responder::Responder;

/// A grant being spent. Boxed: it asks a store, and this is not the fast path.
pub(super) type Redemption = Decision<SteppedUp>;

pin_project! {
    /// The future of [`Guarded`](super::Guarded).
    ///
    /// # Cancel safety
    /// It may be dropped at any point: a request whose grant is not spent yet is then never handed on. A grant that was spent stays
    /// so.
    pub struct ResponseFuture<S, Q, R>
    where
        S: Service<Q>,
    {
        #[pin]
        state: State<S, Q, R, S::Future, S::Response>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, Q, R, F, T> {
        Pending { pending: Option<Box<Pending<S, Q, R, SteppedUp>>> },
        Called { #[pin] future: F },
        Refused { response: Option<T> },
    }
}

impl<S: Service<Q>, Q, R> ResponseFuture<S, Q, R> {
    pub(super) fn pending(
        decision: Redemption,
        request: Q,
        service: S,
        shared: Arc<Shared>,
        responder: R,
    ) -> Self {
        let pending = Some(Box::new(Pending {
            decision,
            deadline: None,
            request,
            service,
            shared,
            responder,
        }));
        Self {
            state: State::Pending { pending },
        }
    }

    pub(super) const fn refused(response: S::Response) -> Self {
        let response = Some(response);
        Self {
            state: State::Refused { response },
        }
    }
}

impl<S, B, C, R> Future for ResponseFuture<S, Request<B>, R>
where
    S: Service<Request<B>, Response = Response<C>>,
    R: Responder<C>,
{
    type Output = Result<Response<C>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Called { future } => return future.poll(cx),
                StateProjection::Refused { response } => {
                    return response
                        .take()
                        .map_or(Poll::Pending, |r| Poll::Ready(Ok(r)));
                }
                StateProjection::Pending { pending } => {
                    let Some(waiting) = pending else {
                        return Poll::Pending;
                    };
                    let decided = ready!(waiting.poll(cx));
                    let Some(decided_for) = pending.take() else {
                        return Poll::Pending;
                    };
                    let Pending {
                        mut request,
                        mut service,
                        shared,
                        responder,
                        ..
                    } = *decided_for;
                    let next = match decided {
                        Ok(proof) => {
                            Shared::admit_stepped_up(&mut request, proof);
                            State::Called {
                                future: service.call(request),
                            }
                        }
                        Err(rejection) => State::Refused {
                            response: Some(shared.refuse(
                                &responder,
                                &rejection,
                                request.headers(),
                            )),
                        },
                    };
                    this.state.set(next);
                }
            }
        }
    }
}

impl<S: Service<Q>, Q, R> fmt::Debug for ResponseFuture<S, Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
