//! Folders held open, so that nothing below them can lead elsewhere.
//!
//! A path handed to the operating system is resolved again at each call, and a symbolic link that appears in between
//! leads out of the folder. Here each step is taken from an open folder, by one name, without following links.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// Opens the folder at `path`, which is trusted and may be or go through links.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = FOLDER.difference(OFlags::NOFOLLOW);
        Ok(Self(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens the folder `name` in this one. A link is refused.
    pub(crate) fn folder(&self, name: &[u8]) -> Result<Self, Errno> {
        Ok(Self(rustix::fs::openat(&self.0, name, FOLDER, Mode::empty())?))
    }

    /// Opens the regular file `name` in this one. A link and everything that is not a regular file is refused.
    pub(crate) fn file(&self, name: &[u8]) -> io::Result<File> {
        // NONBLOCK: opening a pipe must not wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.0, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(file)
    }

    /// The regular file at the end of `names`, through folders only.
    pub(crate) fn file_at<'a>(&self, names: impl IntoIterator<Item = &'a [u8]>) -> io::Result<File> {
        let mut names = names.into_iter().peekable();
        let mut below: Option<Self> = None;
        while let Some(name) = names.next() {
            let here = below.as_ref().unwrap_or(self);
            if names.peek().is_none() {
                return here.file(name);
            }
            below = Some(here.folder(name)?);
        }
        Err(io::Error::from(io::ErrorKind::IsADirectory))
    }

    /// What `name` in this folder is, links not followed. `None` when there is nothing.
    pub(crate) fn stat(&self, name: &[u8]) -> Result<Option<Stat>, Errno> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the link `name` in this folder points to.
    pub(crate) fn link(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        Ok(rustix::fs::readlinkat(&self.0, name, Vec::new())?.into_bytes())
    }

    /// The names in this folder, sorted by their bytes: the order in which the file system tells them means nothing.
    pub(crate) fn names(&self) -> Result<Vec<OsString>, Errno> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Removes `name` and all below it, if it is there. Links are removed, not followed.
    pub(crate) fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        let Some(stat) = self.stat(name)? else { return Ok(()) };
        if kind(&stat) == FileType::Directory {
            let folder = self.folder(name)?;
            for child in folder.names()? {
                folder.remove(child.as_bytes())?;
            }
            return rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR);
        }
        rustix::fs::unlinkat(&self.0, name, AtFlags::empty())
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The kind of file that `stat` tells of.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}
