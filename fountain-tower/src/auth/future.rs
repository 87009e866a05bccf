use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fountain_core::Timestamp;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Pending;
use crate::responder::Responder;
use crate::sunset;

pin_project! {
    /// The future of [`Auth`](super::Auth).
    ///
    /// For a recalled credential it is the wrapped service's future and nothing more. After it is done, or after the
    /// wrapped service panicked in it, it stays pending: it never lets a request through late.
    ///
    /// # Cancel safety
    /// It may be dropped at any point: a request whose decision is not there yet is then never handed on.
    pub struct ResponseFuture<S, Q, R>
    where
        S: Service<Q>,
    {
        #[pin]
        state: State<S, Q, R, S::Future, S::Response>,
        superseded_at: Option<Timestamp>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, Q, R, F, T> {
        Called { #[pin] future: F },
        Pending { pending: Option<Box<Pending<S, Q, R>>> },
        Refused { response: Option<T> },
    }
}

impl<S: Service<Q>, Q, R> ResponseFuture<S, Q, R> {
    #[inline]
    pub(super) const fn called(future: S::Future, superseded_at: Option<Timestamp>) -> Self {
        Self {
            state: State::Called { future },
            superseded_at,
        }
    }

    pub(super) fn pending(pending: Pending<S, Q, R>) -> Self {
        Self {
            state: State::Pending {
                pending: Some(Box::new(pending)),
            },
            superseded_at: None,
        }
    }

    pub(super) const fn refused(response: S::Response) -> Self {
        Self {
            state: State::Refused {
                response: Some(response),
            },
            superseded_at: None,
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
                StateProjection::Called { future } => {
                    let mut response = ready!(future.poll(cx))?;
                    if let Some(at) = this.superseded_at.take() {
                        sunset::announce(response.headers_mut(), at);
                    }
                    return Poll::Ready(Ok(response));
                }
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
                        Ok(principal) => {
                            *this.superseded_at = principal.superseded_at();
                            shared.admit(&mut request, Some(principal));
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
