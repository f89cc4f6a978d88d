//! The catalog in the shape that planning asks for: dense indices, and who looks at whom.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};
use towpath_catalog::{Build, Catalog, Policy, QueuePolicy, Retries, Source, Target};
use towpath_domain::{BranchName, Channel, GitRef, RepoUrl, SourceName, TargetId};

use crate::batch::BatchRule;
use crate::facts::Facts;
use crate::ids::short_hash;
use crate::parallel;
use crate::rules::{Rules, lost_publishers, same, versions_by_url};
use crate::{secrets, tested};

/// The catalog, prepared.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By id, so that the same catalog gives the same indices.
    pub(crate) targets: Vec<TargetView>,
    pub(crate) target_ids: FxHashMap<TargetId, u32>,
    /// By name.
    pub(crate) sources: Vec<SourceView>,
    pub(crate) source_ids: FxHashMap<SourceName, u32>,
    /// Who follows a branch.
    pub(crate) branch_followers: FxHashMap<(RepoUrl, BranchName), Followers>,
    /// Who takes a secret at its newest version, by path.
    pub(crate) secret_users: FxHashMap<String, Vec<u32>>,
    /// Sources by a hash of the name of their image, sorted: few ever ask.
    image_sources: Vec<(u64, u32)>,
    /// The first broken saas file, if there is one: then evidence of targets that are not in the catalog counts.
    broken: Option<Arc<str>>,
}

/// Who follows a branch.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    pub(crate) targets: Vec<u32>,
    pub(crate) sources: Vec<u32>,
}

/// One target, prepared.
#[derive(Debug)]
pub(crate) struct TargetView {
    pub(crate) target: Arc<Target>,
    pub(crate) rules: Rules,
    /// Policies with freezes or windows for it, in the order of their names.
    pub(crate) times: Vec<Arc<Policy>>,
    /// Policies that require signatures for it, in the order of their names.
    pub(crate) signatures: Vec<Arc<Policy>>,
    /// Paths of the secrets that it takes at their newest version.
    pub(crate) secret_paths: Vec<String>,
    pub(crate) queue: QueuePolicy,
    pub(crate) retries: Retries,
    /// How its promotions wait for others, if they do.
    pub(crate) batching: Option<BatchRule>,
    pub(crate) automatic_rollback: bool,
    /// The branch that it follows, or that ranks its candidates.
    pub(crate) branch: Option<(RepoUrl, BranchName)>,
    /// Its source builds the very branch that it follows: a commit without image cannot go.
    pub(crate) needs_build: bool,
    /// The keys of what it says to its channels.
    pub(crate) outputs: Vec<(Channel, TargetId)>,
    /// Targets that subscribe to its channels.
    pub(crate) subscribers: Vec<u32>,
    /// Targets that publish to the channels it subscribes to and count.
    pub(crate) publishers: Vec<u32>,
}

/// One source, prepared.
#[derive(Debug)]
pub(crate) struct SourceView {
    pub(crate) source: Arc<Source>,
    pub(crate) branch: (RepoUrl, BranchName),
    /// Some target deploys each of its commits.
    pub(crate) every: bool,
    pub(crate) retries: Retries,
    /// Targets whose image it builds.
    pub(crate) targets: Vec<u32>,
}

impl TargetView {
    pub(crate) fn moving(&self) -> bool {
        matches!(self.target.git_ref, GitRef::Branch(_))
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        same(&self.target, &other.target)
            && self.rules.same(&other.rules)
            && all_same(&self.times, &other.times)
            && all_same(&self.signatures, &other.signatures)
            && self.queue == other.queue
            && self.retries == other.retries
            && self.batching == other.batching
            && self.automatic_rollback == other.automatic_rollback
            && self.needs_build == other.needs_build
    }
}

