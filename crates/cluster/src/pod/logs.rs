//! A container's log: pieces of bounded size, each named by the offset of its first byte, so that offsets outlive rotation.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::files;

/// How many pieces are kept.
const SEGMENTS_KEPT: usize = 2;
/// How much one read brings at most.
const READ_MAX: usize = 64 * 1024;
/// How far back a tail looks: long lines must not make a message of megabytes.
const TAIL_BYTES_MAX: u64 = 32 * 1024;

struct Segment {
    start: u64,
    path: PathBuf,
    len: u64,
}

/// The pieces that are there, oldest first.
fn segments(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for (name, path) in files::entries(dir)? {
        if let Some(start) = name.strip_suffix(".log").and_then(|start| start.parse().ok()) {
            // A piece that was rotated away meanwhile is passed over.
            if let Ok(metadata) = fs::metadata(&path) {
                found.push(Segment { start, len: metadata.len(), path });
            }
        }
    }
    found.sort_by_key(|segment| segment.start);
    Ok(found)
}

/// Appends to a log.
pub(crate) struct LogWriter {
    dir: PathBuf,
    file: fs::File,
    start: u64,
    len: u64,
    len_max: u64,
}

impl LogWriter {
    /// Goes on where the log in `dir` ends.
    pub(crate) fn open(dir: &Path, len_max: u64) -> io::Result<Self> {
        files::make_private_dir(dir)?;
        let start = segments(dir)?.last().map_or(0, |last| last.start);
        let file = open_segment(dir, start)?;
        let len = file.metadata()?.len();
        Ok(Self { dir: dir.to_owned(), file, start, len, len_max: len_max.max(1) })
    }

    /// Appends `bytes`; begins a new piece whenever one is full.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            if self.len >= self.len_max {
                self.rotate()?;
            }
            let room = usize::try_from(self.len_max - self.len).unwrap_or(usize::MAX);
            let (now, later) = left.split_at(room.min(left.len()));
            self.file.write_all(now)?;
            self.len += now.len() as u64;
            left = later;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let start = self.start + self.len;
        self.file = open_segment(&self.dir, start)?;
        (self.start, self.len) = (start, 0);
        let all = segments(&self.dir)?;
        for old in all.iter().rev().skip(SEGMENTS_KEPT) {
            fs::remove_file(&old.path)?;
        }
        Ok(())
    }
}

fn open_segment(dir: &Path, start: u64) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join(format!("{start:020}.log")))
}

/// Some bytes from offset `from` on, with the offset they really begin at. Empty at the end.
pub(crate) fn read_from(dir: &Path, from: u64) -> io::Result<(u64, Vec<u8>)> {
    for segment in segments(dir)? {
        if from >= segment.start + segment.len {
            continue;
        }
        let at = from.max(segment.start);
        let mut file = fs::File::open(&segment.path)?;
        file.seek(SeekFrom::Start(at - segment.start))?;
        let mut bytes = Vec::new();
        file.take(READ_MAX as u64).read_to_end(&mut bytes)?;
        return Ok((at, bytes));
    }
    Ok((from, Vec::new()))
}

/// The last lines, at most `lines` of them.
pub(crate) fn tail(dir: &Path, lines: usize) -> Vec<String> {
    let Ok(all) = segments(dir) else { return Vec::new() };
    let end = all.last().map_or(0, |last| last.start + last.len);
    let mut at = end.saturating_sub(TAIL_BYTES_MAX);
    let mut bytes = Vec::new();
    while let Ok((start, more)) = read_from(dir, at)
        && !more.is_empty()
    {
        at = start + more.len() as u64;
        bytes.extend(more);
    }
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all.iter().skip(all.len().saturating_sub(lines)).map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_rotated_and_its_offsets_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), 14).unwrap();
        let all: String = (0..10).map(|at| format!("line {at}\n")).collect();
        let (first, rest) = all.split_at(30);
        writer.append(first.as_bytes()).unwrap();
        writer.append(rest.as_bytes()).unwrap();
        drop(writer);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert_eq!(read_from(dir.path(), 0).unwrap(), (42, b"line 6\nline 7\n".to_vec()));
        assert_eq!(read_from(dir.path(), 63).unwrap(), (63, b"line 9\n".to_vec()));
        assert_eq!(read_from(dir.path(), 70).unwrap(), (70, Vec::new()));
        assert_eq!(tail(dir.path(), 3), ["line 7", "line 8", "line 9"]);
        let mut writer = LogWriter::open(dir.path(), 14).unwrap();
        writer.append(b"more").unwrap();
        assert_eq!(read_from(dir.path(), 70).unwrap(), (70, b"more".to_vec()));
    }

    #[test]
    fn an_absent_log_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_from(&dir.path().join("x"), 5).unwrap(), (5, Vec::new()));
        assert!(tail(&dir.path().join("x"), 5).is_empty());
    }
}
