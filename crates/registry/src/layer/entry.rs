//! One entry of a layer, with its extended headers read in and its meaning worked out.

use std::io::Read;

use tar::{EntryType, Header, PaxExtensions};

use super::components;
use crate::limits::TAR_EXTENSION_BYTES;

/// One entry of a layer.
#[derive(Debug)]
pub(crate) struct LayerEntry {
    /// The names on the way to it from the image's root; empty for the root itself.
    pub(crate) path: Vec<Vec<u8>>,
    pub(crate) kind: EntryKind,
    /// Permission bits, without setuid, setgid and sticky.
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
}

/// What an entry makes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Folder,
    File,
    /// A symbolic link, with its target as written.
    Link(Vec<u8>),
    /// Another name for the file at this path.
    HardLink(Vec<Vec<u8>>),
    /// Removes `path` as lower layers made it.
    Whiteout,
    /// Removes all that lower layers put into `path`.
    Opaque,
    /// Bookkeeping of some file systems, without a meaning.
    Nothing,
}

/// Why an entry is not taken.
pub(crate) enum Refusal {
    /// It would reach outside, or make something that no image needs: (its path, why).
    Unsafe(Vec<u8>, &'static str),
    /// The tar itself makes no sense.
    Malformed(String),
}

/// Extended headers that came before an entry and are about it.
#[derive(Default)]
pub(crate) struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    sparse: bool,
}

