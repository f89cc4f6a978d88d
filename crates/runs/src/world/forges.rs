//! The forges that sources are on: one per repository and branch, made when first asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use towpath_catalog::ForgeKind;
use towpath_domain::{BranchName, RepoUrl};
use towpath_forge::{Forge, ForgeError, PlainGit};

use super::Mirrors;

/// Who knows which hosted forge a repository is on, and who Towpath is there.
pub trait Hosts: Send + Sync {
    /// Which kind of forge it is, for the accounts of people; none where nothing is known of it.
    fn kind(&self, url: &RepoUrl) -> Option<ForgeKind>;

    /// The forge of the repository that `plain` is about, which is to be merged into the branch of `plain`; none where nothing is known of it.
    /// Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`ForgeError::Api`] when what is known does not say where its API is, or is no way to reach it.
    fn forge(&self, plain: &PlainGit) -> Result<Option<Arc<dyn Forge>>, ForgeError>;
}

/// The forges that sources are on. Where no hosted one is known, it is plain Git.
pub struct SourceForges {
    mirrors: Mirrors,
    hosts: Box<dyn Hosts>,
    made: Mutex<HashMap<(RepoUrl, BranchName), Arc<dyn Forge>>>,
}

impl SourceForges {
    /// Forges over these mirrors, as `hosts` knows them.
    pub fn new(mirrors: Mirrors, hosts: Box<dyn Hosts>) -> Self {
        Self { mirrors, hosts, made: Mutex::default() }
    }

    /// Nothing but plain Git.
    pub fn plain(mirrors: Mirrors) -> Self {
        Self::new(mirrors, Box::new(NoHosts))
    }

    /// The forge of the repository at `url`, for changes into `branch`: the same one each time, for as long as the process lives.
    ///
    /// # Errors
    /// [`ForgeError::Git`] when the repository's mirror can be neither opened nor made; [`ForgeError::Api`] when the settings do not say where
    /// its API is. Nothing of that is remembered.
    pub async fn of(&self, url: &RepoUrl, branch: &BranchName) -> Result<Arc<dyn Forge>, ForgeError> {
        let key = (url.clone(), branch.clone());
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(forge) = made().get(&key) {
            return Ok(Arc::clone(forge));
        }
        let mirror = self.mirrors.get(url).await?;
        let mut made = made();
        // Somebody may have been faster.
        if let Some(forge) = made.get(&key) {
            return Ok(Arc::clone(forge));
        }
        let plain = PlainGit::new((*mirror).clone(), branch.clone());
        let forge = match self.hosts.forge(&plain)? {
            Some(forge) => forge,
            None => Arc::new(plain),
        };
        made.insert(key, Arc::clone(&forge));
        Ok(forge)
    }

    /// Which kind of hosted forge the repository at `url` is on, for the accounts of people; none on plain Git.
    pub fn kind(&self, url: &RepoUrl) -> Option<ForgeKind> {
        self.hosts.kind(url)
    }
}

/// Nobody knows any.
struct NoHosts;

impl Hosts for NoHosts {
    fn kind(&self, _url: &RepoUrl) -> Option<ForgeKind> {
        None
    }

    fn forge(&self, _plain: &PlainGit) -> Result<Option<Arc<dyn Forge>>, ForgeError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use towpath_forge::Number;
    use towpath_git::{Git, Identity, Settings};

    use super::*;

    /// Knows what is below one folder, and fails at it first.
    struct Below {
        folder: String,
        asked: Arc<AtomicUsize>,
    }

    impl Hosts for Below {
        fn kind(&self, url: &RepoUrl) -> Option<ForgeKind> {
            url.expose().starts_with(&self.folder).then_some(ForgeKind::GitLab)
        }

        fn forge(&self, plain: &PlainGit) -> Result<Option<Arc<dyn Forge>>, ForgeError> {
            if self.kind(plain.mirror().url()).is_none() {
                return Ok(None);
            }
            match self.asked.fetch_add(1, Ordering::SeqCst) {
                0 => Err(ForgeError::Unable { forge: "the first".to_owned(), what: "anything" }),
                _ => Ok(Some(Arc::new(plain.clone()))),
            }
        }
    }

    fn branch(name: &str) -> BranchName {
        BranchName::new(name).unwrap()
    }

    #[tokio::test]
    async fn a_forge_is_made_once_for_a_repository_and_branch_and_a_failure_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::new(Settings::new(Identity::new("T", "t@example.com").unwrap()));
        let mirrors = Mirrors::new(git, folder.path().join("mirrors"));
        let url = |name: &str| RepoUrl::new(folder.path().join(name).to_str().unwrap()).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let below = Below { folder: format!("{}/team/", folder.path().display()), asked: Arc::clone(&asked) };
        let forges = SourceForges::new(mirrors.clone(), Box::new(below));
        let (known, other) = (url("team/web.git"), url("other.git"));
        assert_eq!((forges.kind(&known), forges.kind(&other)), (Some(ForgeKind::GitLab), None));
        assert!(forges.of(&known, &branch("main")).await.is_err());
        let main = branch("main");
        let (one, two) = tokio::join!(forges.of(&known, &main), forges.of(&known, &main));
        assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
        assert_eq!(asked.load(Ordering::SeqCst), 2, "once in vain, and once for both");
        forges.of(&known, &branch("live")).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        // What nobody knows is plain Git, of its own branch.
        assert_eq!(forges.of(&other, &branch("live")).await.unwrap().name(), "plain git");
        let error = SourceForges::plain(mirrors).of(&known, &branch("live")).await.unwrap().pull(Number(1)).await.unwrap_err();
        assert!(error.to_string().contains("team/web.git"), "{error}");
    }
}
