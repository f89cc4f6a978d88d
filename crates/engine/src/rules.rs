//! What the catalog says about one target's gate, gathered once so that asking is cheap.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use towpath_catalog::{BrokenFile, Catalog, Place, Policy, Target};
use towpath_domain::{AppName, Channel, CommitId, RepoUrl, TargetId};

use crate::facts::Facts;

/// The versions of one repository that apps block or vouch for.
///
/// As in app-interface, the repository decides, not the app: a blocked version is blocked for whoever deploys it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    blocked: Vec<(CommitId, AppName, Place)>,
    pub(crate) hotfixes: Vec<CommitId>,
}

/// A policy's block of one commit.
#[derive(Debug, PartialEq, Eq)]
struct PolicyBlock {
    commit: CommitId,
    reason: Arc<str>,
    place: Place,
    rollback: bool,
}

/// Why a commit may not come to a target.
pub(crate) struct Blocked {
    pub(crate) reason: String,
    pub(crate) place: Place,
    /// A rollback left it for good.
    pub(crate) rollback: bool,
}

/// A channel that must vouch for a commit.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) channel: Channel,
    /// Publishers that count: neither deleted nor disabled.
    pub(crate) publishers: Vec<Publisher>,
    /// Targets that once published to the channel and are missing while a saas file is broken.
    pub(crate) lost: Vec<TargetId>,
}

/// A target whose success counts.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// The key of its evidence.
    pub(crate) key: (Channel, TargetId),
    pub(crate) target: Arc<Target>,
}

/// What the catalog says about one target's gate.
#[derive(Debug)]
pub(crate) struct Rules {
    versions: Option<Arc<Versions>>,
    blocks: Vec<PolicyBlock>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) soak_days: u32,
    /// The first broken saas file, where a publisher is lost.
    pub(crate) broken: Option<Arc<str>>,
}

impl Rules {
    /// The rules of one target alone; [`Rules::new`] shares work between many.
    pub(crate) fn of(catalog: &Catalog, facts: &Facts, target: &Target) -> Self {
        let selected: Vec<&Arc<Policy>> = catalog.policies.iter().filter(|policy| policy.select.selects(target)).collect();
        let versions = versions_by_url(catalog, Some(&target.url));
        let of_channel = |channel: &Channel| catalog.channels.get(channel).map(|uses| uses.publishers.as_slice()).unwrap_or_default();
        let known: Vec<(&Channel, Vec<&Arc<Target>>)> = target
            .promotion
            .subscribe
            .iter()
            .map(|channel| (channel, of_channel(channel).iter().filter_map(|id| catalog.targets.get(id)).collect()))
            .collect();
        let publishers =
            |channel: &Channel| known.iter().find(|(known, _)| *known == channel).map(|(_, list)| list.as_slice()).unwrap_or_default();
        let lost = lost_publishers(catalog, facts);
        Self::new(target, &selected, versions.get(&target.url).cloned(), publishers, &lost, catalog.broken_saas_files.first())
    }

