#![cfg_attr(all(feature = "axum", feature = "tokio"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "axum", feature = "tokio")),
    doc = "Fountain for tower: authentication and authorisation layers on `http` types."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod answer;
pub mod auth;
#[cfg(feature = "axum")]
pub mod axum;
pub mod credential;
mod identity_headers;
pub mod jwks;
mod missing_layer;
pub mod require;
pub mod responder;
#[cfg(feature = "stack")]
pub mod stack;
pub mod step_up;
mod sunset;
pub mod timer;
#[cfg(feature = "tonic")]
pub mod tonic;
mod witness;

pub use answer::{Answers, Refusal};
pub use auth::{Auth, AuthLayer};
pub use identity_headers::DEFAULT_IDENTITY_HEADERS;
pub use require::{RequireLayer, Required};
pub use responder::{Grpc, ProblemJson, Responder};
#[cfg(feature = "stack")]
pub use stack::StackLayer;
pub use step_up::{STEP_UP_HEADER, StepUpLayer};
pub use witness::authorize;
