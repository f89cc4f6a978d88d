//! One mirror per repository, opened when first needed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use towpath_domain::{BranchName, CommitId, RepoUrl};
use towpath_git::{Git, GitError, Mirror};

/// Copies of repositories, one per URL, below one folder. Clones are the same ones.
#[derive(Clone)]
pub struct Mirrors {
    git: Git,
    dir: PathBuf,
    open: Arc<Mutex<HashMap<RepoUrl, Arc<Mirror>>>>,
}

/// Why a commit or branch could not be had.
pub type MirrorError = GitError;

impl Mirrors {
    /// Mirrors kept below `dir`.
    pub fn new(git: Git, dir: PathBuf) -> Self {
        Self { git, dir, open: Arc::default() }
    }

    /// The git program.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// The mirror of `url`, as it is: nothing is fetched.
    ///
    /// # Errors
    /// When it can be neither opened nor made.
    pub async fn get(&self, url: &RepoUrl) -> Result<Arc<Mirror>, GitError> {
        let mut open = self.open.lock().await;
        if let Some(mirror) = open.get(url) {
            return Ok(Arc::clone(mirror));
        }
        let mirror = Arc::new(Mirror::open(&self.git, self.dir.join(folder(url)), url).await?);
        open.insert(url.clone(), Arc::clone(&mirror));
        Ok(mirror)
    }

    /// The mirror of `url`, with `commit` in it.
    ///
    /// # Errors
    /// When the repository cannot be reached, or has no such commit.
    pub async fn with_commit(&self, url: &RepoUrl, commit: CommitId) -> Result<Arc<Mirror>, GitError> {
        let mirror = self.get(url).await?;
        if !mirror.has_commit(commit).await? {
            mirror.fetch().await?;
            // Whether it came is told by whoever reads it: with what was to be read.
            let _came = mirror.fetch_commit(commit).await?;
        }
        Ok(mirror)
    }

    /// Fetches `url` and answers with the head of `branch`.
    ///
    /// # Errors
    /// When the repository cannot be reached.
    pub async fn head(&self, url: &RepoUrl, branch: &BranchName) -> Result<Option<CommitId>, GitError> {
        let mirror = self.get(url).await?;
        mirror.fetch().await?;
        mirror.resolve(branch).await
    }
}

/// A folder's name for a URL: readable, and never two URLs in one.
fn folder(url: &RepoUrl) -> String {
    let hash: String = Sha256::digest(url.expose().as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect();
    let shown = url.to_string();
    let last = shown.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(40).collect();
    format!("{name}-{hash}.git")
}
