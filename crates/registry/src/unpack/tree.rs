//! Entries of layers become files, below one folder and nowhere else.
//!
//! A path is resolved name by name from the open root folder. Links on the way are followed as the image means them,
//! with the image's root as `/`: `..` ends there and an absolute target begins there. The last name is never followed.

use std::cell::RefCell;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, linkat, mkdirat, openat, symlinkat};
use rustix::io::Errno;

use crate::RegistryError;
use crate::beneath::{Folder, kind};
use crate::layer::{EntryKind, LayerEntry};
use crate::limits::{DEPTH, PATH_BYTES};

/// How many links one path may lead through: Linux's own limit.
const LINKS: usize = 40;

/// The files of an image, growing layer by layer.
pub(super) struct Tree {
    path: PathBuf,
    root: Folder,
    /// What the present layer made, by hash of the path: a whiteout is for lower layers only.
    made: RefCell<HashSet<u64>>,
    hashes: RandomState,
}

/// A folder in the tree, reached from the root.
#[derive(Default)]
struct Place {
    folders: Vec<Folder>,
    names: Vec<Vec<u8>>,
}

/// Why a path does not lead to a folder.
enum Lost {
    /// There is nothing.
    Missing,
    /// It is refused.
    Refused(&'static str),
    /// The operating system failed.
    Os(Errno),
}

impl From<Errno> for Lost {
    fn from(error: Errno) -> Self {
        Self::Os(error)
    }
}

impl Tree {
    /// The tree in the empty folder `path`.
    pub(super) fn open(path: &Path) -> Result<Self, RegistryError> {
        let root = Folder::open(path).map_err(RegistryError::io("open", path))?;
        Ok(Self { path: path.to_owned(), root, made: RefCell::default(), hashes: RandomState::new() })
    }

    /// What comes now is of the next layer.
    pub(super) fn begin_layer(&self) {
        self.made.borrow_mut().clear();
    }

    /// Makes, replaces or removes what `entry` says.
    pub(super) fn apply(&self, entry: &LayerEntry, content: &mut dyn Read) -> Result<(), RegistryError> {
        match &entry.kind {
            EntryKind::Nothing => Ok(()),
            EntryKind::Opaque => self.clear_folder(entry),
            _ => match entry.path.split_last() {
                // The root itself is there.
                None => Ok(()),
                Some((name, parents)) if entry.kind == EntryKind::Whiteout => self.remove(entry, parents, name),
                Some((name, parents)) => self.make(entry, parents, name, content),
            },
        }
    }

