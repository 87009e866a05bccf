//! Carriers that speak HTTP, more or less.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What a carrier does once it has read a request. The last one is for every request after it, too.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// Writes these bytes and closes.
    Answer(String),
    /// Closes without a byte.
    Close,
    /// Answers nothing, ever.
    Stall,
    /// Writes these bytes, and then more of the same until nobody reads.
    Endless(String),
    /// Writes these bytes, and then nothing.
    Half(String),
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Script {
    Script::Answer(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    ))
}

/// Each way of not answering as agreed, after the request was read: the message may have been taken.
pub(crate) fn broken() -> Vec<Script> {
    vec![
        Script::Close,
        Script::Stall,
        Script::Half("HTTP/1.1 20".into()),
        Script::Answer("SSH-2.0-OpenSSH_9.2\r\n".into()),
        Script::Answer("\0\u{1}\u{2}".into()),
        Script::Endless("HTTP/1.1 200 OK\r\nX: y\r\n".into()),
        answer(
            "500 Internal Server Error",
            "",
            "271828 for +436641234567 alice@example.com",
        ),
        answer("502 Bad Gateway", "", ""),
        answer("503 Service Unavailable", "Retry-After: 0\r\n", ""),
        Script::Endless("HTTP/1.1 500 Oh\r\n\r\nalice".into()),
    ]
}

#[derive(Clone)]
pub(crate) struct Carrier {
    pub(crate) url: String,
    /// What was asked, head and body.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Carrier {
    pub(crate) async fn start(scripts: impl Into<Vec<Script>>) -> Self {
        Self::serve(scripts.into(), None).await
    }

    /// With TLS, and the certificate to trust.
    pub(crate) async fn start_tls(script: Script) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let server = Self::serve(vec![script], Some(acceptor)).await;
        (server, made.cert.pem())
    }

    async fn serve(scripts: Vec<Script>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let carrier = Self {
            url: format!("{scheme}://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
        };
        let requests = Arc::clone(&carrier.requests);
        let scripts = Arc::new(Mutex::new(VecDeque::from(scripts)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (requests, scripts, tls) =
                    (Arc::clone(&requests), Arc::clone(&scripts), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => play(stream, &requests, &scripts).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                play(stream, &requests, &scripts).await;
                            }
                        }
                    }
                });
            }
        });
        carrier
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> String {
        self.requests.lock().unwrap().last().unwrap().clone()
    }
}

async fn play(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    requests: &Mutex<Vec<String>>,
    scripts: &Mutex<VecDeque<Script>>,
) {
    let mut request = Vec::new();
    let mut wanted = usize::MAX;
    while request.len() < wanted {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        request.push(byte);
        if wanted == usize::MAX && request.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8(request.clone())
                .unwrap()
                .to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            wanted = request.len() + length;
        }
    }
    requests
        .lock()
        .unwrap()
        .push(String::from_utf8(request).unwrap());
    let script = {
        let mut scripts = scripts.lock().unwrap();
        let next = scripts.pop_front().unwrap();
        if scripts.is_empty() {
            scripts.push_back(next.clone());
        }
        next
    };
    match script {
        Script::Answer(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Script::Close => {}
        Script::Stall => {
            let _ = stream.read_u8().await;
        }
        Script::Half(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.read_u8().await;
        }
        Script::Endless(bytes) => while stream.write_all(bytes.as_bytes()).await.is_ok() {},
    }
}
