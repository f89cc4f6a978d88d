//! Which files of a checkout go where in the image.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Stat};
use towpath_catalog::PackFile;

use super::PackRequest;
use super::base::Base;
use crate::RegistryError;
use crate::beneath::{Folder, kind};
use crate::layer::components;

/// What goes into the layer, by path in the image without its leading `/`. Sorted, so a folder comes before what is in it.
pub(super) struct Collected {
    /// The checkout, open.
    pub(super) root: Folder,
    /// Its path, for messages.
    pub(super) checkout: PathBuf,
    pub(super) entries: BTreeMap<Vec<u8>, Packable>,
}

/// One entry to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packable {
    Folder,
    /// A file, by its names from the checkout's root.
    File {
        source: Vec<Vec<u8>>,
        mode: u32,
        size: u64,
    },
    Link {
        target: Vec<u8>,
    },
}

/// Looks up all files of the request.
pub(super) fn collect(request: &PackRequest<'_>, base: Option<&Base>) -> Result<Collected, RegistryError> {
    let checkout = request.checkout.canonicalize().map_err(RegistryError::io("open", request.checkout))?;
    let root = Folder::open(&checkout).map_err(RegistryError::io("open", &checkout))?;
    let mut collector = Collector { base, out: Collected { root, checkout, entries: BTreeMap::new() } };
    for file in &request.pack.files {
        collector.add(file)?;
    }
    Ok(collector.out)
}

struct Collector<'a> {
    base: Option<&'a Base>,
    out: Collected,
}

impl Collector<'_> {
    fn add(&mut self, file: &PackFile) -> Result<(), RegistryError> {
        if let Some(mode) = file.mode.filter(|mode| *mode > 0o777) {
            let why = format!("has the mode {mode:o}, and only permission bits (up to 777) are kept");
            return Err(pack_error(&file.to, why, "Leave setuid, setgid and sticky bits out"));
        }
        let source = self.source(&file.from)?;
        let to = image_path(&file.to)?;
        let stat = self.stat(&source)?;
        if kind(&stat) == FileType::Directory {
            return self.add_folder(file, source, to);
        }
        let target = if file.to.ends_with('/') {
            let own_name = source.last().cloned();
            to.into_iter().chain(own_name).collect()
        } else {
            to
        };
        if target.is_empty() {
            return Err(pack_error(&file.to, "would make a file of the image's root", "Write the file's whole path in the image"));
        }
        self.add_one(file, source, target, &stat)
    }

    /// The names from the checkout's root to `from`, links resolved.
    fn source(&self, from: &str) -> Result<Vec<Vec<u8>>, RegistryError> {
        let outside = || pack_error(from, "is not inside the checkout", "Name files by their path in the repository");
        let path = Path::new(from);
        if from.is_empty() || from.contains('\0') || path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Err(outside());
        }
        let whole = self.out.checkout.join(path);
        let real = whole.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                let mend = "Correct `from`, or have the build's command make that file";
                pack_error(from, "does not exist in the checkout after the build's command", mend)
            }
            _ => RegistryError::io("open", &whole)(error),
        })?;
        let inside = real.strip_prefix(&self.out.checkout).map_err(|_| outside())?;
        let names: Vec<Vec<u8>> = inside.iter().map(|name| name.as_bytes().to_vec()).collect();
        if names.iter().any(|name| name == b".git") {
            return Err(pack_error(from, "is Git's own", "Have the build's command copy what is needed of it to a file of its own"));
        }
        Ok(names)
    }

    fn add_folder(&mut self, file: &PackFile, source: Vec<Vec<u8>>, to: Vec<Vec<u8>>) -> Result<(), RegistryError> {
        let mut todo = vec![(source, to)];
        while let Some((source, to)) = todo.pop() {
            let folder = self.open(&source)?;
            self.insert_folder(&to)?;
            for name in folder.names().map_err(RegistryError::io("read", &self.shown(&source)))? {
                if name == ".git" {
                    continue;
                }
                let child: Vec<Vec<u8>> = source.iter().cloned().chain([name.as_bytes().to_vec()]).collect();
                let target: Vec<Vec<u8>> = to.iter().cloned().chain([name.as_bytes().to_vec()]).collect();
                let stat = self.stat(&child)?;
                if kind(&stat) == FileType::Directory {
                    todo.push((child, target));
                } else {
                    self.add_one(file, child, target, &stat)?;
                }
            }
        }
        Ok(())
    }

    fn add_one(&mut self, file: &PackFile, source: Vec<Vec<u8>>, to: Vec<Vec<u8>>, stat: &Stat) -> Result<(), RegistryError> {
        let shown = || String::from_utf8_lossy(&source.join(&b'/')).into_owned();
        let packable = match kind(stat) {
            FileType::RegularFile => {
                let executable = stat.st_mode & 0o100 != 0;
                let mode = file.mode.unwrap_or(if executable { 0o755 } else { 0o644 });
                Packable::File { source: source.clone(), mode, size: u64::try_from(stat.st_size).unwrap_or(0) }
            }
            FileType::Symlink => {
                let target = self.link(&source)?;
                if !stays_inside(&source, &target) {
                    let why = format!("links to {:?}, outside the checkout", String::from_utf8_lossy(&target));
                    return Err(pack_error(&shown(), why, "Link by a relative path inside the repository"));
                }
                Packable::Link { target }
            }
            _ => return Err(pack_error(&shown(), "is neither file, folder nor link", "Have the build's command remove it")),
        };
        let place = self.place(&to)?;
        self.insert_parents(&place)?;
        let key = place.join(&b'/');
        if let Some(Packable::Folder) = self.out.entries.get(&key) {
            return Err(pack_error(&shown_path(&key), "would be both a folder and a file in the image", "Correct `to`"));
        }
        self.out.entries.insert(key, packable);
        Ok(())
    }

    /// Where `to` really is: behind the base's links, but for the last name.
    fn place(&self, to: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, RegistryError> {
        let shown = || shown_path(&to.join(&b'/'));
        components(&to.join(&b'/')).map_err(|why| pack_error(&shown(), format!("is refused: {why}"), "Correct `to`"))?;
        if to.iter().any(|name| name.starts_with(b".wh.")) {
            let why = "has a name beginning with .wh., which removes files in an image";
            return Err(pack_error(&shown(), why, "Rename the file"));
        }
        let (Some(base), Some((name, parents))) = (self.base, to.split_last()) else { return Ok(to.to_vec()) };
        let mut place =
            base.resolve(parents).ok_or_else(|| pack_error(&shown(), "leads through too many links of the base image", "Correct `to`"))?;
        place.push(name.clone());
        Ok(place)
    }

    fn insert_folder(&mut self, to: &[Vec<u8>]) -> Result<(), RegistryError> {
        if to.is_empty() {
            return Ok(());
        }
        let mut place = self.place(to)?;
        if let Some(base) = self.base {
            // A link of the base to a folder stays, too.
            place = base.resolve(&place).unwrap_or(place);
        }
        self.insert_parents(&place)?;
        self.insert_one_folder(&place)
    }

    fn insert_parents(&mut self, place: &[Vec<u8>]) -> Result<(), RegistryError> {
        for end in 1..place.len() {
            let parent: Vec<Vec<u8>> = place.iter().take(end).cloned().collect();
            self.insert_one_folder(&parent)?;
        }
        Ok(())
    }

    fn insert_one_folder(&mut self, place: &[Vec<u8>]) -> Result<(), RegistryError> {
        let key = place.join(&b'/');
        match self.out.entries.get(&key) {
            Some(Packable::Folder) => Ok(()),
            Some(_) => Err(pack_error(&shown_path(&key), "would be both a file and a folder in the image", "Correct `to`")),
            None if key.is_empty() || self.base.is_some_and(|base| base.has_folder(&key)) => Ok(()),
            None => {
                self.out.entries.insert(key, Packable::Folder);
                Ok(())
            }
        }
    }

    fn stat(&self, source: &[Vec<u8>]) -> Result<Stat, RegistryError> {
        let Some((name, parents)) = source.split_last() else {
            return rustix::fs::fstat(&self.out.root).map_err(RegistryError::io("read", &self.out.checkout));
        };
        let stat = self.open(parents)?.stat(name).map_err(RegistryError::io("read", &self.shown(source)))?;
        stat.ok_or_else(|| pack_error(&shown_path(&source.join(&b'/')), "vanished while it was packed", "Build again"))
    }

    fn link(&self, source: &[Vec<u8>]) -> Result<Vec<u8>, RegistryError> {
        let Some((name, parents)) = source.split_last() else { return Ok(Vec::new()) };
        self.open(parents)?.link(name).map_err(RegistryError::io("read", &self.shown(source)))
    }

    fn open(&self, source: &[Vec<u8>]) -> Result<Folder, RegistryError> {
        let mut folder = self.out.root.folder(b".").map_err(RegistryError::io("open", &self.out.checkout))?;
        for name in source {
            folder = folder.folder(name).map_err(RegistryError::io("open", &self.shown(source)))?;
        }
        Ok(folder)
    }

    fn shown(&self, source: &[Vec<u8>]) -> PathBuf {
        self.out.checkout.join(std::ffi::OsStr::from_bytes(&source.join(&b'/')))
    }
}

