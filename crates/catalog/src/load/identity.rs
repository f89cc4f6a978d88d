//! Names that must be unique, and the two facts that targets learn from others: their branch and their source.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use towpath_domain::{BranchName, SourceName};

use super::channels::{self, Channels};
use super::findings::Findings;
use super::saas::Whole;
use super::sources::Sources;
use crate::read::{Content, Parsed};

/// Names that stand in more than one file. Saas files among them are used by none, since nobody can tell whose targets
/// are meant; the others stay in use, as references go by path.
pub(super) fn check_names<'a>(files: &'a [Arc<Parsed>], findings: &mut Findings) -> HashSet<&'a Arc<str>> {
    // Most names are there once: places are only made of those that are not.
    let mut seen: HashMap<Named<'_>, usize> = HashMap::with_capacity(files.len());
    let mut again: BTreeMap<Named<'_>, Vec<usize>> = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        let Some((named, _)) = named(file) else { continue };
        if let Some(first) = seen.get(&named) {
            again.entry(named).or_insert_with(|| vec![*first]).push(at);
        } else {
            seen.insert(named, at);
        }
    }
    let mut unusable = HashSet::new();
    for (Named { kind, name, .. }, numbers) in &again {
        let where_else = if *kind == "namespace" { " on the same cluster" } else { "" };
        let twins = || numbers.iter().filter_map(|at| files.get(*at)).filter_map(|file| Some((file, named(file)?.1.place(&file.path))));
        for (file, place) in twins() {
            let message = format!("there are {} {kind}s named `{name}`{where_else}", numbers.len());
            let others = twins().filter(|(other, _)| other.path != file.path).map(|(_, other)| (other, "the same name".to_owned()));
            findings.error("duplicate-name", place, message, format!("Give each {kind} a name of its own.")).related.extend(others);
            if *kind == "saas file" {
                unusable.insert(&file.path);
            }
        }
    }
    unusable
}

/// A name, and among what it must be unique.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Named<'a> {
    kind: &'static str,
    name: &'a str,
    /// Namespaces are unique within their cluster only.
    within: &'a str,
}

/// The name that a file gives, and where.
fn named(file: &Parsed) -> Option<(Named<'_>, crate::yaml::Spot)> {
    let (kind, name, within, spot) = match &file.content {
        Content::Saas(raw) => ("saas file", raw.name.value.as_str(), "", raw.name.spot),
        Content::App(raw) => ("app", raw.name.value.as_str(), "", raw.name.spot),
        Content::Environment(raw) => ("environment", raw.name.value.as_str(), "", raw.name.spot),
        Content::Cluster(raw) => ("cluster", raw.name.value.as_str(), "", raw.name.spot),
        Content::Namespace(raw) => ("namespace", raw.name.value.as_str(), &*raw.cluster.path, raw.name.spot),
        Content::Source(raw) => ("source", raw.name.value.as_str(), "", raw.name.spot),
        Content::Pool(raw) => ("pool", raw.name.value.as_str(), "", raw.name.spot),
        Content::Role(raw) => ("role", raw.name.value.as_str(), "", raw.name.spot),
        Content::User(raw) => ("user", raw.org_username.value.as_str(), "", raw.org_username.spot),
        Content::Policy(raw) if !raw.name.value.is_empty() => ("policy", raw.name.value.as_str(), "", raw.name.spot),
        _ => return None,
    };
    Some((Named { kind, name, within }, spot))
}

/// Targets with one uid (B16 follows): the first stays, held; the others are lost. Gives the files that lost one.
pub(super) fn check_targets(targets: &mut Vec<Whole<'_>>, findings: &mut Findings) -> Vec<(Arc<str>, String)> {
    let mut first: HashMap<towpath_domain::TargetId, usize> = HashMap::with_capacity(targets.len());
    let mut twins: Vec<(usize, usize)> = Vec::new();
    for (at, whole) in targets.iter().enumerate() {
        if let Some(other) = first.get(&whole.target.id) {
            twins.push((*other, at));
        } else {
            first.insert(whole.target.id.clone(), at);
        }
    }
    let mut broken = Vec::new();
    for (first, second) in &twins {
        let (Some(one), Some(two)) = (targets.get(*first), targets.get(*second)) else { continue };
        let message = format!("the target {} is there twice", two.target.title());
        let found = findings.error(
            "duplicate-target",
            two.raw.spot.place(two.raw_file),
            message.as_str(),
            "Remove one, or give it a `name` of its own.",
        );
        found
            .related
            .push((one.raw.spot.place(one.raw_file), "the same saas file, resource template, name, cluster and namespace".to_owned()));
        broken.push((Arc::clone(two.file), message.clone()));
        channels::hold(targets, &[*first], &format!("duplicate-target: {message}"));
    }
    if !twins.is_empty() {
        let lost: HashSet<usize> = twins.iter().map(|(_, second)| *second).collect();
        let mut at = 0..;
        targets.retain(|_| at.next().is_none_or(|at| !lost.contains(&at)));
    }
    broken
}

