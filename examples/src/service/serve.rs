//! The accept loop: what `axum::serve` does, with bounds that it does not have. A client that sends its request a byte
//! a minute holds a connection for seconds and not for hours, and there are never more of them than memory allows.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::util::MapRequest;

use super::until;

/// The largest head of a request that is read: 128 KiB. A larger one is answered 431.
const MAX_HEAD: usize = 128 * 1024;
/// How long to wait when no connection can be accepted, for want of file descriptors say: 1 s.
const PAUSE: Duration = Duration::from_secs(1);

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a client may take for the head of a request, counted from the end of the one before, and again for its
    /// body. Unless changed: 10 s.
    pub patience: Duration,
    /// How many connections there are at once; more wait to be accepted. Unless changed: 1024.
    pub connections: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            connections: 1_024,
        }
    }
}

/// Serves until it is told to stop, then lets the requests end that have begun.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    bounds: Bounds,
    stopped: watch::Receiver<bool>,
) {
    // HTTP/1 only, whatever features other crates switch on: each protocol has bounds of its own.
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.patience)
        .max_buf_size(MAX_HEAD);
    let places = Arc::new(Semaphore::new(bounds.connections));
    let open = GracefulShutdown::new();
    let mut stopped = std::pin::pin!(until(stopped));
    loop {
        let accepted = tokio::select! {
            () = &mut stopped => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_the_clients(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted; it is tried again");
                match tokio::time::timeout(PAUSE, &mut stopped).await {
                    Ok(()) => break,
                    Err(_) => continue,
                }
            }
        };
        let service = MapRequest::new(app.clone(), move |mut request: http::Request<_>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.map(Body::new)
        });
        let connection = http
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .into_owned();
        let connection = open.watch(connection);
        tokio::spawn(async move {
            // What went wrong is between the client and its network: a time-out, a reset, bytes that are no HTTP.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    open.shutdown().await;
}

type Accepted = (
    tokio::net::TcpStream,
    SocketAddr,
    tokio::sync::OwnedSemaphorePermit,
);

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// Whether one connection failed before it was accepted, which says nothing about the next.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
