//! Runs the git program: one call is one process with fixed rules, a time limit and bounded output.

mod call;
mod process;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;
use towpath_domain::RepoUrl;

pub(crate) use call::{Call, Limit, REMOTE};
pub(crate) use process::{Running, keep_tail, spawn};

use crate::read::ReaderPool;
use crate::{GitError, Settings, mirror};

/// The oldest Git that has all that is used: `merge-tree --write-tree` came with 2.38.
const NEEDED: Version = Version { major: 2, minor: 38 };

/// The git program and how it is called. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Git {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    version: OnceCell<Version>,
    rewrites_urls: OnceCell<bool>,
    readers: ReaderPool,
    local_dirs: Mutex<HashMap<RepoUrl, Option<PathBuf>>>,
    mirrors: Mutex<HashMap<PathBuf, Weak<mirror::Inner>>>,
}

/// A version of Git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Git {
    /// A git program with its settings. Nothing is run yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                version: OnceCell::new(),
                rewrites_urls: OnceCell::new(),
                readers: ReaderPool::default(),
                local_dirs: Mutex::new(HashMap::new()),
                mirrors: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The program's version, asked for once.
    ///
    /// # Errors
    /// [`GitError::Program`] when it cannot be run, [`GitError::TooOld`] when it is older than 2.38.
    pub async fn version(&self) -> Result<Version, GitError> {
        self.inner.version.get_or_try_init(|| self.ask_version()).await.copied()
    }

    async fn ask_version(&self) -> Result<Version, GitError> {
        let output = self.call("git version", Limit::Look).arg("version").run().await?.text()?;
        let program = self.settings().program.display().to_string();
        let found = parse_version(&output).ok_or_else(|| GitError::Program {
            program: program.clone(),
            why: format!("it calls itself {:?}, which is not a version of Git", output.trim()),
        })?;
        if found < NEEDED {
            return Err(GitError::TooOld { program, found: found.to_string(), needed: NEEDED.to_string() });
        }
        Ok(found)
    }

    /// Whether the user has any `insteadOf` rule, asked once.
    pub(crate) async fn rewrites_urls(&self) -> Result<bool, GitError> {
        let ask = || async {
            let call = self.call("looking for insteadOf rules", Limit::Local);
            call.args(["config", "--name-only", "--get-regexp", r"^url\."]).run().await?.yes_or_no()
        };
        self.inner.rewrites_urls.get_or_try_init(ask).await.copied()
    }

    pub(crate) fn call(&self, what: impl Into<String>, limit: Limit) -> Call<'_> {
        Call::new(self, what.into(), limit)
    }

    pub(crate) fn readers(&self) -> &ReaderPool {
        &self.inner.readers
    }

    /// The mirror that is already open in `dir` and fits, or else `fresh`, which is remembered for as long as it is open.
    pub(crate) fn share_mirror(
        &self,
        dir: &Path,
        fresh: Arc<mirror::Inner>,
        fits: impl FnOnce(&mirror::Inner) -> bool,
    ) -> Arc<mirror::Inner> {
        let mut mirrors = self.inner.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        mirrors.retain(|_, open| open.strong_count() > 0);
        match mirrors.get(dir).and_then(Weak::upgrade) {
            Some(open) if fits(&open) => open,
            _ => {
                mirrors.insert(dir.to_owned(), Arc::downgrade(&fresh));
                fresh
            }
        }
    }

    /// Where a URL leads on this machine, if it was looked up before.
    pub(crate) fn known_local_dir(&self, url: &RepoUrl) -> Option<Option<PathBuf>> {
        self.inner.local_dirs.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned()
    }

    pub(crate) fn remember_local_dir(&self, url: &RepoUrl, dir: Option<PathBuf>) {
        self.inner.local_dirs.lock().unwrap_or_else(PoisonError::into_inner).insert(url.clone(), dir);
    }
}

impl fmt::Debug for Git {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Git").field("settings", self.settings()).finish_non_exhaustive()
    }
}

/// `git version 2.47.3`, `git version 2.39.5 (Apple Git-154)`, `git version 2.38.0.windows.1`.
fn parse_version(output: &str) -> Option<Version> {
    let mut numbers = output.trim().strip_prefix("git version ")?.split('.').map(|part| part.split(' ').next().unwrap_or_default());
    Some(Version { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_however_a_build_decorates_them() {
        for text in ["git version 2.47.3\n", "git version 2.47.3 (Apple Git-154)", "git version 2.47.0.windows.1", "git version 2.47"] {
            assert_eq!(parse_version(text), Some(Version { major: 2, minor: 47 }), "{text}");
        }
        assert_eq!(parse_version("hello"), None);
        assert!(Version { major: 2, minor: 9 } < NEEDED && NEEDED < Version { major: 3, minor: 0 });
    }
}
