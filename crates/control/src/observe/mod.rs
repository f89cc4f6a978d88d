//! Looks at repositories and writes down what is new: the only way in which the world outside becomes facts.
//!
//! A webhook only makes it look sooner; what is not announced is seen at the next look (law 2). What it costs grows with what changed, not
//! with what is there (law 7): a local repository is asked by file metadata alone whether it changed, a remote one by one call, and of
//! very many, each is asked less often ([`schedule`]).

mod ahead;
mod look;
mod schedule;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};
use towpath_catalog::Catalog;
use towpath_domain::{BranchName, RepoUrl, Span};
use towpath_runs::World;
use towpath_runs::world::Snapshot;

pub(crate) use ahead::catch_up;
pub(crate) use look::{missing, unreachable};
use schedule::Schedule;
pub(crate) use schedule::may_be_called;

/// How many first-parent commits of a branch are kept as facts. A target that is further behind counts as older than all of them.
pub(crate) const DEPTH: usize = 200;

/// How many remote repositories are looked at at the same time.
const REMOTE_AT_ONCE: usize = 8;

/// How many local ones: nobody waits for a network there, so that more would only fight over this machine.
const LOCAL_AT_ONCE: usize = 4;

/// How often repositories are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Repositories on this machine: a look is a few stat calls.
    pub local: Span,
    /// All others: a look is a connection. With more than some hundreds of them, each is looked at less often.
    pub remote: Span,
}

impl Default for Pace {
    fn default() -> Self {
        Self { local: Span::from_millis(50), remote: Span::from_secs(30) }
    }
}

/// What is looked at: each repository with the branches that matter.
fn watched(world: &World, catalog: &Catalog) -> BTreeMap<RepoUrl, BTreeSet<BranchName>> {
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

/// Looks at everything that is watched, for as long as it is polled.
pub(crate) struct Observer {
    world: Arc<World>,
    schedule: Schedule,
    /// The catalog that the schedule is of.
    of: Option<Arc<Snapshot>>,
    looking: JoinSet<bool>,
    /// What each task looks at.
    names: HashMap<Id, RepoUrl>,
    local: Arc<Semaphore>,
    remote: Arc<Semaphore>,
}

impl Observer {
    pub(crate) fn new(world: Arc<World>, pace: Pace) -> Self {
        let schedule = Schedule::new(pace, world.config.url.clone());
        let (local, remote) = (Arc::new(Semaphore::new(LOCAL_AT_ONCE)), Arc::new(Semaphore::new(REMOTE_AT_ONCE)));
        Self { world, schedule, of: None, looking: JoinSet::new(), names: HashMap::new(), local, remote }
    }

    /// Looks at what the catalog that counts now names.
    pub(crate) fn follow_catalog(&mut self) {
        let current = self.world.current();
        if self.of.as_ref().is_none_or(|of| !Arc::ptr_eq(of, &current)) {
            self.schedule.watch(watched(&self.world, &current.catalog), Instant::now());
            self.of = Some(current);
        }
    }

    /// Looks at everything without waiting for its turn.
    pub(crate) fn hurry_all(&mut self) {
        self.schedule.hurry_all(Instant::now());
    }

    /// Looks at those without waiting for their turn that a forge may call one of `names`.
    pub(crate) fn hurry_named(&mut self, names: &BTreeSet<String>) {
        self.schedule.hurry_named(names, Instant::now());
    }

    /// Looks at the config repository without waiting for its turn.
    pub(crate) fn hurry_config(&mut self) {
        self.schedule.hurry(&self.world.config.url, Instant::now());
    }

    /// Begins a look at each repository that is due and that may have changed.
    pub(crate) async fn begin_looks(&mut self) {
        let git = self.world.mirrors.git();
        let begun = Instant::now();
        let mut asking = Duration::ZERO;
        for url in self.schedule.take_due(begun) {
            let asked = Instant::now();
            let local = git.is_local(&url).await;
            let signature = if local { git.change_signature(&url).await } else { None };
            if local {
                asking += asked.elapsed();
            }
            let Some(look) = self.schedule.begin(&url, local, signature, Instant::now()) else { continue };
            // The config repository waits for nobody.
            let turns =
                if url == self.world.config.url { None } else { Some(Arc::clone(if look.local { &self.local } else { &self.remote })) };
            let world = Arc::clone(&self.world);
            let task = self.looking.spawn(async move {
                let _turn = match turns {
                    Some(turns) => turns.acquire_owned().await.ok(),
                    None => None,
                };
                look::look_at(&world, &look).await
            });
            self.names.insert(task.id(), url);
        }
        self.schedule.asking_took(asking, Instant::now());
    }

    /// Waits until a look is over or the next one is due.
    pub(crate) async fn wait(&mut self) {
        let next = self.schedule.next().unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
        tokio::select! {
            Some(done) = self.looking.join_next_with_id() => {
                let (task, well) = match done {
                    Ok(done) => done,
                    Err(error) => {
                        tracing::error!(%error, "a look at a repository ended badly");
                        (error.id(), false)
                    }
                };
                if let Some(url) = self.names.remove(&task) {
                    self.schedule.done(&url, well, Instant::now());
                }
            }
            () = tokio::time::sleep_until(next.into()) => {}
        }
    }
}
