//! Objects in a repository: their ids, their kinds, and trees as Git stores them.

use std::fmt;
use std::str::FromStr;

use towpath_domain::CommitId;

/// The id of a file's content: equal ids are equal bytes, so it is the key of every cache of parsed files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(CommitId);

impl BlobId {
    /// From 40 lower-case hex digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        // A blob's id has the same form as a commit's; the type keeps them apart.
        CommitId::from_str(hex).ok().map(Self)
    }

    pub(crate) fn from_raw(raw: &[u8]) -> Option<Self> {
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::parse(&hex)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that may be executed.
    Executable,
    /// A symbolic link; its content is where it leads. Never followed.
    Symlink,
    /// Another repository's commit. Its content is not here.
    Submodule,
    /// A folder.
    Folder,
}

impl EntryKind {
    /// From a mode in octal, as trees hold it.
    pub(crate) fn from_mode(mode: &str) -> Option<Self> {
        let bits = u32::from_str_radix(mode, 8).ok()?;
        match bits & 0o170_000 {
            0o100_000 if bits & 0o100 != 0 => Some(Self::Executable),
            0o100_000 => Some(Self::File),
            0o120_000 => Some(Self::Symlink),
            0o160_000 => Some(Self::Submodule),
            0o040_000 => Some(Self::Folder),
            _ => None,
        }
    }

    /// Whether it is a file whose bytes can be read.
    #[must_use]
    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable)
    }
}

/// One line of a tree object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawEntry<'a> {
    pub kind: EntryKind,
    pub name: &'a [u8],
    pub id: BlobId,
}

/// The entry called `name` in a tree object (`<mode> <name>\0<20 bytes>` repeated), or `Err` when the bytes are no tree.
pub(crate) fn find_in_tree<'a>(mut tree: &'a [u8], name: &[u8]) -> Result<Option<RawEntry<'a>>, ()> {
    while !tree.is_empty() {
        let space = tree.iter().position(|b| *b == b' ').ok_or(())?;
        let (mode, rest) = tree.split_at(space);
        let nul = rest.iter().position(|b| *b == 0).ok_or(())?;
        let (found, rest) = rest.split_at(nul);
        let (id, rest) = rest.split_at_checked(21).ok_or(())?;
        if found.get(1..) == Some(name) {
            let kind = std::str::from_utf8(mode).ok().and_then(EntryKind::from_mode).ok_or(())?;
            let id = id.get(1..).and_then(BlobId::from_raw).ok_or(())?;
            return Ok(Some(RawEntry { kind, name: found.get(1..).unwrap_or_default(), id }));
        }
        tree = rest;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_is_found_in_a_tree_by_its_name() {
        let mut tree = b"100644 a\0".to_vec();
        tree.extend([1; 20]);
        tree.extend(b"120000 link\0");
        tree.extend([2; 20]);
        let found = find_in_tree(&tree, b"link").unwrap().unwrap();
        assert_eq!((found.kind, found.id.to_string()), (EntryKind::Symlink, "02".repeat(20)));
        assert_eq!(find_in_tree(&tree, b"b"), Ok(None));
        assert_eq!(find_in_tree(b"100644 a\0short", b"a"), Err(()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_tree_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = find_in_tree(&bytes, b"a");
        }
    }
}
