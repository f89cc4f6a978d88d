//! Commits made without a work tree.

use std::collections::BTreeSet;
use std::path::Path;

use towpath_domain::{CommitId, Timestamp};

use crate::command::{Call, Limit};
use crate::read::{Found, find_with};
use crate::{BlobId, EntryKind, GitError, Identity, Mirror};

/// The longest commit message in bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// One file to write or remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Its path in the repository.
    pub path: String,
    /// Its new content; `None` removes it. A file that was executable stays so.
    pub content: Option<Vec<u8>>,
}

/// A commit to make. The same request makes the same commit, with the same id, in every process on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRequest {
    /// Its parents.
    pub parents: Vec<CommitId>,
    /// The commit whose files it starts from; `None` starts from nothing.
    pub base_tree_of: Option<CommitId>,
    /// What it changes. Each path at most once; removing what is not there is no error.
    pub edits: Vec<Edit>,
    /// Its message.
    pub message: String,
    /// Who wrote it.
    pub author: Identity,
    /// Who makes the commit.
    pub committer: Identity,
    /// When; to the second, in UTC.
    pub at: Timestamp,
}

impl Mirror {
    /// Makes a commit in the mirror. Nothing refers to it until it is pushed.
    ///
    /// # Errors
    /// [`GitError::BadInput`] for a path that leaves the repository, stands twice, or meets a folder where a file should be (or the
    /// reverse); [`GitError::Symlink`] when it leads to or through a link; [`GitError::NotFound`] when the mirror lacks a parent or
    /// `base_tree_of`.
    pub async fn commit(&self, request: &CommitRequest) -> Result<CommitId, GitError> {
        for parent in &request.parents {
            self.require_commit(*parent).await?;
        }
        let temp = self.temp_dir()?;
        let tree = self.edited_tree(request, temp.path()).await?;
        self.commit_tree(&tree, request).await
    }

    async fn edited_tree(&self, request: &CommitRequest, temp: &Path) -> Result<String, GitError> {
        let index = temp.join("index");
        let call = |what: &'static str| self.call(what, Limit::Local).env("GIT_INDEX_FILE", &index);
        let modes = self.check_edits(request).await?;
        let start = match request.base_tree_of {
            Some(base) => {
                self.require_commit(base).await?;
                format!("{base}^{{tree}}")
            }
            None => "--empty".to_owned(),
        };
        call("reading a tree").args(["read-tree", &start]).run().await?.bytes()?;
        let blobs = self.write_blobs(&request.edits, temp).await?;
        let mut lines = Vec::new();
        for ((edit, mode), blob) in request.edits.iter().zip(modes).zip(blobs) {
            match blob {
                Some(blob) => lines.extend(format!("{mode} {blob}\t{}\0", edit.path).into_bytes()),
                None => lines.extend(format!("0 {}\t{}\0", "0".repeat(40), edit.path).into_bytes()),
            }
        }
        call("changing files").args(["update-index", "-z", "--index-info"]).input(lines).run().await?.bytes()?;
        Ok(call("writing a tree").arg("write-tree").run().await?.text()?.trim().to_owned())
    }