/// B3: the original names pipeline runs by the first 56 characters of saas file and environment. Two that would be named
/// the same are refused there, so that a repository that passes here passes there, too.
pub(super) fn check_pipeline_names(targets: &mut [Whole<'_>], findings: &mut Findings) {
    const LONGEST: usize = 56;
    let is_cut = |whole: &Whole<'_>| {
        let (saas, environment) = (whole.target.saas_file.name.as_str(), whole.target.environment.as_str());
        saas.len() + 1 + environment.len() > LONGEST || environment.ends_with('-')
    };
    if !targets.iter().any(is_cut) {
        return;
    }
    let mut longs: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, whole) in targets.iter().enumerate() {
        longs.entry(format!("{}-{}", whole.target.saas_file.name, whole.target.environment)).or_default().push(at);
    }
    let mut shorts: HashMap<&str, Vec<&str>> = HashMap::new();
    for long in longs.keys() {
        let cut = long.char_indices().nth(LONGEST).map_or(long.len(), |(at, _)| at);
        let short = long.get(..cut).unwrap_or(long).trim_end_matches('-');
        shorts.entry(short).or_default().push(long);
    }
    let mut clashes: Vec<_> = shorts.into_values().filter(|longs| longs.len() > 1).flatten().collect();
    clashes.sort_unstable();
    for long in clashes {
        let Some(numbers) = longs.get(long) else { continue };
        let Some(whole) = numbers.first().and_then(|at| targets.get(*at)) else { continue };
        let message = format!("`{long}` differs from another saas file and environment only after {LONGEST} characters");
        findings.error("name-collision", whole.target.saas_file.place.clone(), message.as_str(), "Shorten the saas file's name.");
        channels::hold(targets, numbers, &format!("name-collision: {message}"));
    }
}

/// Gives each target its source and its branch; see [`crate::model::Target::branch`]. Results by the target's number.
pub(super) fn learn(targets: &[Whole<'_>], channels: &Channels, sources: &Sources<'_>) -> Vec<(Option<BranchName>, Option<SourceName>)> {
    let mut learned: Vec<(Option<BranchName>, Option<SourceName>)> = targets
        .iter()
        .map(|whole| {
            let own = whole.target.git_ref.branch().cloned();
            match sources.of(&whole.target.url, own.as_ref()) {
                Some(source) => (own.or_else(|| Some(source.branch.clone())), Some(source.name.clone())),
                None => (own, None),
            }
        })
        .collect();
    // Down the channels, nearest publisher first, and of those the one with the smallest id.
    let mut known: Vec<usize> = (0..targets.len()).filter(|at| learned.get(*at).is_some_and(|(branch, _)| branch.is_some())).collect();
    known.sort_by_key(|at| targets.get(*at).map(|whole| &whole.target.id));
    let mut queue = VecDeque::from(known);
    while let Some(at) = queue.pop_front() {
        let (Some(whole), Some(found)) = (targets.get(at), learned.get(at).cloned()) else { continue };
        if whole.target.delete {
            continue;
        }
        for subscriber in
            whole.target.promotion.publish.iter().filter_map(|channel| channels.get(channel)).flat_map(|used| &used.subscribers)
        {
            let same_repository = targets.get(*subscriber).is_some_and(|other| other.target.url == whole.target.url);
            if let Some(other) = learned.get_mut(*subscriber).filter(|(branch, _)| branch.is_none() && same_repository) {
                other.0.clone_from(&found.0);
                if other.1.is_none() {
                    other.1.clone_from(&found.1);
                }
                queue.push_back(*subscriber);
            }
        }
    }
    learned
}
