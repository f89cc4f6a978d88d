//! Logs of runs: what their steps said, line by line, in files beside the database.
//!
//! `<directory>/<run>/<step>.log`, each line `<ms since 1970> <stream> <text>`. Secrets are masked before anything is
//! written. Logs are for people: nothing is decided on them, and losing the last lines in a power cut is no harm, so
//! they are not flushed to the platter like events are. Reports of tests lie beside them: see [`Kept`].

mod mask;
mod read;
mod reports;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;
use towpath_domain::{RunId, Timestamp};

use crate::error::{Error, Result};

pub use mask::Masker;
pub use read::{Chunk, Follow, Found};
pub use reports::{Kept, REPORT_BYTES_MAX};
pub use write::{RunLog, StepLog};

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// The work's standard output.
    Out,
    /// The work's standard error.
    Err,
    /// Towpath, about the work.
    Towpath,
}

impl Stream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Err => "err",
            Self::Towpath => "towpath",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Out, Self::Err, Self::Towpath].into_iter().find(|stream| stream.as_str() == text)
    }
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// When it was said; none in a line that was cut off by a crash.
    pub at: Option<Timestamp>,
    /// By whom.
    pub stream: Stream,
    /// What.
    pub text: String,
}

/// How much is kept, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one run: after that, lines are counted and dropped, but for the last ones.
    pub run_bytes: u64,
    /// Of what comes after that, the last bytes, written when the step ends: a failure is told at the end.
    pub tail_bytes: usize,
    /// Of the reports of one run's tests, packed: what comes after that is not kept.
    pub run_report_bytes: u64,
    /// Of the reports of all runs, packed: after that, the oldest go.
    pub report_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { run_bytes: 16 << 20, tail_bytes: 64 << 10, run_report_bytes: 64 << 20, report_bytes: 4 << 30 }
    }
}

/// The logs of all runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    limits: Limits,
    /// Runs that are written to in this process, to wake those who follow them.
    open: Mutex<HashMap<RunId, Weak<write::Shared>>>,
    /// What the reports of all runs take; none before they were looked at.
    reports: Mutex<Option<u64>>,
}

impl Logs {
    /// The logs below a directory, which is made when the first line is written.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, limits: Limits) -> Self {
        Self { inner: Arc::new(Inner { directory: directory.into(), limits, open: Mutex::default(), reports: Mutex::default() }) }
    }

    /// Opens a run's log for writing. A run that is resumed goes on where its log ends.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub fn run(&self, run: &RunId, masker: Masker) -> Result<RunLog> {
        let directory = self.directory_of(run);
        std::fs::create_dir_all(&directory).map_err(|error| Error::io("make", &directory, &error))?;
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, shared| shared.strong_count() > 0);
        let shared = match open.get(run).and_then(Weak::upgrade) {
            Some(shared) => shared,
            None => {
                let shared = Arc::new(write::Shared::new(directory.clone(), written_in(&directory)?, self.inner.limits));
                open.insert(run.clone(), Arc::downgrade(&shared));
                shared
            }
        };
        Ok(RunLog::new(shared, Arc::new(masker)))
    }

    /// The steps of a run that said something, by name.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub fn steps(&self, run: &RunId) -> Result<Vec<String>> {
        let directory = self.directory_of(run);
        let mut steps = Vec::new();
        for entry in files_in(&directory)? {
            if let Some(step) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".log")).and_then(decode) {
                steps.push(step);
            }
        }
        steps.sort();
        Ok(steps)
    }

    /// Removes all that a run said. Nothing there is fine.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub fn remove(&self, run: &RunId) -> Result<()> {
        let directory = self.directory_of(run);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &directory, &error)),
            _ => Ok(()),
        }
    }

    fn directory_of(&self, run: &RunId) -> PathBuf {
        self.inner.directory.join(encode(run.as_str()))
    }

    fn file_of(&self, run: &RunId, step: &str) -> PathBuf {
        file_in(&self.directory_of(run), step)
    }

    /// Wakes when the run's log grows; `None` when nobody in this process writes to it.
    fn growth(&self, run: &RunId) -> Option<watch::Receiver<u64>> {
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(run).and_then(Weak::upgrade).map(|shared| shared.growth())
    }
}

fn file_in(directory: &Path, step: &str) -> PathBuf {
    directory.join(format!("{}.log", encode(step)))
}

/// Bytes of a run's log.
fn written_in(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in files_in(directory)? {
        let meta = entry.metadata().map_err(|error| Error::io("read", &entry.path(), &error))?;
        bytes += if meta.is_file() { meta.len() } else { 0 };
    }
    Ok(bytes)
}

fn files_in(directory: &Path) -> Result<Vec<std::fs::DirEntry>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.collect::<std::io::Result<_>>().map_err(|error| Error::io("read", directory, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", directory, &error)),
    }
}

/// A name as a file name: letters, digits, `-`, `_` and inner dots stay, other bytes become `%` and two hex digits. So no
/// name leaves its directory, hides, or meets another one.
fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

fn decode(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
