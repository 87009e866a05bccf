//! What the examples share: a small HTTP client and the printing of steps.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the examples talk to a person"
)]

pub mod guide;
pub mod readme;
pub mod service;
pub mod shop;

use std::net::SocketAddr;

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

type BoxError = Box<dyn std::error::Error>;

/// Talks to one service on this machine.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    http: HyperClient<HttpConnector, Full<axum::body::Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    /// A client of the service at this address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            http: HyperClient::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// `GET`, with a credential in `Authorization: Bearer`, if one is given.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str, credential: Option<&str>) -> Result<Answer, BoxError> {
        self.send(Method::GET, path, credential).await
    }

    /// `POST` without a body, as [`Client::get`].
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, credential: Option<&str>) -> Result<Answer, BoxError> {
        self.send(Method::POST, path, credential).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        credential: Option<&str>,
    ) -> Result<Answer, BoxError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        if let Some(credential) = credential {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let answer = self.http.request(request.body(Full::default())?).await?;
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes().to_vec(),
        })
    }
}

impl Answer {
    /// A header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A text of the body's JSON object; empty when it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let value = self
            .json()
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned);
        value.unwrap_or_default()
    }

    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Prints what happens and remembers whether all of it was as expected.
#[derive(Debug, Default)]
pub struct Steps {
    number: usize,
    surprises: usize,
}

impl Steps {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Something was done.
    pub fn say(&mut self, what: &str) {
        self.number += 1;
        println!("{:>2}. {what}", self.number);
    }

    /// Something was asked, and this is the answer.
    pub fn expect(&mut self, what: &str, answer: &Answer, expected: StatusCode) {
        let challenge = answer
            .header("www-authenticate")
            .map_or(String::new(), |challenge| format!("  {challenge}"));
        self.check(
            &format!("{what}: {}{challenge}", answer.status),
            answer.status == expected,
        );
        if answer.status != expected {
            println!("    expected {expected}; the body: {}", answer.json());
        }
    }

    /// Something must be true.
    pub fn check(&mut self, what: &str, good: bool) {
        if good {
            self.say(what);
        } else {
            self.surprises += 1;
            self.say(&format!("{what}  <- not as expected"));
        }
    }

    /// The end.
    ///
    /// # Errors
    /// When anything was not as expected.
    pub fn finish(self) -> Result<(), BoxError> {
        match self.surprises {
            0 => {
                println!("done: {} steps, all as expected", self.number);
                Ok(())
            }
            surprises => {
                eprintln!("{surprises} of {} steps were not as expected", self.number);
                Err("not all was as expected".into())
            }
        }
    }
}
