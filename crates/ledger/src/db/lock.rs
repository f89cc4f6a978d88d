//! One process at a time: SQLite would let several write, but facts are kept in memory and leases are released at
//! start, both of which need a single owner.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long a lock is waited for. A process that was killed while it started another one leaves its locks to that one until it has
/// become the other program: milliseconds, but a restart may come sooner.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Held as long as this lives; the system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock of a database file.
    ///
    /// # Errors
    /// [`Error::InUse`] with the holder's process id.
    pub(crate) fn take(database: &Path) -> Result<Self> {
        let path = lock_file(database);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| Error::io("open", &path, &error))?;
        let begun = Instant::now();
        let taken = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                other => break other,
            }
        };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = std::fs::read_to_string(&path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
                return Err(Error::InUse { path: database.to_path_buf(), pid: pid.unwrap_or_else(|| "(not known)".to_owned()) });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, &error)),
        }
        // The id only serves the message above; the lock itself is the system's.
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(|error| Error::io("write to", &path, &error))?;
        Ok(Self { _file: file })
    }
}

fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}
