//! Reports of tests, kept as they came beside what the run said: `<directory>/<run>/reports/<sha256>.gz`.
//!
//! A report's name is the hash of what it holds, so one that is found again, in another place or by the next worker, is kept once. It is on the
//! platter before anything speaks of it. Reports go with their run's log; when all of them together take more than they may, those of the runs
//! that were written longest ago go first.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::SystemTime;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use towpath_domain::{Digest, RunId};

use super::{Logs, files_in};
use crate::error::{Error, Result};

/// The largest report that is kept, in bytes before packing.
pub const REPORT_BYTES_MAX: usize = 64 << 20;

/// The folder of a run's reports, in that of its log.
const FOLDER: &str = "reports";

/// What became of a report that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is kept; read it by this hash.
    As(Digest),
    /// It is not: it is larger than a report may be.
    TooLarge,
    /// It is not: the run's reports take all the room that one run has.
    NoRoom,
}

impl Logs {
    /// Keeps a report of a run. One that is there already is not written again. Takes a while for a large one.
    ///
    /// # Errors
    /// [`Error::Environment`].
    pub fn keep_report(&self, run: &RunId, content: &[u8]) -> Result<Kept> {
        if content.len() > REPORT_BYTES_MAX {
            return Ok(Kept::TooLarge);
        }
        let hash = Digest::from_bytes(Sha256::digest(content).into());
        let folder = self.reports_of(run);
        let path = folder.join(file_name(hash));
        if path.exists() {
            return Ok(Kept::As(hash));
        }
        let packed = packed(content).map_err(|error| Error::io("pack", &path, &error))?;
        let size = packed.len() as u64;
        // One at a time, so that the sums are true.
        let mut total = self.inner.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if size_of(&folder)?.saturating_add(size) > self.inner.limits.run_report_bytes {
            return Ok(Kept::NoRoom);
        }
        write_whole(&folder, &path, &packed)?;
        let known = match *total {
            Some(known) => known.saturating_add(size),
            None => self.folders()?.values().map(|folder| folder.bytes).sum(),
        };
        *total = Some(if known > self.inner.limits.report_bytes { self.make_room(run)? } else { known });
        Ok(Kept::As(hash))
    }

    /// Whether reports of a run are kept.
    #[must_use]
    pub fn has_reports(&self, run: &RunId) -> bool {
        std::fs::read_dir(self.reports_of(run)).is_ok_and(|mut files| files.next().is_some())
    }

    /// A report of a run, byte for byte; none when it is not there, or no longer.
    ///
    /// # Errors
    /// [`Error::Environment`], also when what is there is not what was kept.
    pub fn report(&self, run: &RunId, hash: Digest) -> Result<Option<Vec<u8>>> {
        let path = self.reports_of(run).join(file_name(hash));
        let failed = |error: std::io::Error| Error::io("read", &path, &error);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut content = Vec::new();
        GzDecoder::new(file).take(REPORT_BYTES_MAX as u64 + 1).read_to_end(&mut content).map_err(failed)?;
        if Digest::from_bytes(Sha256::digest(&content).into()) != hash {
            return Err(failed(std::io::Error::other("it is not what was kept here")));
        }
        Ok(Some(content))
    }

    fn reports_of(&self, run: &RunId) -> PathBuf {
        self.directory_of(run).join(FOLDER)
    }

    /// Removes reports of the runs that were written longest ago, but not of this one, until a tenth of the room is free. Hands back what is taken.
    fn make_room(&self, but: &RunId) -> Result<u64> {
        let enough = self.inner.limits.report_bytes / 10 * 9;
        let folders = self.folders()?;
        let mut left: u64 = folders.values().map(|folder| folder.bytes).sum();
        let own = self.reports_of(but);
        let mut oldest: Vec<_> = folders.into_iter().filter(|(path, _)| *path != own).collect();
        oldest.sort_by_key(|(_, folder)| folder.written);
        for (path, folder) in oldest {
            if left <= enough {
                break;
            }
            std::fs::remove_dir_all(&path).map_err(|error| Error::io("remove", &path, &error))?;
            left = left.saturating_sub(folder.bytes);
            tracing::info!(path = %path.display(), "The reports of an old run were removed to make room.");
        }
        Ok(left)
    }

    /// All folders of reports.
    fn folders(&self) -> Result<BTreeMap<PathBuf, Folder>> {
        let mut all = BTreeMap::new();
        for run in files_in(&self.inner.directory)? {
            let path = run.path().join(FOLDER);
            let Ok(meta) = std::fs::metadata(&path) else { continue };
            let written = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let bytes = size_of(&path)?;
            all.insert(path, Folder { bytes, written });
        }
        Ok(all)
    }
}

