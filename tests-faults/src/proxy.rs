//! A TCP proxy that breaks the link between a store and its server, in ways that are said at run time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod connection;
mod trap;

#[cfg(test)]
mod tests;

use trap::Trap;
pub use trap::{Cut, Seen};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the store to the server.
    ToServer,
    /// From the server to the store.
    ToClient,
}

/// What the link is like, for connections that there are as well as for new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Everything passes.
    Good,
    /// Each piece (at most 16 KiB) waits this long before it goes on, in each direction, or until the link changes. A
    /// new connection does not.
    Slow(Duration),
    /// Connections are accepted and kept, and nothing passes. What was held passes when the link changes again.
    BlackHole,
    /// Nobody listens: connections are broken off, and new ones refused.
    Refused,
}

/// A TCP proxy on a loopback port of its own. Gone, with its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What all connections look at.
#[derive(Debug)]
struct Shared {
    state: watch::Sender<State>,
    trap: Mutex<Option<Trap>>,
    sprung: watch::Sender<u64>,
    accepted: AtomicU64,
    open: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct State {
    target: SocketAddr,
    link: Link,
    /// A connection that began before the count rose is broken off.
    cuts: u64,
    /// Likewise, its server's side alone is closed.
    half_opens: u64,
}

impl Proxy {
    /// A proxy to a server, all of it passing.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn to(target: SocketAddr) -> Self {
        let port = crate::server::free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .expect("a port that was free can be listened on");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared {
            state: watch::Sender::new(State {
                target,
                link: Link::Good,
                cuts: 0,
                half_opens: 0,
            }),
            trap: Mutex::new(None),
            sprung: watch::Sender::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(connection::accept(listener, shared.clone()));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the link so, from now on.
    pub fn set(&self, link: Link) {
        self.shared.state.send_modify(|state| {
            state.link = link;
            if link == Link::Refused {
                state.cuts += 1;
            }
        });
    }

    /// Makes the link so once nobody listens any more or somebody does again, and returns then.
    ///
    /// # Panics
    /// When that takes more than 5 s.
    pub async fn set_and_wait(&self, link: Link) {
        self.set(link);
        crate::within(
            "the proxy listens, or not",
            Duration::from_secs(5),
            async || {
                let connected = tokio::net::TcpStream::connect(self.address).await.is_ok();
                (connected == (link != Link::Refused)).then_some(())
            },
        )
        .await;
    }

    /// Sends new connections to another server. Those that there are stay where they are.
    pub fn lead_to(&self, target: SocketAddr) {
        self.shared.state.send_modify(|state| state.target = target);
    }

    /// Breaks all connections off, as a router that forgot them would. New ones pass.
    pub fn cut(&self) {
        self.shared.state.send_modify(|state| state.cuts += 1);
    }

    /// Closes the server's side of all connections without telling the client: it waits for answers from nobody.
    pub fn half_open(&self) {
        self.shared.state.send_modify(|state| state.half_opens += 1);
    }

    /// Breaks off the one connection on which this is seen first, at that moment. One trap at a time: a new one
    /// takes the place of the last.
    pub fn cut_when(&self, direction: Direction, seen: Seen, cut: Cut) {
        *self.shared.trap() = Some(Trap::new(direction, seen, cut));
    }

    /// Takes the trap away, if it has not sprung.
    pub fn disarm(&self) {
        *self.shared.trap() = None;
    }

    /// How many traps have sprung.
    #[must_use]
    pub fn sprung(&self) -> u64 {
        *self.shared.sprung.borrow()
    }

    /// How many connections there have been.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Acquire)
    }

    /// How many connections there are.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections are told, and the listener goes with its task.
        self.cut();
        self.accepting.abort();
    }
}

impl Shared {
    fn trap(&self) -> MutexGuard<'_, Option<Trap>> {
        self.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the trap a piece; when it springs, says how much of the piece may pass, and how to cut.
    fn inspect(&self, direction: Direction, connection: u64, piece: &[u8]) -> Option<(usize, Cut)> {
        let mut trap = self.trap();
        let sprung = trap.as_mut()?.inspect(direction, connection, piece)?;
        *trap = None;
        self.sprung.send_modify(|sprung| *sprung += 1);
        Some(sprung)
    }
}