fn all_same(a: &[Arc<Policy>], b: &[Arc<Policy>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// A hash over how a source is built.
///
/// What came to be sayable later counts only where it is said: a build that failed before is not tried anew for it.
#[must_use]
pub fn build_hash(source: &Source) -> String {
    let Build { command, env, pack, timeout, image, resources, push } = &source.build;
    let build = format!("Build {{ command: {command:?}, env: {env:?}, pack: {pack:?}, timeout: {timeout:?} }}");
    let mut parts = vec![build, source.image.clone(), source.hash_length.to_string()];
    if image.is_some() || resources.is_some() || *push {
        parts.push(format!("{image:?} {resources:?} {push}"));
    }
    short_hash(parts)
}

impl SourceView {
    /// [`build_hash`] of the source. Worked out only when something is to be built or failed to be.
    pub(crate) fn build_hash(&self) -> String {
        build_hash(&self.source)
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        same(&self.source, &other.source) && self.every == other.every && self.retries == other.retries
    }
}

impl Index {
    pub(crate) fn new(catalog: &Catalog, facts: &Facts) -> Self {
        let targets = sorted(catalog);
        let target_ids: FxHashMap<TargetId, u32> = targets.iter().zip(0..).map(|(target, at)| (target.id.clone(), at)).collect();
        let policies = Policies::new(catalog);
        let versions = versions_by_url(catalog, None);
        let lost = lost_publishers(catalog, facts);
        // The catalog keeps both for whoever asks rarely; here each is asked for each target.
        let publishers: FxHashMap<&Channel, Vec<&Arc<Target>>> = catalog
            .channels
            .iter()
            .map(|(channel, uses)| {
                (
                    channel,
                    uses.publishers.iter().filter_map(|id| target_ids.get(id).and_then(|at| targets.get(*at as usize)).copied()).collect(),
                )
            })
            .collect();
        let publishers = |channel: &Channel| publishers.get(channel).map(Vec::as_slice).unwrap_or_default();
        let prepare = |target: &&Arc<Target>| {
            let selected = policies.selecting(target);
            let broken = catalog.broken_saas_files.first();
            let rules = Rules::new(target, &selected, versions.get(&target.url).cloned(), publishers, &lost, broken);
            view(catalog, target, &selected, rules)
        };
        let mut index = Self {
            targets: parallel::batches(&targets, |targets| targets.iter().map(prepare).collect()),
            target_ids,
            broken: catalog.broken_saas_files.first().map(|file| file.path.clone()),
            ..Self::default()
        };
        index.connect();
        index.add_sources(catalog);
        index
    }

    pub(crate) fn target(&self, id: &TargetId) -> Option<&TargetView> {
        self.target_ids.get(id).map(|at| self.view(*at))
    }

    /// The view at an index that came from here.
    pub(crate) fn view(&self, at: u32) -> &TargetView {
        &self.targets[at as usize]
    }

    /// The source at an index that came from here.
    pub(crate) fn source(&self, at: u32) -> &SourceView {
        &self.sources[at as usize]
    }

    /// The sources that push images of this name.
    pub(crate) fn sources_of_image<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a SourceName> {
        let hash = hash_of(name);
        let from = self.image_sources.partition_point(|(known, _)| *known < hash);
        let alike = self.image_sources.iter().skip(from).take_while(move |(known, _)| *known == hash);
        alike.map(|(_, at)| &self.source(*at).source).filter(move |source| source.image == name).map(|source| &source.name)
    }

    /// Takes up that a target that is not in the catalog publishes to `channel`. Returns whether that counts.
    pub(crate) fn add_lost(&mut self, channel: &Channel, target: &TargetId) -> bool {
        let Some(broken) = self.broken.clone().filter(|_| !self.target_ids.contains_key(target)) else { return false };
        self.targets.iter_mut().for_each(|view| view.rules.add_lost(channel, target, &broken));
        true
    }

    /// Notes who publishes for whom, and who follows which branch.
    fn connect(&mut self) {
        let mut subscribers: Vec<Vec<u32>> = vec![Vec::new(); self.targets.len()];
        for (view, at) in self.targets.iter_mut().zip(0_u32..) {
            let known = view.rules.publishers().filter_map(|publisher| self.target_ids.get(&publisher.target.id).copied());
            view.publishers = known.collect();
            view.publishers.sort_unstable();
            view.publishers.dedup();
            for publisher in &view.publishers {
                if let Some(list) = subscribers.get_mut(*publisher as usize) {
                    list.push(at);
                }
            }
            for path in &view.secret_paths {
                self.secret_users.entry(path.clone()).or_default().push(at);
            }
            if let Some(branch) = &view.branch {
                self.branch_followers.entry(branch.clone()).or_default().targets.push(at);
            }
        }
        for (view, subscribers) in self.targets.iter_mut().zip(subscribers) {
            view.subscribers = subscribers;
        }
    }

    fn add_sources(&mut self, catalog: &Catalog) {
        let mut users: FxHashMap<&SourceName, Vec<u32>> = FxHashMap::default();
        for (view, at) in self.targets.iter().zip(0_u32..) {
            if let Some(source) = &view.target.source {
                users.entry(source).or_default().push(at);
            }
        }
        let mut sources = Vec::with_capacity(catalog.sources.len());
        for (source, at) in catalog.sources.values().zip(0_u32..) {
            let branch = (source.url.clone(), source.branch.clone());
            let targets = users.remove(&source.name).unwrap_or_default();
            let followers = self.branch_followers.entry(branch.clone()).or_default();
            followers.sources.push(at);
            let views = |at: &u32| self.targets.get(*at as usize);
            let every = followers.targets.iter().filter_map(views).any(|view| view.moving() && view.queue == QueuePolicy::Every);
            let retries = targets.first().and_then(views).map(|view| view.retries).unwrap_or_default();
            self.source_ids.insert(source.name.clone(), at);
            self.image_sources.push((hash_of(&source.image), at));
            sources.push(SourceView { source: source.clone(), branch, every, retries, targets });
        }
        self.image_sources.sort_unstable();
        self.sources = sources;
    }
}

fn hash_of(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

fn view(catalog: &Catalog, target: &Arc<Target>, selected: &[&Arc<Policy>], rules: Rules) -> TargetView {
    let branch = target.git_ref.branch().or(target.branch.as_ref()).map(|branch| (target.url.clone(), branch.clone()));
    let source = target.source.as_ref().and_then(|source| catalog.sources.get(source));
    let needs_build = matches!((source, target.git_ref.branch()), (Some(source), Some(branch)) if source.branch == *branch);
    TargetView {
        target: target.clone(),
        rules,
        times: selected.iter().filter(|policy| !policy.freezes.is_empty() || !policy.windows.is_empty()).map(|p| (*p).clone()).collect(),
        signatures: selected.iter().filter(|policy| policy.require_signed.is_some()).map(|p| (*p).clone()).collect(),
        secret_paths: secrets::unpinned(target),
        queue: selected.iter().rev().find_map(|policy| policy.queue).unwrap_or_default(),
        retries: tested::retries(selected.iter().map(|policy| &***policy)),
        batching: selected.iter().rev().find_map(|policy| {
            let batching = policy.batching.clone()?;
            Some(BatchRule { policy: policy.name.clone(), batching })
        }),
        automatic_rollback: selected.iter().rev().find_map(|policy| policy.automatic_rollback).unwrap_or(false),
        branch,
        needs_build,
        outputs: target.promotion.publish.iter().map(|channel| (channel.clone(), target.id.clone())).collect(),
        subscribers: Vec::new(),
        publishers: Vec::new(),
    }
}

/// All targets in the order of their ids. The first bytes are compared without looking each id up where it lies.
fn sorted(catalog: &Catalog) -> Vec<&Arc<Target>> {
    let first_bytes = |target: &Target| {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(target.id.as_str().bytes()).for_each(|(slot, byte)| *slot = byte);
        u128::from_be_bytes(bytes)
    };
    let mut targets: Vec<_> = catalog.targets.values().map(|target| (first_bytes(target), target)).collect();
    targets.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.id.cmp(&b.1.id)));
    targets.into_iter().map(|(_, target)| target).collect()
}

/// Policies, such that those written for single targets cost nothing to all others.
struct Policies<'a> {
    general: Vec<(usize, &'a Arc<Policy>)>,
    by_target: FxHashMap<&'a TargetId, Vec<(usize, &'a Arc<Policy>)>>,
}

