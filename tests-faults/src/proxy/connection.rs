//! One connection: two pumps, and how they end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Cut, Direction, Link, Shared, State};
use crate::pause;

/// Listens while the link lets connections in, and not while it does not.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let address = listener.local_addr().expect("it has an address");
    let mut listener = Some(listener);
    let mut state = shared.state.subscribe();
    loop {
        let link = state.borrow_and_update().link;
        if link == Link::Refused {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
            if listener.is_none() {
                pause(Duration::from_millis(5)).await;
                continue;
            }
        }
        let Some(listening) = &listener else {
            if state.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            accepted = listening.accept() => if let Ok((client, _)) = accepted {
                let number = shared.accepted.fetch_add(1, Ordering::AcqRel);
                shared.open.fetch_add(1, Ordering::AcqRel);
                tokio::spawn(serve(client, number, shared.clone()));
            },
            changed = state.changed() => if changed.is_err() { return },
        }
    }
}

/// Counts a connection while it lives.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn serve(client: TcpStream, number: u64, shared: Arc<Shared>) {
    let _open = Open(shared.clone());
    let mut state = shared.state.subscribe();
    let born = *state.borrow();
    let mut sides = Sides {
        client: Some(client),
        server: None,
    };
    tokio::select! {
        () = carry(&mut sides, born, number, &shared) => {}
        // An error means that the proxy has gone, and its connections with it.
        _ = state.wait_for(|state| state.cuts > born.cuts) => {}
    }
    // What ended well has let go of its sides already.
    reset(sides.client);
    reset(sides.server);
}

struct Sides {
    client: Option<TcpStream>,
    server: Option<TcpStream>,
}

/// Breaks off, where dropping would close in good order.
fn reset(side: Option<TcpStream>) {
    if let Some(side) = side {
        let _ = side.set_zero_linger();
    }
}

async fn carry(sides: &mut Sides, born: State, number: u64, shared: &Shared) {
    let mut state = shared.state.subscribe();
    passable(&mut state).await;
    let target = state.borrow().target;
    sides.server = TcpStream::connect(target).await.ok();
    let (Some(client), Some(server)) = (&mut sides.client, &mut sides.server) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let ended = {
        let (mut client_reads, mut client_writes) = client.split();
        let (mut server_reads, mut server_writes) = server.split();
        let pump = |direction| Pump {
            direction,
            number,
            shared,
            state: state.clone(),
        };
        let (up, down) = (pump(Direction::ToServer), pump(Direction::ToClient));
        tokio::select! {
            ended = async {
                tokio::try_join!(
                    up.run(&mut client_reads, &mut server_writes),
                    down.run(&mut server_reads, &mut client_writes),
                )
            } => ended.err(),
            _ = state.wait_for(|state| state.half_opens > born.half_opens) => Some(Broken::HalfOpen),
        }
    };
    match ended {
        None => {
            *sides = Sides {
                client: None,
                server: None,
            }
        }
        Some(Broken::Trapped(Direction::ToServer, Cut::After)) => {
            // The client hears at once that the link is broken; the server reads what it was sent, then the end.
            reset(sides.client.take());
            if let Some(server) = &mut sides.server {
                let _ = server.shutdown().await;
                discard(server).await;
            }
        }
        Some(Broken::HalfOpen) => {
            sides.server = None;
            if let Some(client) = &mut sides.client {
                discard(client).await;
            }
        }
        Some(Broken::Link | Broken::Trapped(..)) => {}
    }
}

enum Broken {
    /// One side broke off by itself.
    Link,
    Trapped(Direction, Cut),
    HalfOpen,
}

/// Reads until the other side closes, and keeps nothing.
async fn discard(stream: &mut TcpStream) {
    let mut piece = [0; 4096];
    while stream.read(&mut piece).await.is_ok_and(|read| read > 0) {}
}

/// Until something may pass.
async fn passable(state: &mut watch::Receiver<State>) {
    // An error means that the proxy has gone; `serve` ends the connection then.
    let _ = state.wait_for(|state| state.link != Link::BlackHole).await;
}

struct Pump<'a> {
    direction: Direction,
    number: u64,
    shared: &'a Shared,
    state: watch::Receiver<State>,
}

impl Pump<'_> {
    async fn run(mut self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Result<(), Broken> {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut piece).await.map_err(|_| Broken::Link)?;
            let link = self.state.borrow().link;
            if let Link::Slow(delay) = link {
                tokio::select! {
                    () = pause(delay) => {}
                    _ = self.state.wait_for(|state| state.link != link) => {}
                }
            }
            passable(&mut self.state).await;
            if read == 0 {
                // The other direction may still have something to say.
                return to.shutdown().await.map_err(|_| Broken::Link);
            }
            let bytes = piece.get(..read).unwrap_or_default();
            let sprung = self.shared.inspect(self.direction, self.number, bytes);
            let pass = sprung.map_or(read, |(pass, _)| pass);
            let bytes = bytes.get(..pass).unwrap_or_default();
            to.write_all(bytes).await.map_err(|_| Broken::Link)?;
            if let Some((_, cut)) = sprung {
                return Err(Broken::Trapped(self.direction, cut));
            }
        }
    }
}