impl Extensions {
    /// Takes an extended header in. `false` when `header` is an entry of its own.
    pub(crate) fn take(&mut self, header: &Header, content: &mut dyn Read) -> Result<bool, Refusal> {
        match header.entry_type() {
            EntryType::GNULongName => self.path = Some(until_nul(&read_small(content)?).to_vec()),
            EntryType::GNULongLink => self.link = Some(until_nul(&read_small(content)?).to_vec()),
            EntryType::XHeader => self.take_pax(&read_small(content)?)?,
            // Facts for the whole archive, such as the commit it was made of.
            EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_pax(&mut self, records: &[u8]) -> Result<(), Refusal> {
        for record in PaxExtensions::new(records) {
            let record = record.map_err(|error| Refusal::Malformed(format!("a pax header is broken: {error}")))?;
            let value = record.value_bytes().to_vec();
            match record.key_bytes() {
                b"path" => self.path = Some(value),
                b"linkpath" => self.link = Some(value),
                b"size" => self.size = Some(value),
                key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// The entry of `header`, to which the extensions taken in belong.
    pub(crate) fn entry(self, header: &Header) -> Result<LayerEntry, Refusal> {
        let malformed = |error: std::io::Error| Refusal::Malformed(error.to_string());
        let raw_path = self.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let refused = |why| Refusal::Unsafe(raw_path.clone(), why);
        if self.sparse || header.entry_type() == EntryType::GNUSparse {
            return Err(refused("sparse files are not supported; build the image with an ordinary tar"));
        }
        let header_size = header.entry_size().map_err(malformed)?;
        if self.size.is_some_and(|size| size != header_size.to_string().into_bytes()) {
            // Only files over 8 GiB need this; believing it would let two readers see two different archives.
            return Err(refused("its extended header gives another size than its header"));
        }
        let mut path = components(&raw_path).map_err(refused)?;
        let link = self.link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let kind = match whiteout(&path).map_err(refused)? {
            Some((kind, target)) => {
                path = target;
                kind
            }
            None => {
                let link = link.filter(|link| !link.is_empty());
                entry_kind(header.entry_type(), link).map_err(refused)?
            }
        };
        if path.is_empty() && !matches!(kind, EntryKind::Folder | EntryKind::Opaque | EntryKind::Nothing) {
            return Err(refused("it would replace the image's root"));
        }
        let mode = header.mode().map_err(malformed)? & 0o777;
        let mtime = header.mtime().map_err(malformed)?;
        Ok(LayerEntry { path, kind, mode, mtime })
    }
}

fn entry_kind(entry_type: EntryType, link: Option<Vec<u8>>) -> Result<EntryKind, &'static str> {
    match entry_type {
        EntryType::Regular | EntryType::Continuous => Ok(EntryKind::File),
        EntryType::Directory => Ok(EntryKind::Folder),
        EntryType::Symlink => match link {
            Some(target) if target.contains(&0) => Err("its target holds a NUL byte"),
            Some(target) if target.len() > crate::limits::PATH_BYTES => Err("its target is too long"),
            Some(target) => Ok(EntryKind::Link(target)),
            None => Err("it is a link to nothing"),
        },
        EntryType::Link => match link {
            Some(target) => {
                let target = components(&target).map_err(|_| "it is a hard link to a path outside the image")?;
                if target.is_empty() { Err("it is a hard link to the image's root") } else { Ok(EntryKind::HardLink(target)) }
            }
            None => Err("it is a hard link to nothing"),
        },
        EntryType::Char | EntryType::Block => Err("images hold no device nodes"),
        EntryType::Fifo => Err("images hold no pipes"),
        _ => Err("its type is unknown"),
    }
}

/// What a whiteout does, and the path it does it to.
type Hidden = (EntryKind, Vec<Vec<u8>>);

/// What a name that begins with `.wh.` means, and for which path.
fn whiteout(path: &[Vec<u8>]) -> Result<Option<Hidden>, &'static str> {
    let Some((name, parents)) = path.split_last() else { return Ok(None) };
    let Some(hidden) = name.strip_prefix(b".wh.") else {
        let inside = parents.iter().any(|parent| parent.starts_with(b".wh."));
        return if inside { Ok(Some((EntryKind::Nothing, Vec::new()))) } else { Ok(None) };
    };
    let mut target = parents.to_vec();
    match hidden {
        b".wh..opq" => Ok(Some((EntryKind::Opaque, target))),
        // aufs kept its own files under such names; they mean nothing in an image.
        aufs if aufs.starts_with(b".wh.") => Ok(Some((EntryKind::Nothing, target))),
        b"" | b"." | b".." => Err("it would remove a folder that it lies in"),
        name => {
            target.push(name.to_vec());
            Ok(Some((EntryKind::Whiteout, target)))
        }
    }
}

fn read_small(content: &mut dyn Read) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    content.take(TAR_EXTENSION_BYTES + 1).read_to_end(&mut bytes).map_err(|error| Refusal::Malformed(error.to_string()))?;
    if bytes.len() as u64 > TAR_EXTENSION_BYTES {
        return Err(Refusal::Malformed(format!("an extended header has more than {TAR_EXTENSION_BYTES} bytes")));
    }
    Ok(bytes)
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(path: &str) -> Result<Option<(EntryKind, String)>, &'static str> {
        let path = components(path.as_bytes())?;
        Ok(whiteout(&path)?.map(|(kind, target)| (kind, String::from_utf8(target.join(&b'/')).unwrap())))
    }

    #[test]
    fn whiteouts_remove_what_they_name_and_never_a_folder_they_lie_in() {
        assert_eq!(meaning("a/.wh.b"), Ok(Some((EntryKind::Whiteout, "a/b".to_owned()))));
        assert_eq!(meaning("a/.wh..wh..opq"), Ok(Some((EntryKind::Opaque, "a".to_owned()))));
        assert_eq!(meaning("a/b"), Ok(None));
        assert!(matches!(meaning(".wh..wh.plnk/1.2"), Ok(Some((EntryKind::Nothing, _)))));
        for escape in [".wh...", "a/.wh...", "a/.wh..", "a/.wh."] {
            assert!(meaning(escape).is_err(), "{escape}");
        }
    }

    #[test]
    fn devices_pipes_and_unknown_things_are_refused() {
        for entry_type in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::new(b'Z')] {
            assert!(entry_kind(entry_type, None).is_err(), "{entry_type:?}");
        }
        assert!(entry_kind(EntryType::Link, Some(b"../../etc/passwd".to_vec())).is_err());
        assert!(entry_kind(EntryType::Link, Some(b"/".to_vec())).is_err());
    }
}
