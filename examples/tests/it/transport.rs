//! Clients that are slow, or many, or write what no client should.

use std::time::Duration;

use fountain_core::{Clock as _, SystemClock};
use fountain_examples::service::Config;
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::World;

/// How patient the service is in these tests, with which they wait in earnest.
const PATIENCE: Duration = Duration::from_millis(300);

async fn impatient(connections: usize) -> World {
    let mut config = Config::in_memory().unwrap();
    config.bounds.patience = PATIENCE;
    config.bounds.connections = connections;
    World::of(config, None).await
}

async fn open(world: &World, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// All that the service says until it closes the connection; it must close it.
async fn rest(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(read.is_ok(), "the service does not close the connection");
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let world = impatient(1_024).await;
    for begun in ["", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let stream = open(&world, begun).await;
        assert_eq!(rest(stream).await, "");
    }
    // Between two requests as well.
    let whole = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let said = rest(open(&world, whole).await).await;
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let world = impatient(1_024).await;
    let begun = "POST /v1/token/revoke HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                 Content-Length: 20\r\n\r\n{";
    let said = rest(open(&world, begun).await).await;
    assert!(said.starts_with("HTTP/1.1 408 Request Timeout"), "{said}");
    assert!(
        said.contains("application/problem+json") && said.contains("x-request-id: "),
        "{said}"
    );
    world.stop().await;
}

#[tokio::test]
async fn there_are_never_more_connections_than_there_are_places() {
    let world = impatient(2).await;
    let clock = SystemClock::new();
    let before = clock.monotonic();
    let idle = [open(&world, "").await, open(&world, "").await];
    let third = open(&world, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(rest(third).await.starts_with("HTTP/1.1 200 OK"));
    assert!(
        clock.monotonic() >= before + PATIENCE,
        "a place was free too soon"
    );
    drop(idle);
    world.stop().await;
}

#[tokio::test]
async fn a_client_in_the_middle_of_a_head_does_not_keep_the_service_from_stopping() {
    let world = impatient(1_024).await;
    let stream = open(&world, "GET /healthz HTTP/1.1\r\n").await;
    world.stop().await;
    assert_eq!(rest(stream).await, "");
}

/// B-70
#[tokio::test]
async fn a_request_id_that_no_log_should_hold_is_replaced() {
    let world = World::in_memory().await;
    let ask = async |ids: &[&str]| {
        let mut request = Request::get("/healthz");
        for id in ids {
            request = request.header("x-request-id", *id);
        }
        let answer = world.send(request.body(String::new()).unwrap()).await;
        assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
        answer.header("x-request-id").to_owned()
    };
    let long = "a".repeat(128);
    for good in ["r-1", "2030-01-01T00:00:00/7", long.as_str()] {
        assert_eq!(ask(&[good]).await, good);
    }
    let longer = "a".repeat(129);
    for bad in ["", "a b", "\"}{\"", "a\tb", longer.as_str()] {
        let made = ask(&[bad]).await;
        assert!(made.len() == 32 && made != bad, "{made}");
    }
    assert_eq!(ask(&["r-1", "r-2"]).await.len(), 32);
    world.stop().await;
}

#[tokio::test]
async fn a_body_is_an_object_and_not_a_list_of_its_members() {
    let world = World::in_memory().await;
    let (_, key) = world.key(&["orders:read"]).await;
    let ask = async |body: String| {
        let request = Request::post("/v1/keys/verify")
            .header("content-type", "application/json")
            .header("x-api-key", &world.admin);
        world.send(request.body(body).unwrap()).await
    };
    let good = ask(format!("{{\"key\":\"{key}\"}}")).await;
    assert_eq!(good.status, 200, "{good:?}");
    ask(format!(" [\"{key}\"]"))
        .await
        .is_problem(422, "invalid_field");
    ask("[\"".to_owned())
        .await
        .is_problem(400, "malformed_body");
    world.stop().await;
}

/// RFC 9111 section 3.5 keeps shared caches from `Authorization`, and says nothing of `X-API-Key`.
#[tokio::test]
async fn no_cache_keeps_what_a_credential_was_shown_for() {
    let world = World::in_memory().await;
    for path in ["/v1/whoami", "/v1/keys", "/v1/audit", "/demo/orders"] {
        let request = Request::get(path).header("x-api-key", &world.admin);
        let answer = world.send(request.body(String::new()).unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    let keys = world.get("/.well-known/jwks.json", "").await;
    assert_eq!(keys.header("cache-control"), "public, max-age=300");
    world.stop().await;
}
