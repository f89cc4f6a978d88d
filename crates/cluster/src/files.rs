//! Files that a kill at any instant leaves either old or new, never torn.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whether what was written must outlive a loss of power.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Synced to disk: what people asked for.
    Power,
    /// Only as durable as the process it tells of: after a loss of power that process is gone, too.
    Process,
}

/// Sets apart the temporary names of threads of one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Replaces the file at `path` by `content`, readable by its owner only.
pub(crate) fn write_atomic(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    let parent = path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a file needs a folder"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = parent.join(format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp)?;
        file.write_all(content)?;
        if durability == Durability::Power {
            file.sync_all()?;
        }
        fs::rename(&temp, path)?;
        if durability == Durability::Power {
            fs::File::open(parent)?.sync_all()?;
        }
        Ok(())
    })();
    if written.is_err() {
        // Best effort: what stays is swept with its folder.
        let _ = fs::remove_file(&temp);
    }
    written.map_err(|e: io::Error| io::Error::new(e.kind(), format!("cannot write {name} in {}: {e}", parent.display())))
}

/// Replaces the file at `path` by `value` as JSON.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T, durability: Durability) -> io::Result<()> {
    let content = serde_json::to_vec_pretty(value)?;
    write_atomic(path, &content, durability)
}

/// Reads JSON; `None` when there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(content) => serde_json::from_slice(&content)
            .map(Some)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {e}", path.display()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io::Error::new(e.kind(), format!("cannot read {}: {e}", path.display()))),
    }
}

/// Makes `path` and its parents, open to their owner only.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot make the folder {}: {e}", path.display())))
}

/// The entries of a folder by name; none when there is no such folder. Temporary and hidden ones are left out.
pub(crate) fn entries(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io::Error::new(e.kind(), format!("cannot list {}: {e}", path.display()))),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// Which file this is and when it was written: a file that is replaced as a whole has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl FileIdentity {
    /// `None` when there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { inode: metadata.ino(), seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() })
    }
}

/// Holds a file's lock for as long as it lives. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Held open for its lock.
    _file: fs::File,
}

/// Takes the lock at `path` without waiting; `None` when another process holds it.
pub(crate) fn try_lock(path: &Path) -> io::Result<Option<Lock>> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Lock { _file: file })),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Takes the lock at `path`; `None` when another process goes on holding it.
///
/// Waits a little: a process that was killed while it started another one leaves its locks to that one until it has become the other
/// program. That takes milliseconds, but a restart may come sooner.
pub(crate) fn lock_patiently(path: &Path) -> io::Result<Option<Lock>> {
    let begun = Instant::now();
    loop {
        match try_lock(path)? {
            None if begun.elapsed() < Duration::from_secs(2) => std::thread::sleep(Duration::from_millis(10)),
            taken => return Ok(taken),
        }
    }
}

/// Whether some process holds the lock at `path`.
pub(crate) fn is_locked(path: &Path) -> bool {
    path.exists() && matches!(try_lock(path), Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_is_whole_private_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_json(&path, &1, Durability::Power).unwrap();
        write_json(&path, &2, Durability::Process).unwrap();
        assert_eq!(read_json::<i32>(&path).unwrap(), Some(2));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(read_json::<i32>(&dir.path().join("b.json")).unwrap(), None);
    }

    #[test]
    fn a_lock_has_one_holder_and_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!is_locked(&path));
        let held = try_lock(&path).unwrap();
        assert!(held.is_some() && try_lock(&path).unwrap().is_none() && is_locked(&path));
        drop(held);
        assert!(!is_locked(&path));
    }
}
