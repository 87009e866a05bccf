//! Each contract sentence of `JwksFetch` in turn.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fountain_core::token::{FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch};
use fountain_jwks_client::HttpsFetch;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::server::{Script, Server, answer};

async fn fetched(head: &str, body: impl AsRef<[u8]>) -> Result<FetchedJwks, FetchErrorKind> {
    let server = Server::start("127.0.0.1", Script::Answer(answer(head, body))).await;
    server.fetch(FetchLimits::default()).await
}

#[tokio::test]
async fn a_good_answer_is_given_as_it_stands() {
    let head = "200 OK\r\nContent-Type: application/jwk-set+json\r\nCache-Control: public, max-age=600\r\nAge: 100\r\nContent-Length: 11";
    let good = fetched(head, r#"{"keys":[]}"#).await.unwrap();
    assert_eq!(good.body, br#"{"keys":[]}"#);
    assert_eq!(good.media_type.as_deref(), Some("application/jwk-set+json"));
    assert_eq!(good.max_age, Some(Duration::from_secs(500)));
}

#[tokio::test]
async fn an_answer_that_says_little_is_given_without_what_it_does_not_say() {
    let bare = fetched("200 OK", "<html>").await.unwrap();
    assert_eq!(bare.body, b"<html>");
    assert_eq!((bare.media_type, bare.max_age), (None, None));
}

/// Contract A: nothing is sent to another scheme.
#[tokio::test]
async fn only_https_is_asked() {
    let server = Server::start("127.0.0.1", Script::Answer(answer("200 OK", ""))).await;
    let client = HttpsFetch::builder()
        .trust_only_pem(server.root.clone())
        .build()
        .unwrap();
    for url in [
        server.url.replace("https", "http"),
        format!("ftp{}", server.url.trim_start_matches("https")),
        "file:///etc/hosts".to_owned(),
        "//127.0.0.1".to_owned(),
        String::new(),
        "https:/".to_owned(),
    ] {
        let error = client.fetch(&url, FetchLimits::default()).await;
        assert_eq!(error.unwrap_err().kind(), FetchErrorKind::NotHttps, "{url}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

/// Contract A: name and authority of the certificate are checked.
#[tokio::test]
async fn a_certificate_for_another_name_or_of_another_authority_is_refused() {
    let named = Server::start("elsewhere.test", Script::Answer(answer("200 OK", "{}"))).await;
    assert_eq!(
        named.fetch(FetchLimits::default()).await,
        Err(FetchErrorKind::Unreachable)
    );

    let server = Server::start("127.0.0.1", Script::Answer(answer("200 OK", "{}"))).await;
    let stranger = HttpsFetch::builder()
        .trust_only_pem(named.root.clone())
        .build()
        .unwrap();
    let error = stranger.fetch(&server.url, FetchLimits::default()).await;
    assert_eq!(error.unwrap_err().kind(), FetchErrorKind::Unreachable);

    for served in [named, server] {
        assert!(
            served.requests.lock().unwrap().is_empty(),
            "a request was sent"
        );
        assert_eq!(served.connections.load(Ordering::SeqCst), 1);
    }
}

/// Contract B, B-43: a redirect, to wherever, is not followed.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::start("127.0.0.1", Script::Answer(answer("200 OK", "{}"))).await;
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        let head = format!("{status}\r\nLocation: {}\r\nContent-Length: 0", target.url);
        assert_eq!(fetched(&head, "").await, Err(FetchErrorKind::Redirected));
    }
    assert_eq!(target.connections.load(Ordering::SeqCst), 0);
}

/// Contract C, B-43
#[tokio::test]
async fn any_other_status_is_refused() {
    for status in [
        "201 Created",
        "204 No Content",
        "206 Partial Content",
        "304 Not Modified",
        "404 Not Found",
        "500 Oops",
        "503 Busy",
    ] {
        let head = format!("{status}\r\nContent-Length: 0");
        assert_eq!(
            fetched(&head, "").await,
            Err(FetchErrorKind::Status),
            "{status}"
        );
    }
}

/// Contract D, B-43: 10 MB, announced or not.
#[tokio::test]
async fn a_large_body_is_cut_at_its_bound() {
    let limits = FetchLimits::default();
    let fits = vec![b' '; limits.body];
    let head = format!("200 OK\r\nContent-Length: {}", fits.len());
    assert_eq!(fetched(&head, &fits).await.unwrap().body.len(), limits.body);

    let announced = "200 OK\r\nContent-Length: 10000000";
    assert_eq!(fetched(announced, "").await, Err(FetchErrorKind::TooLarge));

    let chunk = [b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat();
    let head = answer("200 OK\r\nTransfer-Encoding: chunked", "");
    let server = Server::start("127.0.0.1", Script::Endless(head, chunk)).await;
    assert_eq!(server.fetch(limits).await, Err(FetchErrorKind::TooLarge));

    let head = answer("200 OK", "");
    let server = Server::start("127.0.0.1", Script::Endless(head, vec![b' '; 0x4000])).await;
    assert_eq!(server.fetch(limits).await, Err(FetchErrorKind::TooLarge));
}

/// Contract E, B-43: a bomb is not inflated.
#[tokio::test]
async fn a_compressed_body_is_refused_unread() {
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip"] {
        let head = format!("200 OK\r\nContent-Encoding: {encoding}");
        let server = Server::start("127.0.0.1", Script::Answer(answer(&head, [0x1f, 0x8b]))).await;
        assert_eq!(
            server.fetch(FetchLimits::default()).await,
            Err(FetchErrorKind::Encoded),
            "{encoding}"
        );
        let request = server.requests.lock().unwrap().concat().to_lowercase();
        assert!(request.contains("accept-encoding: identity\r\n"));
    }
    let plain = fetched("200 OK\r\nContent-Encoding: identity", "{}").await;
    assert_eq!(plain.unwrap().body, b"{}");
}

/// Contract F, B-43: a server that stalls before, in or after the head is given up.
#[tokio::test]
async fn a_slow_answer_is_given_up() {
    let limits = FetchLimits {
        timeout: Duration::from_millis(200),
        ..FetchLimits::default()
    };
    for sent in [
        Vec::new(),
        b"HTTP/1.1 200".to_vec(),
        answer("200 OK\r\nContent-Length: 100", "{"),
        answer("200 OK\r\nTransfer-Encoding: chunked", "1\r\n{\r\n"),
    ] {
        let server = Server::start("127.0.0.1", Script::Stall(sent)).await;
        assert_eq!(server.fetch(limits).await, Err(FetchErrorKind::Timeout));
    }
}

/// A server that takes connections and says nothing, its URL, and a client for it.
async fn silent() -> (TcpListener, String, HttpsFetch) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let root = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let client = HttpsFetch::builder()
        .trust_only_pem(root.cert.pem())
        .build()
        .unwrap();
    (listener, url, client)
}

/// Contract F: a server that takes the connection and says nothing is given up as well.
#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let (listener, url, client) = silent().await;
    let limits = FetchLimits {
        timeout: Duration::from_millis(200),
        ..FetchLimits::default()
    };
    let error = client.fetch(&url, limits).await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Timeout);
    drop(listener);
    let error = client.fetch(&url, limits).await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Unreachable);
}

