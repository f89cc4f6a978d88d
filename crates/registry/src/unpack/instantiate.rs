//! A private copy of an unpacked image.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::claim::{Claim, claim};
use crate::{RegistryError, Unpacked};

/// Copies the files of `unpacked` to `dest`, for one process to run in and write to.
///
/// It is a real copy: a hard link would let one process change what all the others run, and not every file system can
/// share blocks between files (where it can, the operating system does so here). Files that were hard links of each
/// other become files of their own.
///
/// `dest` appears in one step. If it is there already it stays as it is, so doing it again after a restart keeps what
/// the process wrote; remove it first for a fresh copy.
///
/// # Errors
/// [`RegistryError::Io`] when the disk refuses; nothing is left behind then.
pub fn instantiate(unpacked: &Unpacked, dest: &Path) -> Result<(), RegistryError> {
    let parent = dest.parent().unwrap_or(dest);
    fs::create_dir_all(parent).map_err(RegistryError::io("create", parent))?;
    let Claim::Ours(claimed) = claim(dest)? else { return Ok(()) };
    let mut todo: Vec<(PathBuf, PathBuf)> = vec![(unpacked.rootfs.clone(), claimed.partial().to_owned())];
    while let Some((from, to)) = todo.pop() {
        for entry in fs::read_dir(&from).map_err(RegistryError::io("read", &from))? {
            let entry = entry.map_err(RegistryError::io("read", &from))?;
            let (source, copy) = (entry.path(), to.join(entry.file_name()));
            let metadata = fs::symlink_metadata(&source).map_err(RegistryError::io("read", &source))?;
            if metadata.is_dir() {
                fs::create_dir(&copy).map_err(RegistryError::io("create", &copy))?;
                fs::set_permissions(&copy, metadata.permissions()).map_err(RegistryError::io("create", &copy))?;
                todo.push((source, copy));
            } else if metadata.is_symlink() {
                let target = fs::read_link(&source).map_err(RegistryError::io("read", &source))?;
                std::os::unix::fs::symlink(target, &copy).map_err(RegistryError::io("create", &copy))?;
            } else {
                copy_file(&source, &copy, &metadata)?;
            }
        }
    }
    claimed.finish(dest)
}

fn copy_file(source: &Path, copy: &Path, metadata: &fs::Metadata) -> Result<(), RegistryError> {
    fs::copy(source, copy).map_err(RegistryError::io("copy to", copy))?;
    let Ok(modified) = metadata.modified() else { return Ok(()) };
    // Interpreters compare these times with those noted in their caches. A copy that its owner may not write keeps its own.
    match File::options().append(true).open(copy) {
        Ok(file) => file.set_modified(modified).map_err(RegistryError::io("write", copy)),
        Err(_) => Ok(()),
    }
}