    fn make(&self, entry: &LayerEntry, parents: &[Vec<u8>], name: &[u8], content: &mut dyn Read) -> Result<(), RegistryError> {
        let place = self.walk(parents, true).map_err(|lost| self.lost(entry, lost))?;
        let parent = place.folder(&self.root);
        let failed = |error: Errno| RegistryError::io("write", &self.shown(&entry.path))(error);
        if place.names.iter().map(|name| name.len() + 1).sum::<usize>() + name.len() > PATH_BYTES || place.names.len() >= DEPTH {
            return Err(refused(entry, "links make its path too long or too deep"));
        }
        match &entry.kind {
            EntryKind::Folder => {
                let there = parent.stat(name).map_err(failed)?;
                if !there.is_some_and(|stat| kind(&stat) == FileType::Directory) {
                    parent.remove(name).map_err(failed)?;
                    mkdirat(parent, name, Mode::RWXU).map_err(failed)?;
                }
                // Its owner must be able to fill it, and to remove it one day.
                let folder = parent.folder(name).map_err(failed)?;
                fchmod(&folder, Mode::from_raw_mode(entry.mode | 0o700)).map_err(failed)?;
            }
            EntryKind::File => {
                parent.remove(name).map_err(failed)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = File::from(openat(parent, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?);
                fill(&file, content).map_err(RegistryError::io("write", &self.shown(&entry.path)))?;
                fchmod(&file, Mode::from_raw_mode(entry.mode | 0o400)).map_err(failed)?;
                set_modified(&file, entry.mtime);
            }
            EntryKind::Link(target) => {
                parent.remove(name).map_err(failed)?;
                symlinkat(target.as_slice(), parent, name).map_err(failed)?;
            }
            EntryKind::HardLink(target) => self.hard_link(entry, target, parent, name)?,
            EntryKind::Whiteout | EntryKind::Opaque | EntryKind::Nothing => {}
        }
        let mut made = place.names;
        made.push(name.to_vec());
        self.note(&made);
        Ok(())
    }

    fn hard_link(&self, entry: &LayerEntry, target: &[Vec<u8>], parent: &Folder, name: &[u8]) -> Result<(), RegistryError> {
        let failed = |error: Errno| RegistryError::io("write", &self.shown(&entry.path))(error);
        let Some((target_name, target_parents)) = target.split_last() else { return Err(refused(entry, "it is a hard link to nothing")) };
        let place = self.walk(target_parents, false).map_err(|lost| match lost {
            Lost::Missing => refused(entry, "it is a hard link to a file that is not there"),
            other => self.lost(entry, other),
        })?;
        let from = place.folder(&self.root);
        let Some(there) = from.stat(target_name).map_err(failed)? else {
            return Err(refused(entry, "it is a hard link to a file that is not there"));
        };
        if !matches!(kind(&there), FileType::RegularFile | FileType::Symlink) {
            return Err(refused(entry, "it is a hard link to what is not a file"));
        }
        let here = parent.stat(name).map_err(failed)?;
        if here.is_some_and(|here| (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)) {
            return Ok(());
        }
        parent.remove(name).map_err(failed)?;
        match linkat(from, target_name.as_slice(), parent, name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            // The target lay in the folder that the link replaced.
            Err(Errno::NOENT) => Err(refused(entry, "it is a hard link into itself")),
            Err(error) => Err(failed(error)),
        }
    }

    /// Carries a whiteout out.
    fn remove(&self, entry: &LayerEntry, parents: &[Vec<u8>], name: &[u8]) -> Result<(), RegistryError> {
        let place = match self.walk(parents, false) {
            Ok(place) => place,
            Err(Lost::Missing) => return Ok(()),
            Err(lost) => return Err(self.lost(entry, lost)),
        };
        self.remove_lower(place.folder(&self.root), &place.names, name).map_err(RegistryError::io("remove", &self.shown(&entry.path)))
    }

    /// Carries an opaque whiteout out.
    fn clear_folder(&self, entry: &LayerEntry) -> Result<(), RegistryError> {
        let place = match self.walk(&entry.path, false) {
            Ok(place) => place,
            Err(Lost::Missing) => return Ok(()),
            Err(lost) => return Err(self.lost(entry, lost)),
        };
        let folder = place.folder(&self.root);
        let clear = || {
            for name in folder.names()? {
                self.remove_lower(folder, &place.names, name.as_bytes())?;
            }
            Ok::<(), Errno>(())
        };
        clear().map_err(RegistryError::io("remove", &self.shown(&entry.path)))
    }

    /// Removes `name` in `folder` as far as lower layers made it.
    fn remove_lower(&self, folder: &Folder, names: &[Vec<u8>], name: &[u8]) -> Result<(), Errno> {
        let mut path = names.to_vec();
        path.push(name.to_vec());
        if !self.was_made(&path) {
            return folder.remove(name);
        }
        let Some(stat) = folder.stat(name)? else { return Ok(()) };
        if kind(&stat) == FileType::Directory {
            let below = folder.folder(name)?;
            for child in below.names()? {
                self.remove_lower(&below, &path, child.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Goes to the folder at `path`, following links as the image means them. With `create`, missing folders are made.
    fn walk(&self, path: &[Vec<u8>], create: bool) -> Result<Place, Lost> {
        let mut place = Place::default();
        let mut todo: Vec<Vec<u8>> = path.iter().rev().cloned().collect();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                place.folders.pop();
                place.names.pop();
                continue;
            }
            if place.names.len() >= DEPTH {
                return Err(Lost::Refused("links make its path too deep"));
            }
            let here = place.folder(&self.root);
            match here.folder(&name) {
                Ok(folder) => place.enter(folder, name),
                Err(Errno::NOENT) if create => {
                    mkdirat(here, name.as_slice(), Mode::RWXU)?;
                    let folder = here.folder(&name)?;
                    fchmod(&folder, Mode::from_raw_mode(0o755))?;
                    place.enter(folder, name);
                    self.note(&place.names);
                }
                Err(Errno::NOENT) => return Err(Lost::Missing),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let is_link = here.stat(&name)?.is_some_and(|stat| kind(&stat) == FileType::Symlink);
                    if !is_link {
                        return Err(Lost::Refused("a file stands where it needs a folder"));
                    }
                    links += 1;
                    if links > LINKS {
                        return Err(Lost::Refused("it leads through too many links"));
                    }
                    let target = here.link(&name)?;
                    if target.starts_with(b"/") {
                        place = Place::default();
                    }
                    let names = target.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
                    todo.extend(names.rev().map(<[u8]>::to_vec));
                }
                Err(error) => return Err(Lost::Os(error)),
            }
        }
        Ok(place)
    }

    fn note(&self, path: &[Vec<u8>]) {
        self.made.borrow_mut().insert(self.hashes.hash_one(path));
    }

    fn was_made(&self, path: &[Vec<u8>]) -> bool {
        self.made.borrow().contains(&self.hashes.hash_one(path))
    }

    fn lost(&self, entry: &LayerEntry, lost: Lost) -> RegistryError {
        match lost {
            Lost::Missing => refused(entry, "a folder on its path is missing"),
            Lost::Refused(why) => refused(entry, why),
            // A name in a link's target may be longer than a file system allows.
            Lost::Os(Errno::NAMETOOLONG) => refused(entry, "links make its path too long or too deep"),
            Lost::Os(error) => RegistryError::io("write", &self.shown(&entry.path))(error),
        }
    }

    /// A path in the image, for messages.
    fn shown(&self, path: &[Vec<u8>]) -> PathBuf {
        self.path.join(std::ffi::OsStr::from_bytes(&path.join(&b'/')))
    }
}

impl Place {
    fn folder<'a>(&'a self, root: &'a Folder) -> &'a Folder {
        self.folders.last().unwrap_or(root)
    }

    fn enter(&mut self, folder: Folder, name: Vec<u8>) {
        self.folders.push(folder);
        self.names.push(name);
    }
}

/// The caller knows the image's name and adds it.
fn refused(entry: &LayerEntry, why: &'static str) -> RegistryError {
    let path = entry.path.join(&b'/');
    RegistryError::UnsafeEntry { place: String::new(), entry: String::from_utf8_lossy(&path).into_owned(), why }
}

fn fill(mut file: &File, content: &mut dyn Read) -> std::io::Result<()> {
    let mut buffer = [0; 64 << 10];
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        file.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

/// Interpreters compare a file's time with the one noted in their caches; a file system that cannot keep it costs no more than that.
fn set_modified(file: &File, mtime: u64) {
    if let Some(moment) = UNIX_EPOCH.checked_add(Duration::from_secs(mtime)) {
        let _ = file.set_modified(moment);
    }
}
