//! The database: where it lies, how it is opened, what a row holds. Nothing outside this crate knows that there is one.

pub(crate) mod lock;
pub(crate) mod migrate;
pub(crate) mod rows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use crate::error::{Error, Result};

/// The ledger's file in a state directory.
const FILE_NAME: &str = "ledger.db";

/// How long a statement waits for another connection's lock. Only a checkpoint or a backup ever holds one for long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that read. SQLite reads are short and mostly from memory; more would only cost file handles.
const READERS: u32 = 4;

/// The database file that `path` names: itself when it ends in `.db`, else `ledger.db` in that directory.
pub(crate) fn file_of(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|extension| extension == "db") { path.to_path_buf() } else { path.join(FILE_NAME) }
}

/// The connection that writes, to a database that is made when there is none.
///
/// `synchronous=FULL` because a decision that was recorded must survive a power cut: what is done outside follows it.
pub(crate) async fn writer(file: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging();
    SqliteConnection::connect_with(&options).await.map_err(|error| Error::database("open", file, &error))
}

/// Connections that only read.
pub(crate) async fn readers(file: &Path) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging();
    SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await.map_err(|error| Error::database("open", file, &error))
}
