//! Brings a mirror up to date.

use std::sync::atomic::Ordering;

use towpath_domain::{CommitId, GitRef};

use super::lock::{Attempt, Patience};
use crate::command::{Limit, REMOTE};
use crate::{GitError, Mirror};

/// Where single commits that no branch holds are kept, out of the reach of pruning.
const PINNED: &str = "refs/towpath/pinned";

impl Mirror {
    /// Makes the mirror's branches those of the repository: new ones come, moved ones move, deleted ones go. Tags are left alone.
    ///
    /// Killed at any moment, it is done again by the next call.
    ///
    /// # Errors
    /// [`GitError::Unreachable`], [`GitError::NotFound`], [`GitError::Refused`], [`GitError::Timeout`], [`GitError::Locked`],
    /// [`GitError::Corrupt`] (see [`Mirror::reset`]), [`GitError::Io`].
    pub async fn fetch(&self) -> Result<(), GitError> {
        // Of many who ask at the same time, one fetches for all whose asking came before it began.
        let asked = self.inner.fetches.load(Ordering::SeqCst);
        let mut turn = self.inner.fetching.lock().await;
        if *turn > asked {
            return Ok(());
        }
        let number = self.inner.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        self.fetch_refs(&["--prune"], "+refs/heads/*:refs/heads/*").await?;
        *turn = number;
        Ok(())
    }

    /// Makes `commit` readable even if no branch of the repository holds it any more. `false` when the repository does not give it: many
    /// servers only serve what their refs reach.
    ///
    /// # Errors
    /// Those of [`Mirror::fetch`], but not when the repository merely lacks or withholds the commit.
    pub async fn fetch_commit(&self, commit: CommitId) -> Result<bool, GitError> {
        self.pin(commit, &commit.to_string()).await
    }

    /// The same by a ref of the repository that holds it and is no branch, such as `refs/pull/7/head`: servers that refuse to serve single
    /// commits serve that. `false` when there is no such ref, or it does not hold the commit.
    ///
    /// # Errors
    /// Those of [`Mirror::fetch_commit`], and [`GitError::BadInput`] for what is no full name of a ref.
    pub async fn fetch_commit_by(&self, commit: CommitId, name: &str) -> Result<bool, GitError> {
        if !name.starts_with("refs/") || !matches!(name.parse(), Ok(GitRef::Branch(_))) {
            return Err(GitError::bad(format!("the ref {name:?}"), "it is no full name of a ref; see git-check-ref-format(1)"));
        }
        self.pin(commit, name).await
    }

    /// Fetches what `from` is, for the sake of `commit`.
    async fn pin(&self, commit: CommitId, from: &str) -> Result<bool, GitError> {
        if self.has_commit(commit).await? {
            return Ok(true);
        }
        let fetched = {
            let _turn = self.inner.fetching.lock().await;
            self.fetch_refs(&[], &format!("+{from}:{PINNED}/{commit}")).await
        };
        match fetched {
            Ok(()) => self.has_commit(commit).await,
            // Which of the two Git says depends on its version and on the protocol; a repository that is gone or closed says so here, too.
            Err(error @ (GitError::NotFound { .. } | GitError::Refused { .. })) => {
                self.git().ls_remote_refs(self.url(), &[]).await.map_err(|_| error)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The caller has the turn.
    async fn fetch_refs(&self, options: &[&str], refspec: &str) -> Result<(), GitError> {
        let mut patience = Patience::new();
        loop {
            let call = self
                .call(format!("fetching {}", self.url()), Limit::Transfer)
                .remote(self.url())
                .holding(self.inner.lock.duplicate()?)
                .args(["fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"])
                .args(["--recurse-submodules=no", "--no-show-forced-updates"])
                .args(options)
                .args(["--end-of-options", REMOTE, refspec]);
            match call.run().await?.bytes() {
                Ok(_) => return Ok(()),
                Err(GitError::Locked { dir, why }) => {
                    // A git that was killed in mid-work, or another holder of this mirror that fetches just now.
                    let alone = self.inner.lock.try_alone()? == Attempt::Held;
                    let repaired = if alone { self.repair_locks().await } else { Ok(()) };
                    self.inner.lock.share().await?;
                    repaired?;
                    if !patience.a_little().await {
                        return Err(GitError::Locked { dir, why });
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Like `repair`, but leaves the private files of calls that this process has under way.
    async fn repair_locks(&self) -> Result<(), GitError> {
        let dir = self.dir().to_owned();
        super::blocking(self.dir(), move || super::lock::remove_locks(&dir)).await
    }
}
