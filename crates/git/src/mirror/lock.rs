//! Who is in a mirror, and what killed processes left in it.
//!
//! A lock of the operating system on a file in the mirror, which goes away with the processes that hold it: everyone who has the mirror
//! open shares it, and a fetch's git holds it, too, so that one which outlives a killed Towpath still counts. Whoever gets it alone
//! knows that every `*.lock` file of Git's is a leftover.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::GitError;

/// The locked file. It stays empty and is never removed while the mirror is used.
const LOCK_FILE: &str = "towpath-users";

/// How an attempt to lock ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Held,
    Busy,
}

pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    pub fn open(dir: &Path) -> Result<Self, GitError> {
        let path = dir.join(LOCK_FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| GitError::io(&path, &error))?;
        Ok(Self { file, path })
    }

    pub fn try_alone(&self) -> Result<Attempt, GitError> {
        self.attempt(FlockOperation::NonBlockingLockExclusive)
    }

    pub fn try_shared(&self) -> Result<Attempt, GitError> {
        self.attempt(FlockOperation::NonBlockingLockShared)
    }

    /// Shares it, after an attempt to have it alone that went well or not: flock(2) lets go of the old lock in either case. Waits for
    /// another one that is alone just now, which is never for long.
    pub async fn share(&self) -> Result<(), GitError> {
        let mut patience = Patience::new();
        while self.try_shared()? == Attempt::Busy {
            if !patience.a_little().await {
                let dir = self.path.parent().unwrap_or(&self.path).display().to_string();
                return Err(GitError::Locked { dir, why: "another process has been repairing it for too long".to_owned() });
            }
        }
        Ok(())
    }

    pub fn release(&self) -> Result<(), GitError> {
        self.attempt(FlockOperation::Unlock).map(drop)
    }

    /// The same lock for another process to hold along.
    pub fn duplicate(&self) -> Result<File, GitError> {
        self.file.try_clone().map_err(|error| GitError::io(&self.path, &error))
    }

    fn attempt(&self, operation: FlockOperation) -> Result<Attempt, GitError> {
        loop {
            match flock(&self.file, operation) {
                Ok(()) => return Ok(Attempt::Held),
                Err(Errno::WOULDBLOCK) => return Ok(Attempt::Busy),
                Err(Errno::INTR) => {}
                Err(error) => return Err(GitError::io(&self.path, &error.into())),
            }
        }
    }
}

/// Waits that grow, up to 30 s in all: as long as the slowest disk needs to make an empty repository.
pub(super) struct Patience {
    waited: Duration,
    next: Duration,
}

impl Patience {
    pub fn new() -> Self {
        Self { waited: Duration::ZERO, next: Duration::from_millis(2) }
    }

    /// Waits; `false` when patience is at its end.
    pub async fn a_little(&mut self) -> bool {
        if self.waited > Duration::from_secs(30) {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.waited += self.next;
        self.next = (self.next * 2).min(Duration::from_millis(200));
        true
    }
}

/// Removes Git's lock files and half-written objects, and all in the folder for temporary files.
pub(super) fn remove_leftovers(dir: &Path, temp_folder: &str) -> io::Result<()> {
    ignore_absent(fs::remove_dir_all(dir.join(temp_folder)))?;
    remove_locks(dir)?;
    remove_in(dir, false, &|name| name.starts_with(".tmp"))?;
    remove_in(&dir.join("objects"), true, &|name| name.starts_with("tmp_") || name.starts_with(".tmp-"))
}

/// Removes Git's lock files on refs and configuration.
pub(super) fn remove_locks(dir: &Path) -> io::Result<()> {
    let is_lock = |name: &str| name.ends_with(".lock");
    remove_in(dir, false, &is_lock)?;
    // A branch's name cannot end with .lock, so nothing of value is called that here.
    remove_in(&dir.join("refs"), true, &is_lock)?;
    remove_in(&dir.join("objects"), false, &is_lock)
}

/// Removes everything but the lock itself.
pub(super) fn empty(dir: &Path) -> io::Result<()> {
    // The marker goes first: killed after it, the mirror is made again when it is opened.
    ignore_absent(fs::remove_file(dir.join(super::READY_FILE)))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() == LOCK_FILE {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

fn remove_in(dir: &Path, deeper: bool, leftover: &dyn Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if deeper {
                remove_in(&entry.path(), true, leftover)?;
            }
        } else if leftover(&entry.file_name().to_string_lossy()) {
            tracing::debug!(path = %entry.path().display(), "removing what a killed git left");
            ignore_absent(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
