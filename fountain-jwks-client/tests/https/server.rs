//! Servers on the loopback interface that do as they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fountain_core::token::{FetchErrorKind, FetchLimits, FetchedJwks, JwksFetch};
use fountain_jwks_client::HttpsFetch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What a server does after it has read the request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Writes these bytes and closes.
    Answer(Vec<u8>),
    /// Writes these bytes again and again, until nobody reads any more.
    Endless(Vec<u8>, Vec<u8>),
    /// Waits until it is told to, writes these bytes and closes.
    Held(Arc<Notify>, Vec<u8>),
    /// Writes these bytes, and then nothing.
    Stall(Vec<u8>),
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) root: String,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Server {
    /// A server whose certificate is for `name`, reached at 127.0.0.1.
    pub(crate) async fn start(name: &str, script: Script) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self {
            url: format!("https://127.0.0.1:{port}/jwks.json"),
            root: made.cert.pem(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (
            Arc::clone(&server.connections),
            Arc::clone(&server.requests),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => break,
                    }
                }
                requests
                    .lock()
                    .unwrap()
                    .push(String::from_utf8(request).unwrap());
                match script.clone() {
                    Script::Answer(bytes) => {
                        let _ = stream.write_all(&bytes).await;
                        let _ = stream.shutdown().await;
                    }
                    Script::Held(told, bytes) => {
                        told.notified().await;
                        let _ = stream.write_all(&bytes).await;
                        let _ = stream.shutdown().await;
                    }
                    Script::Endless(head, chunk) => {
                        let _ = stream.write_all(&head).await;
                        while stream.write_all(&chunk).await.is_ok() {}
                    }
                    Script::Stall(bytes) => {
                        let _ = stream.write_all(&bytes).await;
                        let _ = stream.flush().await;
                        // Returns when the client has closed.
                        let _ = stream.read_u8().await;
                    }
                }
            }
        });
        server
    }

    /// A client that trusts this server.
    pub(crate) fn client(&self) -> HttpsFetch {
        HttpsFetch::builder()
            .trust_only_pem(self.root.clone())
            .build()
            .unwrap()
    }

    pub(crate) async fn fetch(&self, limits: FetchLimits) -> Result<FetchedJwks, FetchErrorKind> {
        self.client()
            .fetch(&self.url, limits)
            .await
            .map_err(|error| error.kind())
    }
}

pub(crate) fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body.as_ref());
    bytes
}