struct Folder {
    bytes: u64,
    written: SystemTime,
}

fn file_name(hash: Digest) -> String {
    format!("{}.gz", hash.hex())
}

fn packed(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(content.len() / 8), Compression::fast());
    gzip.write_all(content)?;
    gzip.finish()
}

fn size_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in files_in(folder)? {
        bytes += file.metadata().map_err(|error| Error::io("read", &file.path(), &error))?.len();
    }
    Ok(bytes)
}

/// Writes a file such that it is there whole or not at all, whatever happens meanwhile.
fn write_whole(folder: &Path, path: &Path, content: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("write to", path, &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    // What was cut short has this name, and is written anew.
    let half = folder.join("half");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&half).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&half, path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    fn run(name: &str) -> RunId {
        RunId::new(name).unwrap()
    }

    fn hash(kept: Kept) -> Digest {
        match kept {
            Kept::As(hash) => hash,
            other => panic!("{other:?}"),
        }
    }

    /// What gzip cannot make smaller.
    fn noise(seed: u64, bytes: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let step = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..bytes).map(step).collect()
    }

    #[test]
    fn a_report_is_kept_once_byte_for_byte_and_goes_with_its_runs_log() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path(), Limits::default());
        let xml = b"<testsuite name=\"\xff\"/>".repeat(1000);
        let kept = hash(logs.keep_report(&run("r1"), &xml).unwrap());
        // The next worker of the same run, in a process of its own.
        let again = Logs::new(folder.path(), Limits::default());
        assert_eq!(hash(again.keep_report(&run("r1"), &xml).unwrap()), kept);
        assert_eq!(files_in(&logs.reports_of(&run("r1"))).unwrap().len(), 1);
        assert!(size_of(&logs.reports_of(&run("r1"))).unwrap() < 1000, "it is packed");
        assert_eq!(logs.report(&run("r1"), kept).unwrap().as_deref(), Some(xml.as_slice()));
        assert_eq!(logs.report(&run("r2"), kept).unwrap(), None, "another run has not got it");
        assert!(logs.steps(&run("r1")).unwrap().is_empty(), "it is no step's log");
        logs.remove(&run("r1")).unwrap();
        assert_eq!(logs.report(&run("r1"), kept).unwrap(), None);
    }

    #[test]
    fn what_is_too_much_for_a_run_is_said_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path(), Limits { run_report_bytes: 3000, ..Limits::default() });
        let first = logs.keep_report(&run("r1"), &noise(1, 2000)).unwrap();
        assert_eq!(logs.keep_report(&run("r1"), &noise(2, 2000)).unwrap(), Kept::NoRoom);
        assert_eq!(logs.keep_report(&run("r1"), &noise(1, 2000)).unwrap(), first, "what is there is there");
        hash(logs.keep_report(&run("r2"), &noise(2, 2000)).unwrap());
        assert_eq!(logs.keep_report(&run("r1"), &vec![0; REPORT_BYTES_MAX + 1]).unwrap(), Kept::TooLarge);
    }

    #[test]
    fn the_oldest_runs_reports_make_room_for_new_ones_and_their_logs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path(), Limits { report_bytes: 10_000, ..Limits::default() });
        let mut kept = Vec::new();
        for number in 0..6_u64 {
            let name = format!("r{number}");
            kept.push((name.clone(), hash(logs.keep_report(&run(&name), &noise(number, 2400)).unwrap())));
            // File times are the order: one second apart, without waiting for it.
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 + number);
            File::open(logs.reports_of(&run(&name))).unwrap().set_modified(at).unwrap();
        }
        let there: Vec<bool> = kept.iter().map(|(name, hash)| logs.report(&run(name), *hash).unwrap().is_some()).collect();
        assert_eq!(there, [false, false, true, true, true, true], "a tenth of the room is made free at once");
        assert!(logs.directory_of(&run("r0")).exists());
    }

    #[test]
    fn a_file_that_was_changed_is_not_taken_for_what_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path(), Limits::default());
        let kept = hash(logs.keep_report(&run("r1"), b"<testsuite/>").unwrap());
        std::fs::write(logs.reports_of(&run("r1")).join(file_name(kept)), packed(b"<other/>").unwrap()).unwrap();
        assert!(logs.report(&run("r1"), kept).unwrap_err().to_string().contains("not what was kept"));
    }
}
