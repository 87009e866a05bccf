//! How a statement reaches the server: on a connection of the host's pool, or within the host's own transaction.

use std::time::Duration;

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Executor, PgPool, PgTransaction, Postgres};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::error::{breaks_connection, from_sqlx};
use crate::sql::Statement;

/// How often a statement that could not be serialised is tried again (F-07).
const RETRIES: u32 = 3;

/// Where statements go.
#[derive(Debug)]
pub(crate) enum Link {
    /// Each is a transaction of its own.
    Pool(PgPool),
    /// All are part of a transaction that the host began and ends; none when the host has it back.
    Carried(Mutex<Option<PgTransaction<'static>>>),
}

impl Link {
    /// Runs one statement within `patience`, its wait for a connection included.
    ///
    /// On the pool it is one message to the server and one transaction there, so that a drop of this future leaves
    /// it done or not done, and nothing open.
    pub(crate) async fn rows(
        &self,
        statement: &Statement<'_>,
        patience: Duration,
    ) -> Result<Vec<PgRow>, StoreError> {
        let answer = async {
            match self {
                Self::Pool(pool) => on_pool(pool, statement, patience).await,
                Self::Carried(transaction) => within(transaction, statement).await,
            }
        };
        tokio::time::timeout(patience, answer)
            .await
            .map_err(|_| StoreError::new(StoreErrorKind::Timeout))?
    }
}

async fn run(
    connection: &mut PgConnection,
    statement: &Statement<'_>,
) -> Result<Result<Vec<PgRow>, sqlx::Error>, StoreError> {
    Ok(match statement.as_text()? {
        Some(text) => connection.fetch_all(sqlx::raw_sql(text)).await,
        None => {
            let query = sqlx::query_with(statement.sql(), statement.arguments()?);
            query.fetch_all(connection).await
        }
    })
}

async fn within(
    transaction: &Mutex<Option<PgTransaction<'static>>>,
    statement: &Statement<'_>,
) -> Result<Vec<PgRow>, StoreError> {
    let mut transaction = transaction.lock().await;
    let Some(transaction) = transaction.as_mut() else {
        return Err(StoreErrorKind::Unavailable.into());
    };
    // Never tried again: a statement that failed has failed the whole transaction.
    run(transaction, statement).await?.map_err(from_sqlx)
}

async fn on_pool(
    pool: &PgPool,
    statement: &Statement<'_>,
    patience: Duration,
) -> Result<Vec<PgRow>, StoreError> {
    let mut retries = 0;
    loop {
        let mut loan = Loan {
            connection: Some(pool.acquire().await.map_err(from_sqlx)?),
            patience,
        };
        let answer = run(loan.connection()?, statement).await?;
        let broken = answer.as_ref().is_err_and(breaks_connection);
        loan.settle(broken);
        let error = match answer {
            Ok(rows) => return Ok(rows),
            Err(error) => from_sqlx(error),
        };
        let again = error.kind() == StoreErrorKind::Contended
            // What changes nothing may be asked again: the server was restarted, say, and the pool has not noticed.
            || (broken && statement.looks_up());
        if !again || retries == RETRIES {
            return Err(error);
        }
        retries += 1;
        if !broken {
            pause(retries).await;
        }
    }
}

/// Some milliseconds, more with each retry, and not the same for everybody who met at the same row.
#[expect(
    clippy::disallowed_methods,
    reason = "the pause before a retry is the one place where this crate waits for time to pass"
)]
async fn pause(retries: u32) {
    use std::hash::{BuildHasher, RandomState};
    let most = 2_000_u64 << retries;
    let jitter = RandomState::new().hash_one(retries) % most;
    tokio::time::sleep(Duration::from_micros(500 + jitter)).await;
}

/// A connection on loan from the pool.
struct Loan {
    connection: Option<PoolConnection<Postgres>>,
    patience: Duration,
}

impl Loan {
    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => Err(StoreErrorKind::Unavailable.into()),
        }
    }

    /// The statement was answered: the connection goes back, or away if it is of no use.
    ///
    /// On its way back sqlx asks the server once more, and would wait for that answer for as long as it takes: a link
    /// that dies just then would cost the pool a connection. So the way back has an end as well.
    fn settle(&mut self, broken: bool) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) if !broken => {
                let back = connection.return_to_pool();
                runtime.spawn(tokio::time::timeout(self.patience, back));
            }
            _ => drop(connection.detach()),
        }
    }
}

impl Drop for Loan {
    /// The call was dropped or ran out of time before the answer came.
    ///
    /// sqlx would wait for that answer for as long as it takes, and the pool would be short of a connection: for ever
    /// when the server's machine is gone. So it is waited for once more as long, and then given up.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            drop(connection.detach());
            return;
        };
        let patience = self.patience;
        runtime.spawn(async move {
            match tokio::time::timeout(patience, connection.ping()).await {
                Ok(Ok(())) => drop(connection),
                Ok(Err(_)) | Err(_) => drop(connection.detach()),
            }
        });
    }
}
