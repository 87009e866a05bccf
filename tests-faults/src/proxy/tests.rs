use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::within;

const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(10);

/// What a server received on one connection after another; none when one of them ended.
type Told = mpsc::UnboundedReceiver<Option<Vec<u8>>>;

/// A server that answers every piece with itself.
async fn echo() -> (SocketAddr, Told) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut piece = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut piece).await {
                    let _ = tell.send(Some(piece[..read].to_vec()));
                    let _ = stream.write_all(&piece[..read]).await;
                }
                let _ = tell.send(None);
            });
        }
    });
    (address, told)
}

async fn connected() -> (Proxy, TcpStream, Told) {
    let (address, told) = echo().await;
    let proxy = Proxy::to(address).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"hello").await.unwrap(), b"hello");
    (proxy, stream, told)
}

/// Writes, and reads as much; the error of whichever failed.
async fn ask(stream: &mut TcpStream, question: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(question).await?;
    let mut answer = vec![0; question.len()];
    timeout(LATE, stream.read_exact(&mut answer))
        .await
        .expect("an answer or an end")?;
    Ok(answer)
}

/// Everything that comes until the end, and the end.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, std::io::Result<usize>) {
    let mut all = Vec::new();
    loop {
        let mut piece = [0; 64];
        match timeout(LATE, stream.read(&mut piece)).await.unwrap() {
            Ok(read @ 1..) => all.extend_from_slice(&piece[..read]),
            end => return (all, end),
        }
    }
}

/// What the server received until one of its connections ended.
async fn received(told: &mut Told) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = timeout(LATE, told.recv()).await.unwrap().unwrap() {
        all.extend(piece);
    }
    all
}

fn pattern(proxy: &Proxy, cut: Cut) {
    let seen = Seen::Pattern(b"COMMIT".into());
    proxy.cut_when(Direction::ToServer, seen, cut);
}

#[tokio::test]
async fn a_good_link_passes_everything_and_closes_in_good_order() {
    let (proxy, mut stream, mut told) = connected().await;
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
    stream.shutdown().await.unwrap();
    let (all, end) = rest(&mut stream).await;
    assert!(all.is_empty() && end.unwrap() == 0);
    assert_eq!(received(&mut told).await, b"hello");
    within("it is counted out", LATE, async || {
        (proxy.open() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_slow_link_delays_both_directions_and_becomes_good_again() {
    let (proxy, mut stream, _told) = connected().await;
    proxy.set(Link::Slow(SOON));
    let (_, slow) = within("slow", LATE, async || ask(&mut stream, b"slow").await.ok()).await;
    proxy.set(Link::Good);
    let (_, fast) = within("fast", LATE, async || ask(&mut stream, b"fast").await.ok()).await;
    assert!(slow >= 2 * SOON && fast < SOON, "{slow:?} {fast:?}");
}

#[tokio::test]
async fn a_black_hole_takes_connections_and_gives_nothing_back_until_it_is_gone() {
    let (proxy, mut stream, _told) = connected().await;
    proxy.set(Link::BlackHole);
    stream.write_all(b"held").await.unwrap();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    new.write_all(b"also").await.unwrap();
    let mut answer = [0; 4];
    assert!(timeout(SOON, stream.read_exact(&mut answer)).await.is_err());
    assert!(timeout(SOON, new.read_exact(&mut answer)).await.is_err());
    proxy.set(Link::Good);
    let read = timeout(LATE, stream.read_exact(&mut answer)).await;
    assert!(read.unwrap().is_ok() && &answer == b"held");
    let read = timeout(LATE, new.read_exact(&mut answer)).await;
    assert!(read.unwrap().is_ok() && &answer == b"also");
}

#[tokio::test]
async fn a_refused_link_breaks_what_there_is_and_takes_no_more_until_it_is_good_again() {
    let (proxy, mut stream, _told) = connected().await;
    proxy.set_and_wait(Link::Refused).await;
    assert!(ask(&mut stream, b"gone").await.is_err());
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.set_and_wait(Link::Good).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"back").await.unwrap(), b"back");
}

#[tokio::test]
async fn a_cut_resets_what_there_is_and_lets_new_connections_pass() {
    let (proxy, mut stream, mut told) = connected().await;
    proxy.cut();
    let (_, end) = rest(&mut stream).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(received(&mut told).await, b"hello");
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"next").await.unwrap(), b"next");
}

