//! What is in a commit's tree.

use towpath_domain::CommitId;

use super::reader::Reader;
use crate::command::Limit;
use crate::names::path_parts;
use crate::object::find_in_tree;
use crate::{BlobId, EntryKind, GitError, Mirror};

/// The largest tree object that is read: some hundred thousand files in one folder.
const MAX_TREE_BYTES: u64 = 16 << 20;

/// A file, link or submodule in a commit's tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeEntry {
    /// Its path in the repository. Bytes that are not UTF-8 are shown as U+FFFD; such a file can be read by its id only.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its content's id.
    pub id: BlobId,
    /// Its size in bytes; 0 for a submodule.
    pub size: u64,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// A part of the path that is not the last one is a file or a submodule, so nothing can be below it.
    Below(EntryKind),
    Entry(EntryKind, BlobId),
}

impl Mirror {
    /// All files, links and submodules of `commit` below the folder `prefix` (`""` for all), in Git's order. Nothing, if there is no such
    /// folder.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror has no such commit; [`GitError::Symlink`] when a link stands where the folder should;
    /// [`GitError::BadInput`] for a path that leaves the repository or names a file.
    pub async fn list_tree(&self, commit: CommitId, prefix: &str) -> Result<Vec<TreeEntry>, GitError> {
        let (tree, below) = if prefix.is_empty() {
            self.require_commit(commit).await?;
            (format!("{commit}^{{tree}}"), String::new())
        } else {
            match self.find(commit, prefix).await? {
                Found::Nothing | Found::Below(_) => return Ok(Vec::new()),
                Found::Entry(EntryKind::Folder, id) => (id.to_string(), format!("{prefix}/")),
                Found::Entry(EntryKind::Symlink, _) => return Err(link(commit, prefix, "it is a symbolic link, not a folder")),
                Found::Entry(..) => return Err(GitError::bad(format!("the folder {prefix:?}"), "it is a file at this commit")),
            }
        };
        let call = self.call(format!("listing the files of commit {commit}"), Limit::Local);
        let output = call.args(["ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", &tree]).run().await?.bytes()?;
        output.split(|byte| *byte == 0).filter(|line| !line.is_empty()).map(|line| parse_line(line, &below)).collect()
    }

    /// What stands at `path` of `commit`. No link is followed: one on the way is an error.
    pub(crate) async fn find(&self, commit: CommitId, path: &str) -> Result<Found, GitError> {
        let mut reader = self.reader()?;
        let found = find_with(&mut reader, commit, path).await?;
        self.keep_reader(reader);
        Ok(found)
    }

    pub(crate) async fn require_commit(&self, commit: CommitId) -> Result<(), GitError> {
        if self.has_commit(commit).await? { Ok(()) } else { Err(self.no_commit(commit)) }
    }

    pub(crate) fn no_commit(&self, commit: CommitId) -> GitError {
        GitError::NotFound {
            what: format!("commit {commit}"),
            place: format!("the mirror of {} in {}", self.url(), self.dir().display()),
            why: "no branch that was fetched holds it".to_owned(),
        }
    }
}

/// Walks from the commit's tree down to `path`.
pub(crate) async fn find_with(reader: &mut Reader, commit: CommitId, path: &str) -> Result<Found, GitError> {
    let parts = path_parts(path)?;
    let mut tree = format!("{commit}^{{tree}}");
    let mut walked = String::new();
    for (at, part) in parts.iter().enumerate() {
        let answer = reader.contents(std::slice::from_ref(&tree), MAX_TREE_BYTES).await?.pop().flatten();
        let Some((header, content)) = answer else {
            return Err(GitError::NotFound {
                what: format!("commit {commit}"),
                place: "the mirror".to_owned(),
                why: format!("its tree {tree} cannot be read"),
            });
        };
        let damaged =
            || GitError::Failed { what: format!("reading the tree {}", header.id), why: "it is not a tree as Git makes them".to_owned() };
        let entry = find_in_tree(&content, part.as_bytes()).map_err(|()| damaged())?;
        let Some(entry) = entry else { return Ok(Found::Nothing) };
        if at + 1 == parts.len() {
            return Ok(Found::Entry(entry.kind, entry.id));
        }
        walked.push_str(part);
        match entry.kind {
            EntryKind::Folder => {}
            EntryKind::Symlink => return Err(link(commit, path, &format!("{walked} is a symbolic link"))),
            other => return Ok(Found::Below(other)),
        }
        walked.push('/');
        tree = entry.id.to_string();
    }
    Ok(Found::Nothing)
}

pub(crate) fn link(commit: CommitId, path: &str, why: &str) -> GitError {
    GitError::Symlink { commit: commit.to_string(), path: path.to_owned(), why: why.to_owned() }
}

/// `<mode> <type> <id> <size padded with spaces>\t<path>`, with `-` as a submodule's size.
fn parse_line(line: &[u8], below: &str) -> Result<TreeEntry, GitError> {
    let nonsense = || GitError::Failed {
        what: "listing a tree".to_owned(),
        why: format!("git printed {:?}", String::from_utf8_lossy(line).chars().take(200).collect::<String>()),
    };
    let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(nonsense)?;
    let (facts, path) = line.split_at(tab);
    let facts = std::str::from_utf8(facts).map_err(|_| nonsense())?;
    let mut words = facts.split(' ').filter(|word| !word.is_empty());
    let (Some(mode), Some(_), Some(id), Some(size)) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(nonsense());
    };
    Ok(TreeEntry {
        path: format!("{below}{}", String::from_utf8_lossy(path.get(1..).unwrap_or_default())),
        kind: EntryKind::from_mode(mode).ok_or_else(nonsense)?,
        id: BlobId::parse(id).ok_or_else(nonsense)?,
        size: if size == "-" { 0 } else { size.parse().map_err(|_| nonsense())? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_listing_is_taken_apart() {
        let id = "ab".repeat(20);
        let entry = parse_line(format!("100755 blob {id}      12\ta b\nc").as_bytes(), "x/").unwrap();
        assert_eq!((entry.path.as_str(), entry.kind, entry.size), ("x/a b\nc", EntryKind::Executable, 12));
        let entry = parse_line(format!("160000 commit {id}       -\tsub").as_bytes(), "").unwrap();
        assert_eq!((entry.kind, entry.size), (EntryKind::Submodule, 0));
        assert!(parse_line(b"nonsense", "").is_err());
    }
}
