//! The way to the server: any connection of the host's that many callers can share.

use std::time::Duration;

use fountain_core::{StoreError, StoreErrorKind};
use redis::aio::ConnectionLike;
use redis::{Cmd, RedisFuture, RedisResult, Value};

use crate::error::from_redis;

/// A connection whose clones are one connection.
pub(crate) trait Link: Send + Sync {
    fn ask<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Link for C {
    fn ask<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let mut connection = self.clone();
        Box::pin(async move {
            // A server's error comes as a value.
            let answer = connection.req_packed_command(command).await?;
            answer.extract_error()
        })
    }
}

/// Waits for an answer, but not for ever: whatever the host set on its connection, a call ends in time.
pub(crate) async fn in_time(
    patience: Duration,
    answer: impl Future<Output = RedisResult<Value>>,
) -> Result<Value, StoreError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer.map_err(from_redis),
        Err(late) => Err(StoreError::with_source(StoreErrorKind::Timeout, late)),
    }
}
