//! The file itself: who may read it, and how it is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fountain_core::{StoreError, StoreErrorKind};
use sqlx::sqlite::SqliteConnection;

use crate::error::from_io;
use crate::sql::{Fields, execute, query, row};

/// The size of a page of a file that this crate makes: SQLite's default.
pub(crate) const PAGE_BYTES: u32 = 4_096;

/// Makes the file, readable and writable by its owner only, unless it is there.
pub(crate) async fn prepare(path: PathBuf) -> Result<(), StoreError> {
    tokio::task::spawn_blocking(move || create(&path))
        .await
        .map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))?
        .map_err(from_io)
}

/// Closing a descriptor of a database file drops every lock that this process has on it (POSIX), so
/// nobody else in this process may have opened the file between its making and that closing.
static CREATING: Mutex<()> = Mutex::new(());

fn create(path: &Path) -> std::io::Result<()> {
    let _one_at_a_time = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(made) => drop(made),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            warn_if_open_to_others(path);
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    // So that a power cut does not take the file's name away. A folder that may be written but not read cannot
    // be synced by this; SQLite's own sync of it then has to do.
    #[cfg(unix)]
    if let Some(Ok(folder)) = path.parent().map(fs::File::open) {
        folder.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn warn_if_open_to_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if let Ok(metadata) = fs::metadata(path)
        && metadata.permissions().mode() & 0o077 != 0
    {
        tracing::warn!(
            path = %path.display(),
            "the database file can be read or written by others than its owner; make it mode 0600"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_others(_path: &Path) {}

/// Puts the file into WAL mode, for good, unless it is.
///
/// SQLite does not wait for the lock here: it answers busy at once while another process changes the mode or
/// writes. Taking the write lock in between is the wait.
pub(crate) async fn use_write_ahead_log(
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    const ATTEMPTS: usize = 32;
    let mut refused = None;
    for _ in 0..ATTEMPTS {
        match switch(connection).await {
            Ok(true) => return Ok(()),
            // A file system that cannot share memory between processes keeps its old mode.
            Ok(false) => return Err(StoreErrorKind::Unavailable.into()),
            Err(error) if error.kind() == StoreErrorKind::Timeout => refused = Some(error),
            Err(error) => return Err(error),
        }
        execute(connection, query("BEGIN IMMEDIATE")).await?;
        execute(connection, query("ROLLBACK")).await?;
    }
    Err(refused.unwrap_or_else(|| StoreErrorKind::Timeout.into()))
}

async fn switch(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let Some(row) = row(connection, query("PRAGMA journal_mode = WAL")).await? else {
        return Ok(false);
    };
    let fields = Fields {
        row: &row,
        table: "journal_mode",
    };
    Ok(fields.value::<&str>("journal_mode")? == "wal")
}