/// An absolute path in the image, as names from its root.
fn image_path(to: &str) -> Result<Vec<Vec<u8>>, RegistryError> {
    let mend = "Write an absolute path without `..`, such as /app/server";
    if !to.starts_with('/') {
        return Err(pack_error(to, "is not an absolute path in the image", mend));
    }
    components(to.as_bytes()).map_err(|why| pack_error(to, format!("is no place in an image: {why}"), mend))
}

/// Whether the link at `source` leads to somewhere in the checkout, by its text alone.
fn stays_inside(source: &[Vec<u8>], target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return false;
    }
    let mut depth = source.len().saturating_sub(1);
    for name in target.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
        if name != b".." {
            depth += 1;
        } else if depth == 0 {
            return false;
        } else {
            depth -= 1;
        }
    }
    true
}

pub(super) fn pack_error(path: &str, why: impl Into<String>, mend: &'static str) -> RegistryError {
    RegistryError::Pack { path: path.to_owned(), why: why.into(), mend }
}

fn shown_path(key: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_may_go_up_as_far_as_the_checkout_and_no_further() {
        let at = |path: &str| components(path.as_bytes()).unwrap();
        assert!(stays_inside(&at("a/b/link"), b"../../c"));
        assert!(stays_inside(&at("link"), b"a/../b"));
        assert!(!stays_inside(&at("a/b/link"), b"../../../c"));
        assert!(!stays_inside(&at("link"), b"a/../../b"));
        assert!(!stays_inside(&at("a/link"), b"/etc/passwd"));
    }
}
