//! The train: commits of an app's sources that are not in production yet, oldest first.

use std::collections::{BTreeMap, HashMap};

use towpath_catalog::{Catalog, Source, Target};
use towpath_domain::{BranchName, CommitId, RepoUrl, Timestamp};
use towpath_engine::{BranchFact, Facts};

use super::picture::Piece;
use crate::view::{CommitView, WaitingCommit};

/// How many waiting commits of an app are told one by one; of more, the oldest.
const LISTED: usize = 50;

/// Where commits stand on their branches.
pub(crate) struct Tracks<'a> {
    branches: HashMap<&'a RepoUrl, HashMap<&'a BranchName, Track<'a>>>,
    /// The branch that a repository's targets are counted along: that of its source.
    followed: HashMap<&'a RepoUrl, &'a BranchName>,
}

struct Track<'a> {
    fact: &'a BranchFact,
    at: HashMap<CommitId, usize>,
}

impl<'a> Tracks<'a> {
    pub(crate) fn new(catalog: &'a Catalog, facts: &'a Facts) -> Self {
        let followed: HashMap<&RepoUrl, &BranchName> = catalog.sources.values().map(|source| (&source.url, &source.branch)).collect();
        let mut branches: HashMap<&RepoUrl, HashMap<&BranchName, Track<'_>>> = HashMap::new();
        for ((url, branch), fact) in &facts.branches {
            let at = fact.commits.iter().enumerate().map(|(place, commit)| (commit.id, place)).collect();
            branches.entry(url).or_default().insert(branch, Track { fact, at });
        }
        Self { branches, followed }
    }

    fn along(&self, target: &Target) -> Option<&Track<'a>> {
        let branch = self.followed.get(&target.url).copied().or(target.branch.as_ref())?;
        self.branches.get(&target.url)?.get(branch)
    }

    /// How many commits of its branch are newer than `commit`; none where the branch or the commit is not known.
    pub(crate) fn behind(&self, target: &Target, commit: CommitId) -> Option<u32> {
        self.along(target)?.at.get(&commit).and_then(|place| u32::try_from(*place).ok())
    }

    /// Whether `target` runs `commit` or a newer one of its branch.
    pub(crate) fn has_reached(&self, target: &Target, runs: Option<CommitId>, commit: CommitId) -> bool {
        let Some(runs) = runs else { return false };
        if runs == commit {
            return true;
        }
        let Some(branch) = self.along(target) else { return false };
        matches!((branch.at.get(&runs), branch.at.get(&commit)), (Some(runs), Some(commit)) if runs <= commit)
    }

    fn source(&self, source: &Source) -> Option<&Track<'a>> {
        self.branches.get(&source.url)?.get(&source.branch)
    }
}

/// When each commit of a branch was first seen on it: with the first head that it is behind of. In the order of the branch's commits.
pub(crate) fn first_seen(branch: &BranchFact) -> Vec<Timestamp> {
    let heads: HashMap<CommitId, Timestamp> = branch.seen.iter().copied().collect();
    // From the newest on, every head that was seen is seen with all that is behind it; the last one met came first.
    let mut since = None;
    branch
        .commits
        .iter()
        .map(|commit| {
            if let Some(at) = heads.get(&commit.id) {
                since = Some(*at);
            }
            since.unwrap_or(commit.at)
        })
        .collect()
}

/// Whether nothing but tests comes after a target: what runs there is in production.
pub(crate) fn is_last(catalog: &Catalog, target: &Target, is_test: impl Fn(&str) -> bool) -> bool {
    let next = target.promotion.publish.iter().filter_map(|channel| catalog.channels.get(channel)).flat_map(|usage| &usage.subscribers);
    !is_test(target.id.as_str()) && next.into_iter().all(|id| leads_nowhere(catalog, id.as_str(), &is_test, 16))
}

/// A test after which only tests come.
fn leads_nowhere(catalog: &Catalog, id: &str, is_test: &impl Fn(&str) -> bool, depth: u8) -> bool {
    let Some(target) = catalog.targets.get(id) else { return true };
    // A cycle is an error of the catalog; here it only must come to an end.
    if depth == 0 || !is_test(id) {
        return false;
    }
    let mut next = target.promotion.publish.iter().filter_map(|channel| catalog.channels.get(channel)).flat_map(|usage| &usage.subscribers);
    next.all(|id| leads_nowhere(catalog, id.as_str(), is_test, depth - 1))
}

