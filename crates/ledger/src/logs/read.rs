//! Reading logs: a part, what is new, what matches.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use towpath_domain::{RunId, Timestamp};

use super::write::MAX_LINE_BYTES;
use super::{Line, Logs, Stream};
use crate::error::{Error, Result};

/// The most bytes read at once, but for a line that is longer.
const MAX_READ_BYTES: u64 = 1024 * 1024;
const MIN_READ_BYTES: u64 = 4 * MAX_LINE_BYTES as u64;

/// The longest line that is read: pods say longer ones than programs may, and a run may say no more than this in all.
const LONGEST_LINE_BYTES: u64 = 32 * 1024 * 1024;

/// How often a log is looked at that another process may write to.
const POLL: Duration = Duration::from_millis(500);

/// A part of a step's log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Chunk {
    /// Whole lines.
    pub lines: Vec<Line>,
    /// Where to read on, in bytes.
    pub next: u64,
    /// There is nothing after them at this moment.
    pub end: bool,
}

/// A line that matches.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// The step.
    pub step: String,
    /// Its number in the step's log, from 1.
    pub number: u64,
    /// The line.
    pub line: Line,
}

impl Logs {
    /// Reads whole lines of a step's log from an offset in bytes on, about `limit` bytes of them. A log that is not there
    /// reads as empty.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub fn read(&self, run: &RunId, step: &str, from: u64, limit: u64) -> Result<Chunk> {
        let path = self.file_of(run, step);
        let failed = |error: std::io::Error| Error::io("read", &path, &error);
        let Some(mut file) = open(&path)? else { return Ok(Chunk { lines: Vec::new(), next: from, end: true }) };
        let length = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(from)).map_err(failed)?;
        let mut bytes = Vec::new();
        (&mut file).take(limit.clamp(MIN_READ_BYTES, MAX_READ_BYTES)).read_to_end(&mut bytes).map_err(failed)?;
        if !bytes.contains(&b'\n') {
            // Each read gets on, whatever the line's length.
            BufReader::new(file.take(LONGEST_LINE_BYTES)).read_until(b'\n', &mut bytes).map_err(failed)?;
        }
        let mut lines = Vec::new();
        let mut next = from;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // The last one may still be under way.
            let Some(line_text) = line.strip_suffix(b"\n") else { break };
            next += u64::try_from(line.len()).unwrap_or(0);
            lines.push(parse(line_text));
            if next - from >= limit {
                break;
            }
        }
        Ok(Chunk { lines, next, end: next >= length })
    }

    /// The last lines of a step's log, at most `count`.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub fn tail(&self, run: &RunId, step: &str, count: usize) -> Result<Vec<Line>> {
        let path = self.file_of(run, step);
        let Some(file) = open(&path)? else { return Ok(Vec::new()) };
        let length = file.metadata().map_err(|error| Error::io("read", &path, &error))?.len();
        let from = length.saturating_sub(MAX_READ_BYTES);
        let mut lines = self.read(run, step, from, MAX_READ_BYTES)?.lines;
        if from > 0 && !lines.is_empty() {
            // Begun in the middle.
            lines.remove(0);
        }
        Ok(lines.split_off(lines.len().saturating_sub(count)))
    }

    /// Follows a step's log from an offset on.
    #[must_use]
    pub fn follow(&self, run: &RunId, step: &str, from: u64) -> Follow {
        Follow { logs: self.clone(), run: run.clone(), step: step.to_owned(), next: from }
    }

    /// Lines of a run with this text in them, in any case, step by step; at most `limit`.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub fn search(&self, run: &RunId, text: &str, limit: usize) -> Result<Vec<Found>> {
        let wanted = text.to_lowercase();
        let mut found = Vec::new();
        for step in self.steps(run)? {
            let path = self.file_of(run, &step);
            let Some(file) = open(&path)? else { continue };
            for (number, line) in (1..).zip(BufReader::new(file).split(b'\n')) {
                let line = parse(&line.map_err(|error| Error::io("read", &path, &error))?);
                if line.text.to_lowercase().contains(&wanted) {
                    found.push(Found { step: step.clone(), number, line });
                    if found.len() >= limit {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// A step's log as it grows.
#[derive(Debug)]
pub struct Follow {
    logs: Logs,
    run: RunId,
    step: String,
    next: u64,
}

impl Follow {
    /// Waits for lines that were not read yet. Does not know when the run is over: whoever follows it listens to the ledger
    /// for that, and drops this; nothing is lost when it is dropped while waiting.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub async fn next(&mut self) -> Result<Chunk> {
        loop {
            // Before looking, so that nothing slips through between looking and waiting.
            let growth = self.logs.growth(&self.run);
            let chunk = self.logs.read(&self.run, &self.step, self.next, MIN_READ_BYTES)?;
            if chunk.next > self.next {
                self.next = chunk.next;
                return Ok(chunk);
            }
            match growth {
                Some(mut growth) => {
                    // An error means that the writer is gone; the next look sees what it left.
                    let _ = tokio::time::timeout(POLL, growth.changed()).await;
                }
                None => tokio::time::sleep(POLL).await,
            }
        }
    }
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("open", path, &error)),
    }
}

/// A stored line. One that a crash cut off is shown as it is.
fn parse(bytes: &[u8]) -> Line {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, ' ');
    let at = parts.next().and_then(|ms| ms.parse().ok()).map(Timestamp::from_millis);
    let stream = parts.next().and_then(Stream::parse);
    match (at, stream, parts.next()) {
        (Some(at), Some(stream), Some(text)) => Line { at: Some(at), stream, text: text.to_owned() },
        _ => Line { at: None, stream: Stream::Towpath, text: text.into_owned() },
    }
}
