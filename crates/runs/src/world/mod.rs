//! Everything that runs reach for: the ledger, repositories, images, clusters, and where files are kept.

mod artifacts;
mod builders;
mod catalogs;
mod clock;
mod forges;
mod images;
mod log;
mod mirrors;
mod namespaces;
mod results;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use towpath_catalog::ForgeKind;
use towpath_cluster::{Cluster, UnnamedCluster};
use towpath_domain::{BranchName, ClusterName, FailureClass, Pages, RepoUrl, RunId, Timestamp};
use towpath_forge::{CommitPages, Forge};
use towpath_ledger::Ledger;
use towpath_ledger::logs::Logs;
use towpath_registry::Registries;
use towpath_secrets::SecretStore;

use crate::journal::Stop;
use crate::render::{Secrets, Surroundings};
use crate::train::Train;

pub use artifacts::{Artifacts, TestArtifacts};
pub use builders::Builders;
pub use catalogs::{CatalogError, Catalogs, Snapshot};
pub use clock::Clock;
pub use forges::{Hosts, SourceForges};
pub use images::Images;
pub use log::LogSink;
pub use mirrors::{MirrorError, Mirrors};
pub use namespaces::{namespace_wanted, requester};
pub use results::Results;

/// Everything that runs reach for. Shared by all of them.
pub struct World {
    /// The catalog that counts now.
    pub current: Current,
    /// What happened, and what is queued.
    pub ledger: Ledger,
    /// Copies of repositories.
    pub mirrors: Mirrors,
    /// The config repository.
    pub config: ConfigRepository,
    /// The forges that sources are on.
    pub forges: SourceForges,
    /// How several changes get there at once.
    pub train: Train,
    /// Catalogs by commit of the config repository.
    pub catalogs: Catalogs,
    /// Images.
    pub registry: Arc<Registries>,
    /// Where objects run.
    pub clusters: Clusters,
    /// Where their tests leave reports beside the log.
    pub artifacts: Artifacts,
    /// Where secret values are.
    pub secrets: Arc<dyn SecretStore>,
    /// What time it is.
    pub clock: Clock,
    /// Where builds are carried out.
    pub builders: Builders,
    /// The most memory, in bytes, that a run is given which ran out of it before.
    pub memory_max: u64,
    /// Where builds on this machine work: one folder a run, deleted with the run.
    pub builds: PathBuf,
    /// Where logs of runs are kept.
    pub logs: Logs,
    /// Where people find all this; none where no address was given: then nothing has links to it.
    pub pages: Option<Pages>,
    /// Where people find results of tests outside of Towpath.
    pub results: Option<Arc<dyn Results>>,
    /// The environment that commands of builds get, beside what Towpath and the source set: `PATH`, `HOME` and their like.
    pub host_env: Vec<(String, String)>,
}

/// The config repository and how changes get into it.
pub struct ConfigRepository {
    /// Its URL.
    pub url: RepoUrl,
    /// The branch that counts.
    pub branch: BranchName,
    /// Where changes are made.
    pub forge: Arc<dyn Forge>,
    /// Which hosted forge that is, for the accounts of people; none on plain Git.
    pub kind: Option<ForgeKind>,
    /// Where people see commits of sources.
    pub commits: CommitPages,
}

/// Clusters by the catalog's names.
pub struct Clusters {
    named: HashMap<ClusterName, Arc<dyn Cluster>>,
    embedded: Arc<dyn Cluster>,
}

impl Clusters {
    /// `named` ones; `embedded` stands for every name when none is named.
    pub fn new(named: HashMap<ClusterName, Arc<dyn Cluster>>, embedded: Arc<dyn Cluster>) -> Self {
        Self { named, embedded }
    }

    /// The cluster of this name. While others are named, one that is not refuses everything: a slip in a name must not deploy to the
    /// embedded runtime.
    pub fn get(&self, name: &ClusterName) -> Arc<dyn Cluster> {
        match self.named.get(name) {
            Some(cluster) => Arc::clone(cluster),
            None if self.named.is_empty() => Arc::clone(&self.embedded),
            None => Arc::new(UnnamedCluster::new(name.clone())),
        }
    }

    /// The names that this installation knows; none when all are the embedded runtime.
    pub fn names(&self) -> impl Iterator<Item = &ClusterName> {
        self.named.keys()
    }

    /// The embedded runtime.
    pub fn embedded(&self) -> &Arc<dyn Cluster> {
        &self.embedded
    }

    /// Every cluster once.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Cluster>> {
        self.named.values().chain(std::iter::once(&self.embedded))
    }
}

/// The catalog that counts now: the config repository's head as control adopted it.
#[derive(Default)]
pub struct Current(watch::Sender<Arc<Snapshot>>);

impl World {
    /// The catalog that counts now; empty before the config repository was read.
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.0.borrow())
    }

    /// The catalog that counts now, and each that takes its place.
    pub fn watch_current(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.current.0.subscribe()
    }

    /// Waits until a catalog counts that was read: before, an empty one must not be taken for all being removed.
    pub async fn config_read(&self) {
        // Fails only once nobody can make another one count; this is who does.
        let _ = self.watch_current().wait_for(|snapshot| snapshot.commit.is_some()).await;
    }

    /// Makes `snapshot` the one that counts.
    pub fn set_current(&self, snapshot: Arc<Snapshot>) {
        self.current.0.send_replace(snapshot);
    }

    /// What rendering reaches for.
    pub fn rendering<'a>(&'a self, secrets: Secrets<'a>) -> Surroundings<'a> {
        Surroundings { mirrors: &self.mirrors, environment: &self.host_env, secrets, registry: Some(&*self.registry) }
    }

    /// The catalog that counts, read when nobody has yet: a run that is taken up again after a start must not take an empty
    /// catalog for a removed target.
    pub(crate) async fn snapshot(&self) -> Result<Arc<Snapshot>, Stop> {
        let current = self.current();
        if current.commit.is_some() {
            return Ok(current);
        }
        let known = self.ledger.facts().config;
        let Some(commit) = known else {
            return Err(Stop::failed(FailureClass::Environment, format!("the config repository {} was never read", self.config.url)));
        };
        let mirror = self.mirrors.with_commit(&self.config.url, commit).await.map_err(|e| Stop::git(&e))?;
        self.catalogs.at(&mirror, commit).await.map_err(|e| Stop::failed(e.source.class(), e))
    }

    /// When a run was queued: the moment that everything it makes is dated with, so that making it again makes the same.
    pub(crate) async fn queued_at(&self, run: &RunId) -> Result<Timestamp, Stop> {
        Ok(self.ledger.run(run).await?.queued_at)
    }
}
