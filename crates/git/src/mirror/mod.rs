//! A bare copy of one repository on this machine.

mod fetch;
mod lock;
mod tidy;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tempfile::TempDir;
use towpath_domain::RepoUrl;

use crate::command::{Call, Limit};
use crate::{Git, GitError};
use lock::{Attempt, Lock};

/// Written last when a mirror is made: without it, making it was cut short and is done again.
const READY_FILE: &str = "towpath-ready";

/// Private indexes and their like. Emptied whenever nobody uses the mirror.
const TEMP_FOLDER: &str = "towpath-tmp";

/// A bare copy of one repository. All reads, commits and pushes go through it. Cheap to clone.
///
/// The mirror is a cache: it can be deleted whenever no Towpath runs. One Towpath process owns a mirrors' folder; within it, the same
/// mirror may be opened and used many times at once.
#[derive(Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    git: Git,
    dir: PathBuf,
    url: RepoUrl,
    lock: Lock,
    /// Held by whoever changes the mirror's own refs; the number of the last fetch of all branches that went well.
    fetching: tokio::sync::Mutex<u64>,
    /// The number of the last such fetch that began.
    fetches: AtomicU64,
}

impl Mirror {
    /// Opens the mirror of `url` in the folder `dir`, which is made if it is not there. Nothing is fetched yet.
    ///
    /// What a killed process left behind (a half-made repository, lock files, temporary files) is cleaned up as soon as nobody else has
    /// the mirror open.
    ///
    /// # Errors
    /// [`GitError::Io`] when the folder cannot be written, [`GitError::Locked`] when another process keeps preparing it, and those of
    /// [`Git::version`].
    pub async fn open(git: &Git, dir: impl AsRef<Path>, url: &RepoUrl) -> Result<Self, GitError> {
        git.version().await?;
        let dir = std::path::absolute(dir.as_ref()).map_err(|error| GitError::io(dir.as_ref(), &error))?;
        std::fs::create_dir_all(&dir).map_err(|error| GitError::io(&dir, &error))?;
        let lock = Lock::open(&dir)?;
        let (fetching, fetches) = (tokio::sync::Mutex::new(0), AtomicU64::new(0));
        let mirror = Self { inner: Arc::new(Inner { git: git.clone(), dir, url: url.clone(), lock, fetching, fetches }) };
        mirror.prepare().await?;
        // Two handles of one process would stand in each other's way when a leftover lock is to be removed.
        let inner = git.share_mirror(&mirror.inner.dir, mirror.inner.clone(), |other| other.url == *url);
        Ok(Self { inner })
    }

    /// Makes the mirror anew from nothing: the way out of [`GitError::Corrupt`]. Commits that were not pushed are gone; since every
    /// commit made here can be made again with the same id, that is no loss. The next [`Mirror::fetch`] fills it.
    ///
    /// # Errors
    /// [`GitError::Locked`] when another process uses the mirror, [`GitError::Io`].
    pub async fn reset(&self) -> Result<(), GitError> {
        let _turn = self.inner.fetching.lock().await;
        if self.inner.lock.try_alone()? == Attempt::Busy {
            self.inner.lock.share().await?;
            return Err(self.locked("another process has it open"));
        }
        self.git().readers().forget(self.dir());
        let dir = self.dir().to_owned();
        let emptied = blocking(self.dir(), move || lock::empty(&dir)).await;
        let made = match emptied {
            Ok(()) => self.make().await,
            Err(error) => Err(error),
        };
        self.inner.lock.share().await?;
        made
    }

    /// The folder, absolute.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// The repository that it mirrors.
    #[must_use]
    pub fn url(&self) -> &RepoUrl {
        &self.inner.url
    }

    /// The git program that it uses.
    #[must_use]
    pub fn git(&self) -> &Git {
        &self.inner.git
    }

    pub(crate) fn call(&self, what: impl Into<String>, limit: Limit) -> Call<'_> {
        self.inner.git.call(what, limit).dir(&self.inner.dir)
    }

    /// A folder for private files, gone when dropped.
    pub(crate) fn temp_dir(&self) -> Result<TempDir, GitError> {
        let parent = self.dir().join(TEMP_FOLDER);
        std::fs::create_dir_all(&parent).map_err(|error| GitError::io(&parent, &error))?;
        tempfile::Builder::new().prefix("call-").tempdir_in(&parent).map_err(|error| GitError::io(&parent, &error))
    }

    fn locked(&self, why: &str) -> GitError {
        GitError::Locked { dir: self.dir().display().to_string(), why: why.to_owned() }
    }

    /// Leaves the mirror made, clean if nobody else is in it, and open for sharing.
    async fn prepare(&self) -> Result<(), GitError> {
        let mut wait = lock::Patience::new();
        loop {
            if self.inner.lock.try_alone()? == Attempt::Held {
                let result = match self.repair().await {
                    Ok(()) if !self.is_made() => self.make().await,
                    other => other,
                };
                self.inner.lock.share().await?;
                return result;
            }
            if self.inner.lock.try_shared()? == Attempt::Held && self.is_made() {
                return Ok(());
            }
            // Another one is making it just now, or died while doing so: then the first branch is taken next time.
            self.inner.lock.release()?;
            if !wait.a_little().await {
                return Err(self.locked("another process has been preparing it for too long"));
            }
        }
    }

    fn is_made(&self) -> bool {
        self.dir().join(READY_FILE).is_file()
    }

    async fn make(&self) -> Result<(), GitError> {
        // No template: no sample hooks. The initial branch's name is never used, but without one Git may give advice.
        let args = ["init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--initial-branch=main", "--end-of-options"];
        self.call("making a mirror", Limit::Local).args(args).arg(self.dir()).run().await?.bytes()?;
        let dir = self.dir().to_owned();
        blocking(self.dir(), move || {
            let mut file = tempfile::NamedTempFile::new_in(&dir)?;
            std::io::Write::write_all(
                &mut file,
                b"This bare repository is Towpath's own cache; it can be deleted while Towpath does not run.\n",
            )?;
            file.as_file().sync_all()?;
            file.persist(dir.join(READY_FILE)).map(drop).map_err(|error| error.error)
        })
        .await
    }

    /// Cleans up after killed processes. Only for who is alone in the mirror.
    async fn repair(&self) -> Result<(), GitError> {
        let dir = self.dir().to_owned();
        blocking(self.dir(), move || lock::remove_leftovers(&dir, TEMP_FOLDER)).await
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("dir", &self.dir()).field("url", self.url()).finish_non_exhaustive()
    }
}

/// Work on files, away from the threads that must not wait.
pub(crate) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, GitError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| GitError::io(path, &error)),
        Err(error) => Err(GitError::Io { path: path.display().to_string(), why: error.to_string() }),
    }
}