/// Contract D: an answer that ends before its announced length is not an answer.
#[tokio::test]
async fn a_body_that_is_cut_short_is_refused() {
    assert_eq!(
        fetched("200 OK\r\nContent-Length: 100", r#"{"keys":[]}"#).await,
        Err(FetchErrorKind::Unreachable)
    );
}

/// Contract G
#[tokio::test]
async fn the_request_says_nothing_about_anybody() {
    let server = Server::start("127.0.0.1", Script::Answer(answer("200 OK", "{}"))).await;
    server.fetch(FetchLimits::default()).await.unwrap();
    let request = server.requests.lock().unwrap().concat().to_lowercase();
    assert!(
        request.starts_with("get /jwks.json http/1.1\r\n"),
        "{request}"
    );
    let names: Vec<_> = request
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    for name in &names {
        let known = ["accept", "accept-encoding", "host", "user-agent"];
        assert!(known.contains(name), "{name}");
    }
    assert!(names.contains(&"accept"));
}

/// Contract H: the connection is closed with the future.
#[tokio::test]
async fn a_dropped_fetch_closes_its_connection() {
    let (listener, url, client) = silent().await;
    let fetch = tokio::spawn(async move { client.fetch(&url, FetchLimits::default()).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    fetch.abort();
    // The greeting of TLS, and then the end.
    let mut greeting = Vec::new();
    let _ = stream.read_to_end(&mut greeting).await;
    assert!(fetch.await.unwrap_err().is_cancelled());
}

#[test]
fn a_bundle_without_a_readable_certificate_is_refused_when_building() {
    for bundle in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n",
    ] {
        let errors = HttpsFetch::builder().trust_only_pem(bundle).build();
        assert!(
            errors.unwrap_err().to_string().contains("trust_only_pem"),
            "{bundle:?}"
        );
    }
}