impl<'a> Policies<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        let mut policies = Self { general: Vec::new(), by_target: FxHashMap::default() };
        for entry in catalog.policies.iter().enumerate() {
            if entry.1.select.targets.is_empty() {
                policies.general.push(entry);
            }
            for target in &entry.1.select.targets {
                policies.by_target.entry(target).or_default().push(entry);
            }
        }
        policies
    }

    fn selecting(&self, target: &Target) -> Vec<&'a Arc<Policy>> {
        let own = self.by_target.get(&target.id).map(Vec::as_slice).unwrap_or_default();
        let mut selected: Vec<_> = self.general.iter().chain(own).filter(|(_, policy)| policy.select.selects(target)).copied().collect();
        selected.sort_unstable_by_key(|(at, _)| *at);
        selected.dedup_by_key(|(at, _)| *at);
        selected.into_iter().map(|(_, policy)| policy).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use towpath_catalog::Place;
    use towpath_domain::{AppName, Span};

    use super::*;

    #[test]
    fn what_a_build_says_decides_its_hash_and_old_files_keep_theirs() {
        let build = Build {
            command: Some(vec!["make".to_owned()]),
            env: BTreeMap::new(),
            pack: None,
            timeout: Span::from_secs(60),
            image: None,
            resources: None,
            push: false,
        };
        let hash = |build: Build| {
            let branch = BranchName::new("main").unwrap();
            let url = RepoUrl::new("https://git.example.com/web").unwrap();
            let source = Source {
                name: SourceName::new("web").unwrap(),
                app: AppName::new("web").unwrap(),
                url: url.clone(),
                branch: branch.clone(),
                image: "registry.example.com/web".to_owned(),
                hash_length: 7,
                build,
                check: None,
                place: Place { file: Arc::from("data/source.yml"), line: 1, column: 1, start: 0, end: 0 },
            };
            let view = SourceView {
                source: Arc::new(source),
                branch: (url, branch),
                every: false,
                retries: Retries::default(),
                targets: Vec::new(),
            };
            view.build_hash()
        };
        // As the first version reckoned it.
        assert_eq!(hash(build.clone()), "b6142d6fc3");
        assert_ne!(hash(Build { push: true, ..build.clone() }), hash(build.clone()));
        assert_ne!(hash(Build { image: "go:1".parse().ok(), ..build.clone() }), hash(build));
    }
}
