//! Looks at repositories and writes down what is new: the only way in which the world outside becomes facts.
//!
//! A webhook only makes it look sooner; what is not announced is seen at the next look (law 2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use towpath_catalog::Catalog;
use towpath_domain::{BranchName, CommitId, RepoUrl, Span};
use towpath_engine::{CommitInfo, Event};
use towpath_git::{GitError, Mirror};
use towpath_runs::World;

/// How many first-parent commits of a branch are kept as facts. A target that is further behind counts as older than all of them.
pub(crate) const DEPTH: usize = 200;

/// How many repositories are looked at at the same time.
const AT_ONCE: usize = 8;

/// How often repositories are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Repositories on this machine: a look is a few stat calls.
    pub local: Span,
    /// All others: a look is a connection.
    pub remote: Span,
}

impl Default for Pace {
    fn default() -> Self {
        Self { local: Span::from_millis(200), remote: Span::from_secs(30) }
    }
}

/// What is looked at: each repository with the branches that matter.
pub(crate) fn watched(world: &World, catalog: &Catalog) -> BTreeMap<RepoUrl, BTreeSet<BranchName>> {
    let mut all: BTreeMap<RepoUrl, BTreeSet<BranchName>> = BTreeMap::new();
    all.entry(world.config.url.clone()).or_default().insert(world.config.branch.clone());
    for source in catalog.sources.values() {
        all.entry(source.url.clone()).or_default().insert(source.branch.clone());
    }
    for target in catalog.targets.values().filter(|t| !t.disable) {
        if let Some(branch) = &target.branch {
            all.entry(target.url.clone()).or_default().insert(branch.clone());
        }
    }
    all
}

/// One repository's state between looks.
#[derive(Default)]
struct Look {
    signature: Option<u64>,
    last: Option<Instant>,
    /// The last look failed: signatures say nothing until one succeeds.
    failed: bool,
}

/// Looks at everything that is watched, for as long as it is polled.
pub(crate) struct Observer {
    world: Arc<World>,
    pace: Pace,
    looks: BTreeMap<RepoUrl, Look>,
    /// Told when the config repository has a new head.
    config_moved: Arc<Notify>,
}

impl Observer {
    pub(crate) fn new(world: Arc<World>, pace: Pace, config_moved: Arc<Notify>) -> Self {
        Self { world, pace, looks: BTreeMap::new(), config_moved }
    }

    /// How long until the next look is due.
    pub(crate) fn pause(&self) -> Duration {
        self.pace.local.to_std()
    }

    /// Looks at each repository that is due; at every one of them when `all`.
    pub(crate) async fn look(&mut self, watched: &BTreeMap<RepoUrl, BTreeSet<BranchName>>, all: bool) {
        self.looks.retain(|url, _| watched.contains_key(url));
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut looking = JoinSet::new();
        for (url, branches) in watched {
            let signature = self.world.mirrors.git().change_signature(url).await;
            let look = self.looks.entry(url.clone()).or_default();
            let pace = if signature.is_some() { self.pace.local } else { self.pace.remote };
            let due = look.last.is_none_or(|last| last.elapsed() >= pace.to_std());
            let unchanged = signature.is_some() && signature == look.signature && !look.failed;
            // A local repository that could not be read is tried at the slower pace: nothing else would slow it down.
            let resting = look.failed && look.last.is_some_and(|last| last.elapsed() < Duration::from_secs(2));
            if !all && (!due || unchanged || resting) {
                continue;
            }
            look.last = Some(Instant::now());
            look.signature = signature;
            let (world, url, branches, permits) = (Arc::clone(&self.world), url.clone(), branches.clone(), Arc::clone(&permits));
            looking.spawn(async move {
                let _permit = permits.acquire().await;
                let fine = look_at(&world, &url, &branches, signature.is_some()).await;
                (url, fine)
            });
        }
        while let Some(done) = looking.join_next().await {
            let Ok((url, fine)) = done else { continue };
            if let Some(look) = self.looks.get_mut(&url) {
                look.failed = fine.is_none();
            }
            if fine == Some(true) && url == self.world.config.url {
                self.config_moved.notify_one();
            }
        }
    }
}

/// Looks at one repository and records what is new. Answers whether there was something new; nothing when it could not be reached.
async fn look_at(world: &World, url: &RepoUrl, branches: &BTreeSet<BranchName>, local: bool) -> Option<bool> {
    let mut news = false;
    let mut reached = true;
    match heads(world, url, branches, local).await {
        Ok((mirror, heads)) => {
            for (branch, head) in heads {
                match see(world, &mirror, url, &branch, head).await {
                    Ok(new) => news |= new,
                    Err(error) => {
                        reached = false;
                        news |= unreachable(world, url, &branch, &error.to_string()).await;
                    }
                }
            }
        }
        Err(error) => {
            reached = false;
            for branch in branches {
                news |= unreachable(world, url, branch, &error.to_string()).await;
            }
        }
    }
    reached.then_some(news)
}

/// The heads of the branches, with a mirror that has them. Fetches only when one is new.
async fn heads(
    world: &World,
    url: &RepoUrl,
    branches: &BTreeSet<BranchName>,
    local: bool,
) -> Result<(Arc<Mirror>, Vec<(BranchName, Option<CommitId>)>), GitError> {
    let mirror = world.mirrors.get(url).await?;
    let mut fetch = local;
    if !local {
        for branch in branches {
            let there = world.mirrors.git().ls_remote(url, branch).await?;
            fetch |= there.is_none() || there != mirror.resolve(branch).await?;
        }
    }
    if fetch {
        mirror.fetch().await?;
    }
    let mut heads = Vec::new();
    for branch in branches {
        heads.push((branch.clone(), mirror.resolve(branch).await?));
    }
    Ok((mirror, heads))
}

async fn see(world: &World, mirror: &Mirror, url: &RepoUrl, branch: &BranchName, head: Option<CommitId>) -> Result<bool, GitError> {
    let Some(head) = head else {
        return Ok(unreachable(world, url, branch, &format!("it has no branch {branch}")).await);
    };
    let known = {
        let facts = world.ledger.facts();
        let fact = facts.branches.get(&(url.clone(), branch.clone()));
        fact.is_some_and(|fact| fact.unreachable.is_none() && fact.commits.first().is_some_and(|c| c.id == head))
    };
    if known {
        return Ok(false);
    }
    let commits = mirror.first_parent(head, DEPTH).await?;
    let commits = commits
        .into_iter()
        .map(|c| CommitInfo { id: c.id, subject: c.subject, author: c.author_name, at: c.committed_at })
        .collect();
    record(world, Event::BranchSeen { url: url.clone(), branch: branch.clone(), commits }).await;
    Ok(true)
}

/// Records that a branch cannot be reached, unless that is known already.
async fn unreachable(world: &World, url: &RepoUrl, branch: &BranchName, error: &str) -> bool {
    let known = {
        let facts = world.ledger.facts();
        facts.branches.get(&(url.clone(), branch.clone())).and_then(|fact| fact.unreachable.clone()).is_some_and(|(_, known)| known == error)
    };
    if known {
        return false;
    }
    record(world, Event::BranchUnreachable { url: url.clone(), branch: branch.clone(), error: error.to_owned() }).await;
    true
}

async fn record(world: &World, event: Event) {
    if let Err(error) = world.ledger.append(None, "towpath", world.clock.now(), vec![event]).await {
        // Not lost: the next look sees the same again.
        tracing::error!(%error, "what was seen could not be recorded");
    }
}
