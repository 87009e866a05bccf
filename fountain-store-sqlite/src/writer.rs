//! The one writer: a task that owns the only connection that changes anything.
//!
//! Why one: SQLite has one writer at a time anyway, and a queue in front of it is fair where its lock is not.
//! Why a task: the caller's future may be dropped at any await. Here that drops an answer, never a transaction
//! . Steps that wait together are committed together, each behind a savepoint of its own, so that one
//! sync of the disk serves all of them; nobody is answered before that commit.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{mpsc, oneshot};

use crate::error::from_sqlx;
use crate::sql::{execute, query};

/// A step on the connection, boxed.
pub(crate) type StepFuture<'c, T> =
    Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

type RunFuture<'c> = Pin<Box<dyn Future<Output = Result<(), StoreErrorKind>> + Send + 'c>>;

/// How many steps wait for the writer before callers wait for room.
const QUEUE: usize = 1024;
/// How many steps one commit carries: enough to share a sync, few enough that none of them waits long.
const BATCH: usize = 64;

/// The way to the writer.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    patience: Duration,
}

enum Message {
    Step(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the writer on `connection`; `options` open the next one when that breaks.
    pub(crate) fn start(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        patience: Duration,
    ) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        tokio::spawn(serve(messages, Some(connection), Arc::new(options)));
        Self { queue, patience }
    }

    /// Carries out a step, whole or not at all, and answers after its commit.
    ///
    /// A step whose caller has gone before its turn is left out.
    pub(crate) async fn step<T, F>(&self, step: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> StepFuture<'c, T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending {
            step: Some(step),
            result: None,
            reply,
        });
        let answered = async {
            self.queue
                .send(Message::Step(job))
                .await
                .map_err(|_| StoreError::new(StoreErrorKind::Unavailable))?;
            answer
                .await
                .map_err(|_| StoreError::new(StoreErrorKind::Unavailable))?
        };
        tokio::time::timeout(self.patience, answered)
            .await
            .map_err(|_| StoreError::new(StoreErrorKind::Timeout))?
    }

    /// Carries out what waits, then closes the connection. Steps that come later are refused.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error means that the writer has gone, which is what was asked for.
            let _gone = closed.await;
        }
    }
}

/// A step whose type is forgotten.
trait Job: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Carries the step out and keeps its result; gives why it failed, if it did.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> RunFuture<'c>;
    /// Answers: with the step's result, or with `failure` when the commit that it was part of failed.
    fn answer(self: Box<Self>, failure: Option<&Arc<StoreError>>);
}

struct Pending<T, F> {
    step: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Pending<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> StepFuture<'c, T> + Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> RunFuture<'c> {
        Box::pin(async move {
            let Some(step) = self.step.take() else {
                return Ok(());
            };
            let result = self.result.insert(step(connection).await);
            result.as_ref().map(drop).map_err(StoreError::kind)
        })
    }

    fn answer(self: Box<Self>, failure: Option<&Arc<StoreError>>) {
        let result = match (self.result, failure) {
            // What the step itself ran into says more than what became of the others.
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(StoreError::with_source(failure.kind(), Arc::clone(failure))),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(StoreErrorKind::Unavailable.into()),
        };
        // The caller may have gone; its change stands all the same.
        let _unheard = self.reply.send(result);
    }
}

async fn serve(
    mut messages: mpsc::Receiver<Message>,
    mut connection: Option<SqliteConnection>,
    options: Arc<SqliteConnectOptions>,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    let mut closers = Vec::new();
    while messages.recv_many(&mut waiting, BATCH).await > 0 {
        let mut jobs = Vec::with_capacity(waiting.len());
        for message in waiting.drain(..) {
            match message {
                Message::Step(job) if job.is_abandoned() => {}
                Message::Step(job) => jobs.push(job),
                Message::Close(done) => {
                    closers.push(done);
                    messages.close();
                }
            }
        }
        if !jobs.is_empty() {
            // A task of its own: should a driver ever panic, this one step is lost and the writer is not.
            let batch = tokio::spawn(carry_out(connection.take(), Arc::clone(&options), jobs));
            connection = batch.await.unwrap_or_default();
        }
    }
    if let Some(connection) = connection
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "the SQLite writer did not close cleanly");
    }
    for done in closers {
        let _unheard = done.send(());
    }
}

/// Carries `jobs` out and answers them; gives back the connection, unless its state is in doubt.
///
/// A connection that is given up rolls its transaction back as it closes; the next batch opens another.
async fn carry_out(
    connection: Option<SqliteConnection>,
    options: Arc<SqliteConnectOptions>,
    mut jobs: Vec<Box<dyn Job>>,
) -> Option<SqliteConnection> {
    let opened = match connection {
        Some(connection) => Ok(connection),
        None => options.connect().await.map_err(from_sqlx),
    };
    let (connection, failure) = match opened {
        Ok(mut connection) => match commit(&mut connection, &mut jobs).await {
            Ok(()) => (Some(connection), None),
            Err(Failed::Locked(error)) => (Some(connection), Some(error)),
            Err(Failed::InDoubt(error)) => (None, Some(error)),
        },
        Err(error) => (None, Some(error)),
    };
    let failure = failure.map(Arc::new);
    for job in jobs {
        job.answer(failure.as_ref());
    }
    connection
}

enum Failed {
    /// Somebody else holds the write lock: nothing was begun.
    Locked(StoreError),
    /// Something else, after which a transaction may be open.
    InDoubt(StoreError),
}

/// One transaction for all `jobs`, each behind a savepoint.
async fn commit(
    connection: &mut SqliteConnection,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), Failed> {
    // IMMEDIATE: the write lock is had before anything is read, so that what a step reads is what it changes.
    execute(connection, query("BEGIN IMMEDIATE; SAVEPOINT step"))
        .await
        .map_err(|error| match error.kind() {
            StoreErrorKind::Timeout => Failed::Locked(error),
            _ => Failed::InDoubt(error),
        })?;
    let mut between = None;
    for job in jobs {
        if let Some(sql) = between.replace("RELEASE step; SAVEPOINT step") {
            execute(connection, query(sql))
                .await
                .map_err(Failed::InDoubt)?;
        }
        if let Err(kind) = job.run(connection).await {
            // Fails when SQLite rolled the whole transaction back by itself (disk full, I/O error): then the
            // others are lost as well, for that reason.
            execute(connection, query("ROLLBACK TO step"))
                .await
                .map_err(|error| Failed::InDoubt(StoreError::with_source(kind, error)))?;
        }
    }
    execute(connection, query("COMMIT"))
        .await
        .map(drop)
        .map_err(Failed::InDoubt)
}