#[tokio::test]
async fn a_half_open_connection_is_closed_to_the_server_and_silent_to_the_client() {
    let (proxy, mut stream, mut told) = connected().await;
    proxy.half_open();
    assert_eq!(received(&mut told).await, b"hello");
    stream.write_all(b"is anybody there").await.unwrap();
    let mut answer = [0; 1];
    assert!(timeout(SOON, stream.read(&mut answer)).await.is_err());
    assert!(timeout(SOON, told.recv()).await.is_err());
}

#[tokio::test]
async fn bytes_to_the_server_are_cut_behind_the_last_one_that_may_pass() {
    let (proxy, mut stream, mut told) = connected().await;
    proxy.cut_when(Direction::ToServer, Seen::Bytes(6), Cut::After);
    assert_eq!(ask(&mut stream, b"abcd").await.unwrap(), b"abcd");
    let _ = stream.write_all(b"efgh").await;
    let (all, _) = rest(&mut stream).await;
    assert!(all.is_empty(), "an answer got through: {all:?}");
    assert_eq!(received(&mut told).await, b"helloabcdef");
    assert_eq!(proxy.sprung(), 1);
}

#[tokio::test]
async fn bytes_to_the_client_are_cut_behind_the_last_one_that_may_pass() {
    let (proxy, mut stream, mut told) = connected().await;
    proxy.cut_when(Direction::ToClient, Seen::Bytes(2), Cut::After);
    stream.write_all(b"abcd").await.unwrap();
    let (all, end) = rest(&mut stream).await;
    assert_eq!(all, b"ab");
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(received(&mut told).await, b"helloabcd");
}

#[tokio::test]
async fn a_request_that_is_cut_before_is_never_made() {
    let (proxy, mut stream, mut told) = connected().await;
    pattern(&proxy, Cut::Before);
    assert_eq!(ask(&mut stream, b"BEGIN").await.unwrap(), b"BEGIN");
    let _ = stream.write_all(b"x;COMMIT;").await;
    assert!(rest(&mut stream).await.0.is_empty());
    assert!(b"helloBEGINx;".starts_with(&received(&mut told).await));
}

#[tokio::test]
async fn a_request_that_is_cut_after_is_made_and_its_answer_lost() {
    let (proxy, mut stream, mut told) = connected().await;
    pattern(&proxy, Cut::After);
    let _ = stream.write_all(b"x;COMMIT;y").await;
    assert!(rest(&mut stream).await.0.is_empty());
    assert_eq!(received(&mut told).await, b"hellox;COMMIT;y");
    // Once: the next connection passes.
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"COMMIT").await.unwrap(), b"COMMIT");
}

#[tokio::test]
async fn a_pattern_is_found_across_pieces_and_not_across_connections() {
    let (proxy, mut stream, mut told) = connected().await;
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    pattern(&proxy, Cut::Before);
    assert_eq!(ask(&mut stream, b"COM").await.unwrap(), b"COM");
    assert_eq!(ask(&mut other, b"MIT").await.unwrap(), b"MIT");
    assert_eq!(ask(&mut stream, b"M").await.unwrap(), b"M");
    assert_eq!(proxy.sprung(), 0);
    let _ = stream.write_all(b"IT").await;
    assert!(rest(&mut stream).await.0.is_empty());
    assert_eq!(proxy.sprung(), 1);
    assert_eq!(received(&mut told).await, b"helloCOMMITM");
    assert_eq!(ask(&mut other, b"on").await.unwrap(), b"on");
}

#[tokio::test]
async fn new_connections_go_where_the_proxy_leads_them() {
    let (proxy, mut stream, _told) = connected().await;
    let (other, mut told) = echo().await;
    proxy.lead_to(other);
    assert_eq!(ask(&mut stream, b"old").await.unwrap(), b"old");
    assert!(told.try_recv().is_err());
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"new").await.unwrap(), b"new");
    assert_eq!(told.recv().await.unwrap().unwrap(), b"new");
}
