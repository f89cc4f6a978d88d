//! Writing logs.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use towpath_domain::Timestamp;

use super::mask::Masker;
use super::{Limits, Stream, file_in};
use crate::error::{Error, Result};

/// A longer line is written in parts.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// What all writers of one run share.
#[derive(Debug)]
pub(super) struct Shared {
    directory: PathBuf,
    limits: Limits,
    written: AtomicU64,
    growth: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(directory: PathBuf, written: u64, limits: Limits) -> Self {
        Self { directory, limits, written: AtomicU64::new(written), growth: watch::Sender::new(0) }
    }

    pub(super) fn growth(&self) -> watch::Receiver<u64> {
        self.growth.subscribe()
    }
}

/// A run's log, open for writing. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RunLog {
    shared: Arc<Shared>,
    masker: Arc<Masker>,
}

impl RunLog {
    pub(super) fn new(shared: Arc<Shared>, masker: Arc<Masker>) -> Self {
        Self { shared, masker }
    }

    /// The same log with another set of secrets, for steps that begin from now on.
    #[must_use]
    pub fn with_masker(&self, masker: Masker) -> Self {
        Self { shared: self.shared.clone(), masker: Arc::new(masker) }
    }

    /// Opens a step's part of the log. It is added to, never begun anew.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub fn step(&self, step: &str) -> Result<StepLog> {
        let path = file_in(&self.shared.directory, step);
        let file = open_at_line_start(&path).map_err(|error| Error::io("open", &path, &error))?;
        Ok(StepLog {
            shared: self.shared.clone(),
            masker: self.masker.clone(),
            path,
            file,
            partial: [Vec::new(), Vec::new(), Vec::new()],
            tail: Tail::default(),
            last_at: Timestamp::default(),
        })
    }
}

/// A step's part of a run's log, open for writing. What was said without a line's end is written by [`Self::finish`],
/// or when this is dropped.
#[derive(Debug)]
pub struct StepLog {
    shared: Arc<Shared>,
    masker: Arc<Masker>,
    path: PathBuf,
    file: File,
    /// The unfinished line of each stream: a secret may go on in the next chunk.
    partial: [Vec<u8>; 3],
    tail: Tail,
    last_at: Timestamp,
}

/// Lines beyond the limit: all are counted, the last ones kept.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: u64,
    full: bool,
}

impl StepLog {
    /// Takes in a chunk of what a stream said; a chunk may end anywhere. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// [`Error::Environment`]; then lines may be missing from the log, and the next chunk is tried again.
    pub fn push(&mut self, stream: Stream, at: Timestamp, chunk: &[u8]) -> Result<()> {
        self.last_at = at;
        let mut lines = Vec::new();
        let partial = &mut self.partial[slot(stream)];
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            partial.extend_from_slice(part);
            if partial.last() == Some(&b'\n') {
                partial.pop();
                lines.push(std::mem::take(partial));
            }
            while partial.len() > MAX_LINE_BYTES {
                let cut = self.masker.cut(partial);
                if cut == 0 {
                    break;
                }
                lines.push(partial.drain(..cut).collect());
            }
        }
        self.write(stream, at, lines)
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn line(&mut self, stream: Stream, at: Timestamp, text: &str) -> Result<()> {
        self.last_at = at;
        let lines = text.lines().map(|line| line.as_bytes().to_vec()).collect();
        self.write(stream, at, lines)
    }

    /// Writes what was said without a line's end, and the last of what did not fit.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self, at: Timestamp) -> Result<()> {
        self.flush(at)
    }

    fn flush(&mut self, at: Timestamp) -> Result<()> {
        for stream in [Stream::Out, Stream::Err, Stream::Towpath] {
            let rest = std::mem::take(&mut self.partial[slot(stream)]);
            if !rest.is_empty() {
                self.write(stream, at, vec![rest])?;
            }
        }
        let tail = std::mem::take(&mut self.tail);
        if tail.lines.is_empty() {
            self.tail.full = tail.full;
            return Ok(());
        }
        let mut text = String::new();
        if tail.dropped > 0 {
            text.push_str(&stored(at, Stream::Towpath, &format!("{} lines were left out here; the last ones follow.", tail.dropped)));
        }
        text.extend(tail.lines);
        self.tail.full = true;
        self.append(&text)
    }

    fn write(&mut self, stream: Stream, at: Timestamp, lines: Vec<Vec<u8>>) -> Result<()> {
        let mut text = String::new();
        for line in lines {
            let line = String::from_utf8_lossy(&line);
            let line = stored(at, stream, &self.masker.mask(line.trim_end_matches('\r')));
            if self.tail.full || !self.reserve(line.len()) {
                if !self.tail.full {
                    self.tail.full = true;
                    let limit = self.shared.limits.run_bytes;
                    let notice = format!("The run has said more than {limit} bytes; from here on, only the last lines of a step are kept.");
                    text.push_str(&stored(at, Stream::Towpath, &notice));
                }
                self.tail.push(line, self.shared.limits.tail_bytes);
            } else {
                text.push_str(&line);
            }
        }
        self.append(&text)
    }

    /// Takes room for so many bytes from the run's, if there is as much.
    fn reserve(&self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let limit = self.shared.limits.run_bytes;
        let take = |written: u64| written.checked_add(bytes).filter(|after| *after <= limit);
        self.shared.written.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn append(&mut self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.file.write_all(text.as_bytes()).map_err(|error| Error::io("write to", &self.path, &error))?;
        self.shared.growth.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }
}

impl Drop for StepLog {
    fn drop(&mut self) {
        // Without a clock, the moment of the last line is the best that is known.
        if let Err(error) = self.flush(self.last_at) {
            tracing::warn!(%error, "The last lines of a step's log were lost.");
        }
    }
}

impl Tail {
    fn push(&mut self, line: String, limit: usize) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.bytes > limit {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
    }
}

fn slot(stream: Stream) -> usize {
    match stream {
        Stream::Out => 0,
        Stream::Err => 1,
        Stream::Towpath => 2,
    }
}

/// A line as it is stored.
fn stored(at: Timestamp, stream: Stream, text: &str) -> String {
    format!("{} {} {text}\n", at.as_millis(), stream.as_str())
}

/// Opens for appending; ends a line that a crash cut off.
fn open_at_line_start(path: &Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let mut last = [0];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}
