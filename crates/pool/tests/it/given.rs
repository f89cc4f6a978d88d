//! A world with one pool, its ledger on a disk, and a keeper.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use towpath_catalog::{Catalog, Place, Pool};
use towpath_cluster::Cluster;
use towpath_domain::{BranchName, ClusterName, CommitId, NamespaceName, PoolName, RepoUrl, ReservationId, Span};
use towpath_engine::pool::{Holder, PoolEvent, ReservationEnd, ReservationSpec, ReservationState};
use towpath_engine::{Event, Facts, reservation_of_person};
use towpath_forge::PlainGit;
use towpath_git::{Git, Identity, Settings};
use towpath_ledger::logs::{Limits, Logs};
use towpath_ledger::{EventFilter, Ledger};
use towpath_pool::Keeper;
use towpath_registry::{LayoutRegistry, Registries};
use towpath_runs::Train;
use towpath_runs::world::{
    Artifacts, Builders, Catalogs, Clock, Clusters, ConfigRepository, Current, Mirrors, Snapshot, SourceForges, World,
};
use towpath_secrets::Stores;

use crate::played::{Play, Played};

/// Longer than anything takes: only a hang comes to this.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct House {
    pub world: Arc<World>,
    pub cluster: Arc<Played>,
    keeper: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    _folder: TempDir,
}

pub fn space(name: &str) -> NamespaceName {
    NamespaceName::new(name).unwrap()
}

fn pool(operator: Option<&str>) -> Pool {
    let span = |text: &str| text.parse::<Span>().unwrap();
    Pool {
        name: PoolName::new("smoke").unwrap(),
        cluster: ClusterName::new("local").unwrap(),
        app: None,
        environment: None,
        size: 1,
        limit: 5,
        lease: span("1h"),
        longest: span("12h"),
        warn: span("10m"),
        each: None,
        quotas: Vec::new(),
        limit_ranges: Vec::new(),
        secrets: None,
        manifests: Vec::new(),
        expected: Vec::new(),
        operator: operator.map(Into::into),
        made_hash: Arc::from("a"),
        place: Place { file: Arc::from("data/pool.yml"), line: 1, column: 1, start: 0, end: 1 },
    }
}

