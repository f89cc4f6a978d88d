//! What of the picture the catalog alone says: made anew with each catalog.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use towpath_catalog::{Catalog, Source, Target};
use towpath_domain::{BranchName, RepoUrl, TargetId};
use towpath_runs::world::Snapshot;

use crate::titles::{ShortNames, depths, in_order};

/// A target's place.
pub(crate) struct Place {
    pub(crate) target: Arc<Target>,
    /// How many promotions lead to it at most.
    pub(crate) depth: usize,
    /// The shortest name that means only it.
    pub(crate) name: String,
}

/// The catalog as pages look at it.
pub(crate) struct Shape {
    pub(crate) snapshot: Arc<Snapshot>,
    /// By app, and within an app in the order in which a commit reaches them.
    pub(crate) places: Vec<Place>,
    /// Environments in the order in which commits reach them.
    pub(crate) environments: Vec<Arc<str>>,
    /// Teams of each app.
    pub(crate) teams: BTreeMap<String, Vec<String>>,
    /// Sources by app.
    pub(crate) sources: BTreeMap<String, Vec<Arc<Source>>>,
    /// Indices into `places` of the targets that deploy from a repository, in the order in which a commit reaches them.
    pub(crate) ways: HashMap<RepoUrl, Vec<usize>>,
    /// The branch that a repository's targets are counted along: that of its source.
    followed: HashMap<RepoUrl, BranchName>,
}

impl Shape {
    pub(crate) fn new(snapshot: Arc<Snapshot>) -> Self {
        let catalog = &snapshot.catalog;
        let names = ShortNames::new(catalog);
        let depths = depths(catalog);
        let depth = |id: &TargetId| depths.get(id).copied().unwrap_or_default();
        let place = |target: &Arc<Target>| Place { depth: depth(&target.id), name: names.name(target), target: Arc::clone(target) };
        let places: Vec<Place> = in_order(catalog).into_iter().map(place).collect();
        let mut ways: HashMap<RepoUrl, Vec<usize>> = HashMap::new();
        for (at, place) in places.iter().enumerate() {
            ways.entry(place.target.url.clone()).or_default().push(at);
        }
        for way in ways.values_mut() {
            way.sort_by_key(|at| places.get(*at).map(|place| place.depth));
        }
        let mut sources: BTreeMap<String, Vec<Arc<Source>>> = BTreeMap::new();
        for source in catalog.sources.values() {
            sources.entry(source.app.to_string()).or_default().push(Arc::clone(source));
        }
        let followed = catalog.sources.values().map(|source| (source.url.clone(), source.branch.clone())).collect();
        let (environments, teams) = (environments(&places), teams(catalog));
        Self { snapshot, places, environments, teams, sources, ways, followed }
    }

    /// The branch that a target is counted along.
    pub(crate) fn branch<'a>(&'a self, target: &'a Target) -> Option<&'a BranchName> {
        self.followed.get(&target.url).or(target.branch.as_ref())
    }
}

/// Environments in the order in which commits reach them: by how deep their targets are on average.
fn environments(places: &[Place]) -> Vec<Arc<str>> {
    let mut sums: BTreeMap<Arc<str>, (usize, usize)> = BTreeMap::new();
    for place in places {
        let sum = sums.entry(Arc::from(place.target.environment.as_str())).or_default();
        *sum = (sum.0 + place.depth, sum.1 + 1);
    }
    let mut all: Vec<(usize, Arc<str>)> = sums.into_iter().map(|(name, (sum, count))| (sum * 1000 / count.max(1), name)).collect();
    all.sort();
    all.into_iter().map(|(_, name)| name).collect()
}

/// The teams of each app: the roles that may approve changes of one of its saas files without being allowed to approve all.
fn teams(catalog: &Catalog) -> BTreeMap<String, Vec<String>> {
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for target in catalog.targets.values() {
        files.entry(target.saas_file.app.as_str()).or_default().insert(&target.saas_file.place.file);
    }
    let roles: Vec<_> = catalog.access.roles.values().filter(|role| !role.approves.all && !role.approves.paths.is_empty()).collect();
    files
        .into_iter()
        .map(|(app, files)| {
            let owners = roles.iter().filter(|role| files.iter().any(|file| role.approves.covers(file)));
            let names: BTreeSet<String> = owners.map(|role| role.name.to_string()).collect();
            (app.to_owned(), names.into_iter().collect())
        })
        .collect()
}

/// Whether nothing but tests comes after a target: what runs there is in production.
pub(crate) fn is_last(catalog: &Catalog, target: &Target, is_test: impl Fn(&str) -> bool) -> bool {
    !is_test(target.id.as_str()) && next(catalog, target).all(|id| leads_nowhere(catalog, id.as_str(), &is_test, 16))
}

/// A test after which only tests come.
fn leads_nowhere(catalog: &Catalog, id: &str, is_test: &impl Fn(&str) -> bool, depth: u8) -> bool {
    let Some(target) = catalog.targets.get(id) else { return true };
    // A cycle is an error of the catalog; here it only must come to an end.
    if depth == 0 || !is_test(id) {
        return false;
    }
    next(catalog, target).all(|id| leads_nowhere(catalog, id.as_str(), is_test, depth - 1))
}

/// Who subscribes to what a target publishes.
fn next<'a>(catalog: &'a Catalog, target: &'a Target) -> impl Iterator<Item = &'a TargetId> {
    target.promotion.publish.iter().filter_map(|channel| catalog.channels.get(channel)).flat_map(|usage| &usage.subscribers)
}
