//! Looks at remotes without a copy of them.

mod signature;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use towpath_domain::{BranchName, CommitId, RepoUrl};

use crate::command::{Limit, REMOTE};
use crate::names::branch_ref;
use crate::{Git, GitError};

impl Git {
    /// The head of `branch` at `url`, by one cheap call; `None` when there is no such branch.
    ///
    /// # Errors
    /// [`GitError::Unreachable`], [`GitError::NotFound`] (no such repository), [`GitError::Refused`], [`GitError::Timeout`],
    /// [`GitError::BadInput`] for a name that is no branch's.
    pub async fn ls_remote(&self, url: &RepoUrl, branch: &BranchName) -> Result<Option<CommitId>, GitError> {
        let name = branch_ref(branch)?;
        let mut refs = self.ls_remote_refs(url, std::slice::from_ref(&name)).await?;
        Ok(refs.remove(&name))
    }

    /// The heads of `branches` at `url`, by one call however many they are; absent ones are left out.
    ///
    /// # Errors
    /// Those of [`Git::ls_remote`].
    pub async fn ls_remote_branches(
        &self,
        url: &RepoUrl,
        branches: &BTreeSet<BranchName>,
    ) -> Result<BTreeMap<BranchName, CommitId>, GitError> {
        let mut names = Vec::with_capacity(branches.len());
        for branch in branches {
            names.push(branch_ref(branch)?);
        }
        let mut refs = self.ls_remote_refs(url, &names).await?;
        Ok(branches.iter().zip(names).filter_map(|(branch, name)| Some((branch.clone(), refs.remove(&name)?))).collect())
    }

    /// What the named refs are at `url`; absent ones are left out. The names are full and were checked.
    pub(crate) async fn ls_remote_refs(&self, url: &RepoUrl, names: &[String]) -> Result<BTreeMap<String, CommitId>, GitError> {
        let what = format!("looking at the refs of {url}");
        let call = self.call(what, Limit::Look).remote(url).args(["ls-remote", "--refs", "--quiet", "--", REMOTE]).args(names);
        let text = call.run().await?.text()?;
        let mut refs = BTreeMap::new();
        for line in text.lines() {
            // A pattern matches the end of a name, so other refs may be listed, too.
            if let Some((id, name)) = line.split_once('\t')
                && names.iter().any(|wanted| wanted == name)
                && let Ok(id) = id.parse()
            {
                refs.insert(name.to_owned(), id);
            }
        }
        Ok(refs)
    }

    /// A number that changes whenever a branch at `url` changes, for repositories on this machine; `None` for all others and for
    /// repositories that are not there. It costs a few `stat` calls and starts no process, so it can be asked for many times a second.
    ///
    /// Which URLs are local (by path, `file://` or an `insteadOf` rule) is found out once per URL and remembered.
    pub async fn change_signature(&self, url: &RepoUrl) -> Option<u64> {
        let dir = self.local_dir(url).await?;
        tokio::task::spawn_blocking(move || signature::of_repository(&dir)).await.ok().flatten()
    }

    /// Whether `url` leads to this machine, be there a repository or not.
    pub async fn is_local(&self, url: &RepoUrl) -> bool {
        self.local_dir(url).await.is_some()
    }

    async fn local_dir(&self, url: &RepoUrl) -> Option<PathBuf> {
        match self.known_local_dir(url) {
            Some(known) => known,
            None => {
                let found = signature::local_dir(&self.effective_url(url).await.ok()?);
                self.remember_local_dir(url, found.clone());
                found
            }
        }
    }

    /// The URL after the user's `insteadOf` rules. It may hold credentials.
    async fn effective_url(&self, url: &RepoUrl) -> Result<String, GitError> {
        // Most have no such rule at all: one question then spares a process for each of thousands of repositories.
        if !self.rewrites_urls().await? {
            return Ok(url.expose().to_owned());
        }
        let call = self.call("applying insteadOf rules", Limit::Local).remote(url).args(["ls-remote", "--get-url", "--", REMOTE]);
        Ok(call.run().await?.text()?.trim_end_matches('\n').to_owned())
    }
}
