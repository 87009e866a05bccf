//! The layers from the outside: on tower's mock, in an axum router, around a tonic service.
#![cfg(test)]

mod answers;
#[cfg(feature = "axum")]
mod axum_app;
mod canary;
mod contract;
mod fountain;
mod grpc;
mod jwks;
#[cfg(feature = "stack")]
mod stack;
mod step_up;
mod support;