    /// The rules of `target`, selected by `policies`. `publishers` gives those of a channel, `lost` those that are missing
    /// while the file `broken` is broken.
    pub(crate) fn new<'a>(
        target: &Target,
        policies: &[&Arc<Policy>],
        versions: Option<Arc<Versions>>,
        publishers: impl Fn(&Channel) -> &'a [&'a Arc<Target>],
        lost: &FxHashMap<Channel, Vec<TargetId>>,
        broken: Option<&BrokenFile>,
    ) -> Self {
        let mut blocks = Vec::new();
        for block in policies.iter().flat_map(|policy| &policy.blocks).filter(|block| block.url == target.url) {
            let (reason, place) = (block.reason.clone(), block.place.clone());
            blocks.push(PolicyBlock { commit: block.commit, reason, place, rollback: block.rollback });
        }
        let mut inputs = Vec::with_capacity(target.promotion.subscribe.len());
        for channel in &target.promotion.subscribe {
            let publishers = publishers(channel)
                .iter()
                .filter(|publisher| !publisher.disable && !publisher.delete)
                .map(|publisher| Publisher { key: (channel.clone(), publisher.id.clone()), target: Arc::clone(publisher) })
                .collect();
            inputs.push(Input { channel: channel.clone(), publishers, lost: lost.get(channel).cloned().unwrap_or_default() });
        }
        let any_lost = inputs.iter().any(|input| !input.lost.is_empty());
        let broken = broken.filter(|_| any_lost).map(|file| file.path.clone());
        Self { versions, blocks, inputs, soak_days: target.promotion.soak_days, broken }
    }

    /// Takes up what the catalog says now of a publisher.
    pub(crate) fn replace_publisher(&mut self, target: &Arc<Target>) {
        for publisher in self.inputs.iter_mut().flat_map(|input| &mut input.publishers).filter(|known| known.target.id == target.id) {
            publisher.target = Arc::clone(target);
        }
    }

    /// Adds a publisher that is not in the catalog while the file `broken` is broken.
    pub(crate) fn add_lost(&mut self, channel: &Channel, target: &TargetId, broken: &Arc<str>) {
        for input in self.inputs.iter_mut().filter(|input| input.channel == *channel) {
            if let Err(at) = input.lost.binary_search(target) {
                input.lost.insert(at, target.clone());
                self.broken = Some(broken.clone());
            }
        }
    }

    /// Why `commit` may not come here, if it may not.
    pub(crate) fn blocked(&self, commit: CommitId) -> Option<Blocked> {
        if let Some(block) = self.blocks.iter().find(|block| block.commit == commit) {
            return Some(Blocked { reason: block.reason.to_string(), place: block.place.clone(), rollback: block.rollback });
        }
        let (_, app, place) = self.versions.as_ref()?.blocked.iter().find(|(blocked, ..)| *blocked == commit)?;
        Some(Blocked { reason: format!("app {app} lists it among its blockedVersions"), place: place.clone(), rollback: false })
    }

    pub(crate) fn is_blocked(&self, commit: CommitId) -> bool {
        self.blocks.iter().any(|block| block.commit == commit)
            || self.versions.as_ref().is_some_and(|versions| versions.blocked.iter().any(|(blocked, ..)| *blocked == commit))
    }

    /// Whether a person vouches for `commit` in Git.
    pub(crate) fn is_hotfix(&self, commit: CommitId) -> bool {
        self.versions.as_ref().is_some_and(|versions| versions.hotfixes.contains(&commit))
    }

    /// All publishers that count.
    pub(crate) fn publishers(&self) -> impl Iterator<Item = &Publisher> {
        self.inputs.iter().flat_map(|input| &input.publishers)
    }

    /// Whether asking these rules gives the same as asking `other`, for the same target.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let same_publisher = |a: &Publisher, b: &Publisher| same(&a.target, &b.target);
        let same_input = |a: &Input, b: &Input| {
            a.channel == b.channel
                && a.lost == b.lost
                && a.publishers.len() == b.publishers.len()
                && a.publishers.iter().zip(&b.publishers).all(|(a, b)| same_publisher(a, b))
        };
        self.versions == other.versions
            && self.blocks == other.blocks
            && self.soak_days == other.soak_days
            && self.broken == other.broken
            && self.inputs.len() == other.inputs.len()
            && self.inputs.iter().zip(&other.inputs).all(|(a, b)| same_input(a, b))
    }
}

/// Whether two catalogs say the same here; mostly they share it.
pub(crate) fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// Versions by repository; of `only` that one, if given.
pub(crate) fn versions_by_url(catalog: &Catalog, only: Option<&RepoUrl>) -> FxHashMap<RepoUrl, Arc<Versions>> {
    let mut by_url: FxHashMap<RepoUrl, Versions> = FxHashMap::default();
    for app in catalog.apps.values() {
        for component in &app.code_components {
            let empty = component.blocked_versions.is_empty() && component.hotfix_versions.is_empty();
            if empty || only.is_some_and(|only| *only != component.url) {
                continue;
            }
            let versions = by_url.entry(component.url.clone()).or_default();
            versions.blocked.extend(component.blocked_versions.iter().map(|commit| (*commit, app.name.clone(), app.place.clone())));
            versions.hotfixes.extend(&component.hotfix_versions);
        }
    }
    by_url.into_iter().map(|(url, versions)| (url, Arc::new(versions))).collect()
}

/// Targets that published to a channel and are not in the catalog, while some saas file is broken.
///
/// A broken file must not open a gate by making one of several publishers vanish, so these count as publishers that
/// do not vouch. When no file is broken, a target that is gone was removed on purpose.
pub(crate) fn lost_publishers(catalog: &Catalog, facts: &Facts) -> FxHashMap<Channel, Vec<TargetId>> {
    let mut lost: FxHashMap<Channel, Vec<TargetId>> = FxHashMap::default();
    if !catalog.broken_saas_files.is_empty() {
        for (channel, target) in facts.evidence.keys().filter(|(_, target)| !catalog.targets.contains_key(target)) {
            lost.entry(channel.clone()).or_default().push(target.clone());
        }
    }
    lost.values_mut().for_each(|targets| targets.sort());
    lost
}
