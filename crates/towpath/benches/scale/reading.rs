//! Reading the config repository: cold, and after commits that change one file each.

use std::path::Path;
use std::time::{Duration, Instant};

use towpath_domain::{BranchName, RepoUrl};
use towpath_git::{Git, Identity, Mirror, Settings};
use towpath_runs::world::Catalogs;

use crate::repository::Repository;
use crate::tell;

/// How many small commits are read.
const COMMITS: usize = 5;

pub fn measure(folder: &Path, repository: &Repository) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(read(folder, repository));
}

async fn read(folder: &Path, repository: &Repository) {
    let git = Git::new(Settings::new(Identity::new("bench", "bench@localhost").unwrap()));
    let url = RepoUrl::new(repository.bare.to_str().unwrap()).unwrap();
    let main = BranchName::new("main").unwrap();
    let mirror = Mirror::open(&git, folder.join("mirror.git"), &url).await.unwrap();
    let begun = Instant::now();
    mirror.fetch().await.unwrap();
    tell("first fetch of the config repository", begun.elapsed());
    let catalogs = Catalogs::default();
    let head = mirror.resolve(&main).await.unwrap().unwrap();
    let begun = Instant::now();
    let snapshot = catalogs.at(&mirror, head).await.unwrap();
    tell("read and validated from Git, cold", begun.elapsed());
    assert_eq!(snapshot.errors(), 0);

    let (mut fetched, mut read): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    for _ in 0..COMMITS {
        repository.small_commit();
        let begun = Instant::now();
        mirror.fetch().await.unwrap();
        let head = mirror.resolve(&main).await.unwrap().unwrap();
        fetched.push(begun.elapsed());
        let begun = Instant::now();
        assert_eq!(catalogs.at(&mirror, head).await.unwrap().errors(), 0);
        read.push(begun.elapsed());
    }
    tell("fetch after a one-file commit (median)", median(&mut fetched));
    tell("read and validated after a one-file commit (median)", median(&mut read));
}

pub fn median(values: &mut [Duration]) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
