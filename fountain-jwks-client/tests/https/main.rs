//! `HttpsFetch` against real servers on the loopback interface, alone and as the means of a `RemoteIssuer`.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod contract;
mod issuer;
mod server;