    /// The mode that each edited file shall have.
    async fn check_edits(&self, request: &CommitRequest) -> Result<Vec<&'static str>, GitError> {
        let mut seen = BTreeSet::new();
        let mut modes = Vec::with_capacity(request.edits.len());
        let mut reader = self.reader()?;
        for edit in &request.edits {
            crate::names::path_parts(&edit.path)?;
            let bad = |why: &str| GitError::bad(format!("the edit of {:?}", edit.path), why);
            if !seen.insert(edit.path.as_str()) {
                return Err(bad("each path can be edited once in a commit"));
            }
            let found = match request.base_tree_of {
                Some(base) => find_with(&mut reader, base, &edit.path).await?,
                None => Found::Nothing,
            };
            modes.push(match found {
                Found::Entry(EntryKind::Executable, _) => "100755",
                Found::Nothing | Found::Entry(EntryKind::File, _) => "100644",
                Found::Entry(EntryKind::Symlink, _) => {
                    let commit = request.base_tree_of.map(|base| base.to_string()).unwrap_or_default();
                    return Err(GitError::Symlink { commit, path: edit.path.clone(), why: "it is a symbolic link".to_owned() });
                }
                Found::Entry(..) => return Err(bad("it is a folder or a submodule, and only files can be edited")),
                Found::Below(_) if edit.content.is_none() => "100644",
                Found::Below(_) => return Err(bad("a file stands where one of its folders should be")),
            });
        }
        self.keep_reader(reader);
        Ok(modes)
    }

    /// Stores the new contents, in the order of the edits.
    async fn write_blobs(&self, edits: &[Edit], temp: &Path) -> Result<Vec<Option<BlobId>>, GitError> {
        let mut names = String::new();
        for (at, edit) in edits.iter().enumerate() {
            if let Some(content) = &edit.content {
                let path = temp.join(format!("content-{at}"));
                tokio::fs::write(&path, content).await.map_err(|error| GitError::io(&path, &error))?;
                let path = path.to_str().filter(|path| !path.contains(['\n', '"']));
                let path =
                    path.ok_or_else(|| GitError::bad(format!("the mirror's folder {}", self.dir().display()), "it is not plain UTF-8"))?;
                names.push_str(path);
                names.push('\n');
            }
        }
        let call = self.call("storing contents", Limit::Local).args(["hash-object", "-w", "--no-filters", "--stdin-paths"]);
        let text = call.input(names.into_bytes()).run().await?.text()?;
        let mut ids = text.lines().map(BlobId::parse);
        edits
            .iter()
            .map(|edit| match &edit.content {
                None => Ok(None),
                Some(_) => ids.next().flatten().map(Some).ok_or_else(|| GitError::Failed {
                    what: "storing contents".to_owned(),
                    why: format!("git gave no id for {}", edit.path),
                }),
            })
            .collect()
    }

    async fn commit_tree(&self, tree: &str, request: &CommitRequest) -> Result<CommitId, GitError> {
        self.make_commit(tree, &request.parents, &request.message, (&request.author, &request.committer), request.at).await
    }

    /// Makes a commit object of a tree that is there.
    pub(super) async fn make_commit(
        &self,
        tree: &str,
        parents: &[CommitId],
        message: &str,
        (author, committer): (&Identity, &Identity),
        at: Timestamp,
    ) -> Result<CommitId, GitError> {
        if message.trim().is_empty() || message.contains('\0') || message.len() > MAX_MESSAGE_BYTES {
            return Err(GitError::bad("the commit message", "it must be text of 1 byte to 1 MiB without NUL"));
        }
        let mut call = self.call("making a commit", Limit::Local).arg("commit-tree");
        for parent in parents {
            call = call.arg("-p").arg(parent.to_string());
        }
        let mut message = message.to_owned();
        if !message.ends_with('\n') {
            message.push('\n');
        }
        let text = named(call, author, committer, at).args(["-F", "-", tree]).input(message.into_bytes()).run().await?.text()?;
        text.trim()
            .parse()
            .map_err(|_| GitError::Failed { what: "making a commit".to_owned(), why: format!("git printed {:?}", text.trim()) })
    }
}

/// The names and the moment that a commit will hold.
fn named<'a>(call: Call<'a>, author: &Identity, committer: &Identity, at: Timestamp) -> Call<'a> {
    // Git knows no moment before 1970.
    let date = format!("@{} +0000", at.as_millis().max(0) / 1000);
    call.env("GIT_AUTHOR_NAME", author.name())
        .env("GIT_AUTHOR_EMAIL", author.email())
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_NAME", committer.name())
        .env("GIT_COMMITTER_EMAIL", committer.email())
        .env("GIT_COMMITTER_DATE", &date)
}
