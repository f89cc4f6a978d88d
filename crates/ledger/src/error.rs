//! What can go wrong with the ledger.
//!
//! [`Error`] is the one error type of this crate. Variants that a caller acts on (a refusal of the queue, a fenced
//! worker) are their own; what comes from the disk or the database driver is told in words, so that no caller comes
//! to depend on the driver.

use std::path::{Path, PathBuf};

use towpath_domain::{FailureClass, RunId};

use crate::EventId;

/// Why the ledger did not do what it was asked to. Whatever the error, nothing of the request was kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk or the file system did not play along: full, away, not permitted.
    #[error("could not {doing} {path}: {why}; nothing was kept of it: see to free space, permissions and the disk, then try again")]
    Environment {
        /// What was attempted, such as `write to`.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// What is stored makes no sense.
    #[error("{path} is damaged: {what}: {why}; stop Towpath, run `towpath ledger verify`, and restore the last good backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which row or part.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another process holds the ledger.
    #[error("{path} is in use by process {pid}; only one process may write to a ledger in SQLite: stop that one first")]
    InUse {
        /// The database file.
        path: PathBuf,
        /// The holder's process id, or words for it where that is not known.
        pid: String,
    },
    /// There is no ledger where one was expected.
    #[error("there is no ledger at {path}; name the state directory of a Towpath that has run, or start Towpath there once")]
    Missing {
        /// The database file.
        path: PathBuf,
    },
    /// A newer Towpath wrote this ledger.
    #[error("{path} has the format {found}, and this Towpath knows formats up to {known}; run the Towpath that wrote it, or a newer one")]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// An older Towpath wrote this ledger, and reading it does not change it.
    #[error(
        "{path} has the older format {found}; start Towpath on it once, which brings it up to date, or read it with the one that wrote it"
    )]
    TooOld {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// The file is a database, but not a ledger.
    #[error("{path} is a database of something else; name another state directory")]
    NotALedger {
        /// The database file.
        path: PathBuf,
    },
    /// Something is in the way of a backup or a restore.
    #[error("{path} is there already and was left as it is; {hint}")]
    Exists {
        /// The file.
        path: PathBuf,
        /// What to do about it.
        hint: &'static str,
    },
    /// A backup does not add up, so it was not put in place.
    #[error("{path} does not pass verification and was not restored: {first}{}; take another backup", more(*.differences))]
    BadBackup {
        /// The backup.
        path: PathBuf,
        /// The first difference.
        first: String,
        /// How many there are.
        differences: usize,
    },
    /// The ledger was opened for reading only.
    #[error("the ledger was opened for reading only and cannot be written to; ask the running Towpath instead")]
    ReadOnly,
    /// The ledger was closed while this was asked for.
    #[error("the ledger was closed while this was being done; start Towpath again")]
    Closed,
    /// The run was decided on before.
    #[error("run {run} is in the queue already (event {event}): the same decision was recorded before, so there is nothing to do")]
    AlreadyQueued {
        /// The run.
        run: RunId,
        /// The event that queued it.
        event: EventId,
    },
    /// An event speaks of a run that was never queued.
    #[error("there is no run {run}; `towpath runs` lists those that there are")]
    UnknownRun {
        /// The run.
        run: RunId,
    },
    /// An event speaks of a run that has ended.
    #[error("run {run} has ended (event {event}), and nothing can be added to it")]
    RunOver {
        /// The run.
        run: RunId,
        /// The event that ended it.
        event: EventId,
    },
    /// Another worker has taken the run over: this one must let go of it without touching anything more.
    #[error("run {run} is no longer held at epoch {epoch} (now {current}): another worker has taken it over, so this one must let go")]
    Fenced {
        /// The run.
        run: RunId,
        /// The epoch that the caller holds.
        epoch: u64,
        /// The epoch that counts.
        current: u64,
    },
    /// A run was to be withdrawn from the queue, but a worker has taken it up.
    #[error("run {run} is no longer waiting in the queue, so it was not withdrawn; ask for it to be cancelled instead")]
    NotQueued {
        /// The run.
        run: RunId,
    },
    /// A cause or a reference names an event that there is not.
    #[error("there is no event {id}")]
    UnknownEvent {
        /// The event.
        id: EventId,
    },
    /// A sink was named that nobody registered.
    #[error("there is no sink named {name:?} in the ledger; it appears when Towpath starts with that sink configured")]
    UnknownSink {
        /// Its name.
        name: String,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whose fault it is: what the environment did can be tried again.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Environment { .. } | Self::InUse { .. } | Self::Closed => FailureClass::Environment,
            _ => FailureClass::Unknown,
        }
    }

    /// The ledger said no, in good order; nothing is wrong with the connection.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(self, Self::Environment { .. } | Self::Damaged { .. } | Self::Closed)
    }

    pub(crate) fn io(doing: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::Environment { doing, path: path.to_path_buf(), why: error.to_string() }
    }

    /// A driver's error, told in words.
    pub(crate) fn database(doing: &'static str, path: &Path, error: &sqlx::Error) -> Self {
        // Primary result codes of SQLite: the low byte of the extended code.
        const CORRUPT: i64 = 11;
        const NOT_A_DATABASE: i64 = 26;
        let damaged = |why: String| Self::Damaged { path: path.to_path_buf(), what: format!("could not {doing} it"), why };
        match error {
            sqlx::Error::Database(inner) => match inner.code().and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff) {
                Some(CORRUPT | NOT_A_DATABASE) => damaged(inner.message().to_owned()),
                _ => Self::Environment { doing, path: path.to_path_buf(), why: inner.message().to_owned() },
            },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => damaged(error.to_string()),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            other => Self::Environment { doing, path: path.to_path_buf(), why: other.to_string() },
        }
    }
}

fn more(differences: usize) -> String {
    if differences > 1 { format!(" (and {} more)", differences - 1) } else { String::new() }
}
