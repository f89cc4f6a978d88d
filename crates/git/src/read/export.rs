//! A commit's files in a folder, for builds and tests.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use towpath_domain::CommitId;

use super::links::leads_outside;
use super::tree::link;
use crate::command::Limit;
use crate::mirror::blocking;
use crate::names::path_parts;
use crate::{EntryKind, GitError, Mirror, TreeEntry};

/// What to do when a commit holds symbolic links that lead out of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideLinks {
    /// Export nothing and say which link it is. For files that Towpath itself reads.
    Refuse,
    /// Write them as they are. Only for folders that are read by programs which could read the link's target anyway.
    Keep,
}

impl Mirror {
    /// Writes the files of `commit` into the folder `dest`, without any `.git`.
    ///
    /// `dest` is there completely or not at all: the files are written beside it and moved there last. It may exist if it is empty; its
    /// parent is made if need be. Submodules become empty folders.
    ///
    /// # Errors
    /// [`GitError::Symlink`] by the rule for `outside_links`; [`GitError::BadInput`] when the commit holds a path that no repository
    /// should (such as `../x` or `.git/config`); [`GitError::NotFound`] when the mirror has no such commit; [`GitError::Io`] when `dest`
    /// is in use or cannot be written.
    pub async fn export(&self, commit: CommitId, dest: &Path, outside_links: OutsideLinks) -> Result<(), GitError> {
        let dest = std::path::absolute(dest).map_err(|error| GitError::io(dest, &error))?;
        let entries = self.list_tree(commit, "").await?;
        for entry in &entries {
            path_parts(&entry.path)?;
        }
        if outside_links == OutsideLinks::Refuse {
            self.refuse_outside_links(commit, &entries).await?;
        }
        let partial = partial_path(&dest)?;
        let prepare = partial.clone();
        blocking(&partial, move || {
            // Left by an export that was cut short.
            if let Err(error) = std::fs::remove_dir_all(&prepare)
                && error.kind() != ErrorKind::NotFound
            {
                return Err(error);
            }
            std::fs::create_dir_all(&prepare)
        })
        .await?;
        let written = self.write_files(commit, &partial).await;
        let (from, to) = (partial.clone(), dest.clone());
        match written {
            // Renaming over an empty folder works, over a full one it fails.
            Ok(()) => blocking(&dest, move || std::fs::rename(&from, &to)).await,
            Err(error) => {
                let _kept_for_the_next_try = blocking(&partial, move || std::fs::remove_dir_all(&from)).await;
                Err(error)
            }
        }
    }

    async fn write_files(&self, commit: CommitId, folder: &Path) -> Result<(), GitError> {
        let temp = self.temp_dir()?;
        let index = temp.path().join("index");
        let what = format!("writing the files of commit {commit}");
        let read = self.call(what.as_str(), Limit::Local).env("GIT_INDEX_FILE", &index);
        read.args(["read-tree", "--end-of-options", &format!("{commit}^{{tree}}")]).run().await?.bytes()?;
        let mut prefix = folder.as_os_str().to_owned();
        prefix.push("/");
        let mut option = std::ffi::OsString::from("--prefix=");
        option.push(&prefix);
        // A bare repository has no work tree; checkout-index wants one all the same, and writes nothing outside the prefix.
        let write = self.call(what, Limit::Local).env("GIT_INDEX_FILE", &index).env("GIT_WORK_TREE", folder);
        let write = write.rule("core.bare=false").rule("core.autocrlf=false").rule("core.symlinks=true");
        write.args(["checkout-index", "--all", "--quiet", "--force"]).arg(option).run().await?.bytes()?;
        Ok(())
    }

    async fn refuse_outside_links(&self, commit: CommitId, entries: &[TreeEntry]) -> Result<(), GitError> {
        let links: Vec<&TreeEntry> = entries.iter().filter(|entry| entry.kind == EntryKind::Symlink).collect();
        let ids: Vec<_> = links.iter().map(|entry| entry.id).collect();
        let targets = self.read_blobs(&ids).await?;
        let by_path: BTreeMap<String, String> =
            links.iter().zip(targets).map(|(entry, target)| (entry.path.clone(), String::from_utf8_lossy(&target).into_owned())).collect();
        for (path, target) in &by_path {
            if leads_outside(path, &by_path) {
                return Err(link(commit, path, &format!("it is a symbolic link to {target:?}, which leads out of the repository")));
            }
        }
        Ok(())
    }
}

/// The folder that the files are written into first: always the same for the same `dest`, so that a later try finds what an earlier one left.
fn partial_path(dest: &Path) -> Result<PathBuf, GitError> {
    let name = dest.file_name().ok_or_else(|| GitError::bad(format!("the folder {}", dest.display()), "it has no name"))?;
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(".partial");
    Ok(dest.with_file_name(partial))
}
