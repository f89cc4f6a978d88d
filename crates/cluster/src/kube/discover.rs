//! Which kinds a cluster has: asked once, and again when one is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use tokio::time::Instant;

use super::Core;
use crate::api::ClusterError;

/// For how long nobody asks anew which kinds there are, who wants to see all of them: kinds that nobody named may have been installed.
const ALL_KNOWN_FOR: Duration = Duration::from_secs(300);

/// A kind as the cluster serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The group; empty for the core group.
    pub(crate) group: String,
    /// The version.
    pub(crate) version: String,
    /// The kind.
    pub(crate) kind: String,
    /// The kind in paths.
    pub(crate) plural: String,
    /// Whether its objects are in namespaces.
    pub(crate) namespaced: bool,
    /// What can be done with it.
    pub(crate) verbs: Vec<String>,
}

impl Kind {
    /// `apps/v1`, `v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of all its objects in a namespace, or of one of them.
    pub(crate) fn path(&self, namespace: &str, name: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let place = if self.namespaced { format!("/namespaces/{namespace}") } else { String::new() };
        let name = name.map(|name| format!("/{name}")).unwrap_or_default();
        format!("{root}/{}{place}/{}{name}", self.api_version(), self.plural)
    }

    /// `deployments.apps`, `pods`.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }
}

type Served = Arc<Vec<Kind>>;

/// What was found out so far.
#[derive(Default)]
pub(super) struct Kinds {
    by_version: Mutex<BTreeMap<String, Served>>,
    groups: Mutex<Option<Arc<Vec<Group>>>>,
    /// When all of them were last asked for anew.
    renewed: Mutex<Option<Instant>>,
}

/// A group with its versions, the preferred one first.
struct Group {
    name: String,
    versions: Vec<String>,
}

impl Kinds {
    /// Forgets everything: a kind that was missing may have been installed.
    pub(super) fn forget(&self) {
        self.by_version.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.groups.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A kind by version and name; none when the cluster does not serve it.
pub(super) async fn kind(core: &Core, api_version: &str, name: &str) -> Result<Option<Kind>, ClusterError> {
    let served = served(core, api_version).await?;
    Ok(served.iter().find(|kind| kind.kind == name).cloned())
}

/// The kinds that a saas file means by `Kind` or `Kind.group`, each in its group's preferred version.
pub(super) async fn meant(core: &Core, written: &str) -> Result<Vec<Kind>, ClusterError> {
    let (name, group) = written.split_once('.').map_or((written, None), |(name, group)| (name, Some(group)));
    let mut found = Vec::new();
    if group.is_none_or(str::is_empty) {
        found.extend(kind(core, "v1", name).await?);
    }
    let groups = groups(core).await?;
    let wanted: Vec<&Group> = groups.iter().filter(|known| group.is_none_or(|group| group == known.name)).collect();
    for served in join_all(wanted.iter().filter_map(|group| Some(served(core, group.versions.first()?)))).await {
        // One group whose server is away (an aggregated one) does not hide the others.
        found.extend(served.unwrap_or_default().iter().filter(|kind| kind.kind == name).cloned());
    }
    Ok(found)
}

/// Everything that a cluster serves.
pub(super) struct All {
    /// All kinds, each in the best of its group's versions that has it.
    pub(super) kinds: Vec<Kind>,
    /// Groups whose servers are away, so that what they hold is not known; and why.
    pub(super) away: Vec<(String, ClusterError)>,
}

/// All kinds that the cluster serves. They are asked for anew from time to time.
pub(super) async fn all(core: &Core) -> Result<All, ClusterError> {
    {
        let mut renewed = core.kinds.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if renewed.is_none_or(|last| last.elapsed() > ALL_KNOWN_FOR) {
            core.kinds.forget();
            *renewed = Some(Instant::now());
        }
    }
    let groups = groups(core).await?;
    let versions = groups.iter().flat_map(|group| group.versions.iter().map(|version| (group.name.as_str(), version.as_str())));
    let versions: Vec<(&str, &str)> = std::iter::once(("", "v1")).chain(versions).collect();
    let (mut all, mut known) = (All { kinds: Vec::new(), away: Vec::new() }, BTreeSet::new());
    let answers = join_all(versions.iter().map(|(_, version)| served(core, version))).await;
    for ((group, _), answer) in versions.iter().zip(answers) {
        match answer {
            Ok(served) => all.kinds.extend(served.iter().filter(|kind| known.insert((kind.group.clone(), kind.kind.clone()))).cloned()),
            Err(error) => all.away.push(((*group).to_owned(), error)),
        }
    }
    Ok(all)
}

/// The versions in which the cluster offers a kind of this name, for messages.
pub(super) async fn offered(core: &Core, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(Some(kind)) = kind(core, "v1", name).await {
        found.push(kind.api_version());
    }
    for group in groups(core).await.unwrap_or_default().iter() {
        for version in &group.versions {
            if let Ok(Some(kind)) = kind(core, version, name).await {
                found.push(kind.api_version());
            }
        }
    }
    found
}

/// Everything that one version of a group serves; nothing when the cluster does not have it.
async fn served(core: &Core, api_version: &str) -> Result<Served, ClusterError> {
    if let Some(known) = core.kinds.by_version.lock().unwrap_or_else(PoisonError::into_inner).get(api_version) {
        return Ok(Arc::clone(known));
    }
    let path = if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") };
    let list: Option<APIResourceList> = core.read(&path).await?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let found: Served = Arc::new(
        list.into_iter()
            .flat_map(|list| list.resources)
            .filter(|resource| !resource.name.contains('/'))
            .map(|resource| Kind {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: resource.kind,
                plural: resource.name,
                namespaced: resource.namespaced,
                verbs: resource.verbs,
            })
            .collect(),
    );
    core.kinds.by_version.lock().unwrap_or_else(PoisonError::into_inner).insert(api_version.to_owned(), Arc::clone(&found));
    Ok(found)
}

async fn groups(core: &Core) -> Result<Arc<Vec<Group>>, ClusterError> {
    if let Some(known) = &*core.kinds.groups.lock().unwrap_or_else(PoisonError::into_inner) {
        return Ok(Arc::clone(known));
    }
    let list: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroupList> = core.read("/apis").await?;
    let groups = list.into_iter().flat_map(|list| list.groups).map(|group| {
        let preferred = group.preferred_version.map(|version| version.group_version);
        let others = group.versions.into_iter().map(|version| version.group_version).filter(|version| Some(version) != preferred.as_ref());
        let others: Vec<String> = others.collect();
        Group { name: group.name, versions: preferred.iter().cloned().chain(others).collect() }
    });
    let groups = Arc::new(groups.collect::<Vec<_>>());
    *core.kinds.groups.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&groups));
    Ok(groups)
}
