//! Making a folder in one step, by one process at a time, whoever is killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::RegistryError;
use crate::beneath::Folder;

/// Who makes a folder.
pub(super) enum Claim {
    /// It is there.
    Done,
    /// The caller does.
    Ours(Claimed),
}

/// The right to fill a folder that will get its name by [`Claimed::finish`]. Dropped before, all in it is removed.
pub(super) struct Claimed {
    partial: PathBuf,
    finished: bool,
    /// A lock on the partial folder itself. It ends with the process, and no lock file is left.
    _lock: File,
}

/// Claims the making of `home`, and waits while somebody else is at it.
pub(super) fn claim(home: &Path) -> Result<Claim, RegistryError> {
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    let partial = home.with_file_name(format!(".{name}.partial"));
    loop {
        if exists(home)? {
            return Ok(Claim::Done);
        }
        match fs::create_dir(&partial) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(RegistryError::io("create", &partial)(error)),
            _ => {}
        }
        let lock = match File::open(&partial) {
            Ok(lock) => lock,
            // Somebody finished meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(RegistryError::io("open", &partial)(error)),
        };
        lock.lock().map_err(RegistryError::io("lock", &partial))?;
        if !is_same(&lock, &partial)? {
            // While this one waited, the folder that it waited for got its name, or was removed.
            continue;
        }
        let claimed = Claimed { partial: partial.clone(), finished: false, _lock: lock };
        if exists(home)? {
            return Ok(Claim::Done);
        }
        clear(&partial).map_err(RegistryError::io("clear", &partial))?;
        return Ok(Claim::Ours(claimed));
    }
}

impl Claimed {
    /// The folder to fill.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Gives the folder its name.
    pub(super) fn finish(mut self, home: &Path) -> Result<(), RegistryError> {
        super::sync(&self.partial)?;
        fs::rename(&self.partial, home).map_err(RegistryError::io("rename to", home))?;
        self.finished = true;
        let parent = home.parent().unwrap_or(home);
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(RegistryError::io("sync", parent))
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = fs::remove_dir_all(&self.partial)
        {
            tracing::warn!(path = %self.partial.display(), %error, "Could not remove an unfinished folder; the next use of it will.");
        }
    }
}

/// Removes what a killed process left.
fn clear(folder: &Path) -> io::Result<()> {
    let open = Folder::open(folder)?;
    for name in open.names()? {
        open.remove(name.as_bytes())?;
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, RegistryError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(RegistryError::io("read", path)(error)),
    }
}

fn is_same(open: &File, path: &Path) -> Result<bool, RegistryError> {
    let here = open.metadata().map_err(RegistryError::io("read", path))?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(RegistryError::io("read", path)(error)),
    }
}
