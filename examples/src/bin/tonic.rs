//! Fountain around a gRPC service: the layer decides once per call, the handler asks for a witness.
//!
//! Starts a tonic server on a free loopback port, calls it with a key that may, with one that may not and without,
//! prints each step, and ends with 0, or with 1 when any answer is not the expected one. The service is written by
//! hand over a codec of plain text, so that no code generator is needed; to a generated one the layer is the same.
//!
//! ```text
//! cargo run -p fountain-examples --bin tonic
//! ```

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use fountain_core::access::{Authority, Require, Requirement, RoleCatalog};
use fountain_core::api_key::NewApiKey;
use fountain_core::memory::MemoryStore;
use fountain_core::seal::LocalKeys;
use fountain_core::{Fountain, OsRandom, Tenant};
use fountain_examples::Steps;
use fountain_tower::{AuthLayer, Grpc};
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tower::Service;

type BoxError = Box<dyn std::error::Error>;
type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// What the handler asks for by naming it.
struct ReadOrders;

impl Require for ReadOrders {
    fn requirement() -> Requirement {
        Requirement::permission("orders:read")
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let roles = RoleCatalog::builder()
        .permissions(["orders:read", "orders:write"])
        .require::<ReadOrders>()
        .build()?;
    let fountain = Fountain::builder(Arc::new(MemoryStore::new()))
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(roles)
        .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom))?))
        .build()
        .await?;
    // A layer and not an interceptor: those cannot wait for a store. `Grpc` answers refusals as statuses.
    let auth = AuthLayer::for_fountain(&fountain).responder(Grpc).build()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = Server::builder().layer(auth).add_service(Orders);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    drive(&fountain, channel).await
}

/// Everything below the handler is the client's side.
async fn drive(fountain: &Fountain, channel: Channel) -> Result<(), BoxError> {
    let mut steps = Steps::new();
    let issue = async |scope: &str| {
        let new = NewApiKey::for_service("billing").scope(scope);
        let keys = fountain.api_keys();
        keys.issue(Authority::System, &Tenant::default(), new).await
    };
    let (reader, writer) = (issue("orders:read").await?, issue("orders:write").await?);

    let answer = call(&channel, None).await;
    steps.check(
        "a call without a credential: unauthenticated, and told how to authenticate",
        is_refused(&answer, Code::Unauthenticated, "Bearer realm=\"fountain\""),
    );
    let unknown = format!("{}x", reader.key.expose());
    let answer = call(&channel, Some(&unknown)).await;
    steps.check(
        "a key that is not one of ours: unauthenticated, without a reason",
        is_refused(&answer, Code::Unauthenticated, "error=\"invalid_token\""),
    );
    let answer = call(&channel, Some(writer.key.expose())).await;
    steps.check(
        "a key without the scope: permission denied, with the scope that it takes",
        is_refused(&answer, Code::PermissionDenied, "scope=\"orders:read\""),
    );
    let answer = call(&channel, Some(reader.key.expose())).await;
    steps.check(
        "a key with the scope: the orders",
        answer.is_ok_and(|orders| orders == "two orders for billing"),
    );
    steps.finish()
}

/// Whether it was refused with this code, and with this in the challenge among its metadata.
fn is_refused(answer: &Result<String, Status>, code: Code, challenge: &str) -> bool {
    answer.as_ref().is_err_and(|status| {
        let told = status.metadata().get_all("www-authenticate");
        status.code() == code
            && told
                .iter()
                .any(|value| value.to_str().is_ok_and(|text| text.contains(challenge)))
    })
}

async fn call(channel: &Channel, key: Option<&str>) -> Result<String, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    let mut request = Request::new(String::from("two"));
    if let Some(key) = key {
        let value = format!("Bearer {key}")
            .parse()
            .map_err(|_| Status::invalid_argument("a key is printable ASCII"))?;
        request.metadata_mut().insert("authorization", value);
    }
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let answer = client
        .unary(request, PathAndQuery::from_static(LIST), Text)
        .await?;
    Ok(answer.into_inner())
}

/// The one method of the service.
const LIST: &str = "/orders.Orders/List";

/// The handler.
async fn list(request: Request<String>) -> Result<Response<String>, Status> {
    let proof = fountain_tower::tonic::authorize::<ReadOrders, _>(&request)?;
    let owner = proof.principal().subject().clone();
    Ok(Response::new(format!(
        "{} orders for {owner}",
        request.into_inner()
    )))
}

/// What a code generator would write from here on.
#[derive(Debug, Clone)]
struct Orders;

impl NamedService for Orders {
    const NAME: &'static str = "orders.Orders";
}

impl Service<http::Request<Body>> for Orders {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pending<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path() != LIST {
                return Ok(Status::unimplemented("").into_http());
            }
            Ok(tonic::server::Grpc::new(Text).unary(List, request).await)
        })
    }
}

struct List;

impl UnaryService<String> for List {
    type Response = String;
    type Future = Pending<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(list(request))
    }
}

/// Messages that are plain text.
#[derive(Debug, Clone, Copy)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(to, item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let length = bytes::Buf::remaining(from);
        let bytes = bytes::Buf::copy_to_bytes(from, length);
        String::from_utf8(bytes.into())
            .map(Some)
            .map_err(|_| Status::invalid_argument("a message is UTF-8"))
    }
}