impl House {
    /// Nothing was read yet, and nothing is kept.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join(".towpath");
        let ledger = Ledger::open(&state).await.unwrap();
        let identity = Identity::new("Test".to_owned(), "test@example.com".to_owned()).unwrap();
        let mirrors = Mirrors::new(Git::new(Settings::new(identity)), state.join("mirrors"));
        let url = RepoUrl::new(folder.path().join("config.git").display().to_string()).unwrap();
        let branch = BranchName::new("main").unwrap();
        let mirror = mirrors.get(&url).await.unwrap();
        let registry = Registries::new(LayoutRegistry::open(state.join("registry")).unwrap(), Vec::new()).unwrap();
        let cluster = Arc::new(Played::new());
        let world = Arc::new(World {
            current: Current::default(),
            ledger,
            forges: SourceForges::plain(mirrors.clone()),
            mirrors,
            config: ConfigRepository {
                url,
                branch: branch.clone(),
                forge: Arc::new(PlainGit::new((*mirror).clone(), branch)),
                kind: None,
                commits: Default::default(),
            },
            pages: None,
            train: Train::new(NonZeroUsize::MIN),
            catalogs: Catalogs::default(),
            registry: Arc::new(registry),
            clusters: Clusters::new(HashMap::new(), Arc::clone(&cluster) as Arc<dyn Cluster>),
            artifacts: Artifacts::new(HashMap::new()),
            secrets: Arc::new(Stores::none()),
            clock: Clock::system(),
            builders: Builders::new(None),
            memory_max: 1 << 30,
            builds: state.join("builds"),
            logs: Logs::new(state.join("logs"), Limits::default()),
            results: None,
            host_env: Vec::new(),
        });
        let house = Self { world, cluster, keeper: None, _folder: folder };
        house.tell(PoolEvent::Named { name: "us".into() }).await;
        house
    }

    /// With a pool that Towpath makes itself, which is kept.
    pub async fn kept() -> Self {
        let mut house = Self::new().await;
        house.read(None);
        house.keep();
        house
    }

    /// With a pool that an operator has.
    pub async fn leased() -> Self {
        let mut house = Self::new().await;
        house.read(Some("default"));
        house.keep();
        house
    }

    /// The config repository is read.
    pub fn read(&self, operator: Option<&str>) {
        let mut catalog = Catalog::default();
        let pool = pool(operator);
        catalog.pools.insert(pool.name.clone(), Arc::new(pool));
        let commit: CommitId = "1".repeat(40).parse().unwrap();
        self.world.set_current(Arc::new(Snapshot { commit: Some(commit), catalog: Arc::new(catalog), diagnostics: Vec::new() }));
    }

    pub fn keep(&mut self) {
        let (stop, stopped) = watch::channel(false);
        let going = tokio::spawn(Keeper::new(Arc::clone(&self.world)).run(stopped));
        self.keeper = Some((stop, going));
    }

    pub async fn stop(&mut self) {
        let (stop, going) = self.keeper.take().unwrap();
        stop.send_replace(true);
        going.await.unwrap();
    }

    pub async fn tell(&self, event: PoolEvent) {
        self.world.ledger.append(None, "test", self.world.clock.now(), vec![Event::Pool(event)]).await.unwrap();
    }

    pub fn play(&self, change: impl FnOnce(&mut Play)) {
        self.cluster.play.send_modify(change);
    }

    /// A namespace that is made and ready.
    pub async fn ready(&self, name: &str) -> NamespaceName {
        let (pool, cluster) = (PoolName::new("smoke").unwrap(), ClusterName::new("local").unwrap());
        self.tell(PoolEvent::Wanted { namespace: space(name), pool, cluster, made_hash: "a".to_owned() }).await;
        self.until("the namespace to be ready", |facts| (facts.namespaces.get(name)?.state.word() == "ready").then_some(())).await;
        space(name)
    }

    pub async fn ask(&self, who: &str) -> ReservationId {
        let pool = PoolName::new("smoke").unwrap();
        let id = reservation_of_person(who, &pool, "1");
        let holder = Holder::Person { name: who.to_owned(), lease: "1h".parse().unwrap() };
        self.tell(PoolEvent::Requested(ReservationSpec { id: id.clone(), pool, holder, purpose: String::new(), urgent: false })).await;
        id
    }

    pub async fn assign(&self, namespace: &NamespaceName, reservation: &ReservationId) {
        self.tell(PoolEvent::Assigned { namespace: namespace.clone(), reservation: reservation.clone() }).await;
    }

    pub async fn release(&self, id: &ReservationId) {
        self.tell(PoolEvent::Ended { reservation: id.clone(), end: ReservationEnd::Released { by: "ann".into() } }).await;
    }

    pub fn state(&self, id: &ReservationId) -> ReservationState {
        self.world.ledger.facts().reservations[id].state.clone()
    }

    pub async fn until_active(&self, id: &ReservationId) -> NamespaceName {
        let active = |facts: &Facts| match &facts.reservations.get(id)?.state {
            ReservationState::Active { namespace, .. } => Some(namespace.clone()),
            _ => None,
        };
        self.until("the reservation to be active", active).await
    }

    /// Waits until what is known says something.
    #[track_caller]
    pub fn until<T>(&self, what: &str, wanted: impl Fn(&Facts) -> Option<T>) -> impl Future<Output = T> {
        let mut news = self.world.ledger.subscribe();
        async move {
            let found = async {
                loop {
                    news.borrow_and_update();
                    if let Some(found) = wanted(&self.world.ledger.facts()) {
                        return found;
                    }
                    news.changed().await.unwrap();
                }
            };
            match tokio::time::timeout(PATIENCE, found).await {
                Ok(found) => found,
                Err(_) => panic!("never came: {what}: {:?}", *self.world.ledger.facts()),
            }
        }
    }

    /// Waits until the cluster stands so.
    pub async fn until_play(&self, what: &str, mut wanted: impl FnMut(&Play) -> bool) {
        let mut play = self.cluster.play.subscribe();
        let found = tokio::time::timeout(PATIENCE, play.wait_for(|play| wanted(play))).await;
        assert!(found.is_ok(), "never came: {what}");
    }

    /// All that happened, oldest first.
    pub async fn events(&self) -> Vec<PoolEvent> {
        let page = self.world.ledger.events(&EventFilter::default(), u32::MAX).await.unwrap();
        let mut all: Vec<_> = page.rows.into_iter().map(|recorded| (recorded.id, recorded.event)).collect();
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().filter_map(|(_, event)| if let Event::Pool(event) = event { Some(event) } else { None }).collect()
    }
}