/// The trains by app.
pub(crate) fn trains(catalog: &Catalog, facts: &Facts, places: &Tracks<'_>, pieces: &[Piece]) -> BTreeMap<String, Vec<WaitingCommit>> {
    let mut of_url: HashMap<&RepoUrl, Vec<&Piece>> = HashMap::new();
    for piece in pieces {
        of_url.entry(&piece.target.url).or_default().push(piece);
    }
    let tests: HashMap<&str, bool> = pieces.iter().map(|piece| (piece.target.id.as_str(), piece.cell.is_test)).collect();
    let is_test = |id: &str| tests.get(id).copied().unwrap_or(false);
    let mut trains: BTreeMap<String, Vec<WaitingCommit>> = BTreeMap::new();
    for source in catalog.sources.values() {
        let (Some(branch), Some(own)) = (places.source(source), of_url.get(&source.url)) else { continue };
        let mut way: Vec<&Piece> = own.clone();
        way.sort_by_key(|piece| piece.depth);
        let last = way.iter().filter(|piece| is_last(catalog, &piece.target, is_test));
        let waiting = last
            .map(|piece| match piece.cell.commit.as_ref().map(|commit| branch.at.get(&commit.id)) {
                Some(Some(place)) => *place,
                // It runs what the branch has forgotten, or never had.
                Some(None) => 0,
                None => branch.fact.seen.len().min(branch.fact.commits.len()),
            })
            .max()
            .unwrap_or(0);
        let since = first_seen(branch.fact);
        for (place, commit) in branch.fact.commits.iter().enumerate().take(waiting) {
            let reached = |piece: &&&Piece| places.has_reached(&piece.target, piece.cell.commit.as_ref().map(|c| c.id), commit.id);
            let built = facts.builds.get(&source.name).and_then(|all| all.get(&commit.id)).is_some_and(|build| build.built.is_some());
            let furthest = way.iter().rev().find(reached);
            let next = way.iter().find(|piece| !reached(piece));
            trains.entry(source.app.to_string()).or_default().push(WaitingCommit {
                source: source.name.clone(),
                commit: CommitView {
                    id: commit.id,
                    subject: Some(commit.subject.clone()),
                    author: Some(commit.author.clone()),
                    at: Some(commit.at),
                },
                since: since.get(place).copied().unwrap_or(commit.at),
                reached: furthest.map_or_else(
                    || if built { "built".to_owned() } else { "merged".to_owned() },
                    |piece| piece.target.environment.to_string(),
                ),
                waits_for: next.map(|piece| format!("{}: {}", piece.cell.name, piece.cell.summary)).unwrap_or_default(),
            });
        }
    }
    for train in trains.values_mut() {
        train.sort_by_key(|waiting| waiting.since);
    }
    trains
}

/// The beginning of a train, and how many more there are.
pub(crate) fn listed(train: Option<&Vec<WaitingCommit>>) -> (Vec<WaitingCommit>, u32) {
    let Some(train) = train else { return (Vec::new(), 0) };
    let more = train.len().saturating_sub(LISTED);
    (train.iter().take(LISTED).cloned().collect(), u32::try_from(more).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use towpath_engine::CommitInfo;

    use super::*;

    #[test]
    fn a_commit_is_seen_with_the_first_head_that_it_is_behind_of() {
        let id = |digit: &str| -> CommitId { digit.repeat(40).parse().unwrap() };
        let commit =
            |digit: &str| CommitInfo { id: id(digit), subject: String::new(), author: String::new(), at: Timestamp::from_millis(1) };
        let branch = BranchFact {
            // d was pushed last, by itself; c and b together before; a was there from the first.
            commits: ["d", "c", "b", "a"].map(commit).to_vec(),
            seen: vec![(id("a"), Timestamp::from_millis(10)), (id("c"), Timestamp::from_millis(20)), (id("d"), Timestamp::from_millis(30))],
            unreachable: None,
        };
        let seen: Vec<i64> = first_seen(&branch).iter().map(Timestamp::as_millis).collect();
        assert_eq!(seen, [30, 20, 20, 10]);
    }
}
