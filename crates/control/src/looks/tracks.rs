//! Where commits stand on their branches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use towpath_domain::{BranchName, CommitId, RepoUrl, Timestamp};
use towpath_engine::{BranchFact, Facts};

/// A branch: the place of each of its commits, the newest first, and when each was first seen there.
pub(crate) struct Track {
    at: HashMap<CommitId, usize>,
    since: Vec<Timestamp>,
}

/// All branches that were looked at.
#[derive(Default)]
pub(crate) struct Tracks {
    branches: BTreeMap<RepoUrl, BTreeMap<BranchName, Arc<Track>>>,
}

impl Track {
    fn new(fact: &BranchFact) -> Self {
        let at = fact.commits.iter().enumerate().map(|(place, commit)| (commit.id, place)).collect();
        Self { at, since: first_seen(fact) }
    }

    /// How many commits of the branch are newer.
    pub(crate) fn place(&self, commit: CommitId) -> Option<usize> {
        self.at.get(&commit).copied()
    }

    /// When the commit at this place was first seen.
    pub(crate) fn since(&self, place: usize) -> Option<Timestamp> {
        self.since.get(place).copied()
    }

    /// Whether the branch is at `here` or beyond it, seen from `runs`.
    fn is_behind(&self, commit: CommitId, runs: CommitId) -> bool {
        matches!((self.place(runs), self.place(commit)), (Some(runs), Some(commit)) if runs <= commit)
    }
}

impl Tracks {
    /// Those of all branches; those of `old` that are not `changed` are taken over.
    pub(crate) fn new(facts: &Facts, old: Option<(&Self, &BTreeSet<(RepoUrl, BranchName)>)>) -> Self {
        let mut branches: BTreeMap<RepoUrl, BTreeMap<BranchName, Arc<Track>>> = BTreeMap::new();
        for ((url, branch), fact) in &facts.branches {
            let known = old.filter(|(_, changed)| !changed.contains(&(url.clone(), branch.clone())));
            let known = known.and_then(|(old, _)| old.branches.get(url)?.get(branch)).map(Arc::clone);
            branches.entry(url.clone()).or_default().insert(branch.clone(), known.unwrap_or_else(|| Arc::new(Track::new(fact))));
        }
        Self { branches }
    }

    pub(crate) fn get(&self, url: &RepoUrl, branch: &BranchName) -> Option<&Arc<Track>> {
        self.branches.get(url)?.get(branch)
    }

    /// The repositories that have a commit on one of the branches that are looked at.
    pub(crate) fn having(&self, commit: CommitId) -> BTreeSet<&RepoUrl> {
        let having = self.branches.iter().filter(|(_, all)| all.values().any(|track| track.at.contains_key(&commit)));
        having.map(|(url, _)| url).collect()
    }
}

/// Whether what runs `runs` has `commit`, or a newer one of the branch.
pub(crate) fn has_reached(track: Option<&Arc<Track>>, runs: Option<CommitId>, commit: CommitId) -> bool {
    runs.is_some_and(|runs| runs == commit || track.is_some_and(|track| track.is_behind(commit, runs)))
}

/// When each commit of a branch was first seen on it: with the first head that it is behind of. In the order of the branch's commits.
fn first_seen(branch: &BranchFact) -> Vec<Timestamp> {
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

#[cfg(test)]
mod tests {
    use towpath_engine::{CommitInfo, Event};

    use super::*;

    fn id(digit: &str) -> CommitId {
        digit.repeat(40).parse().unwrap()
    }

    fn commit(digit: &str) -> CommitInfo {
        CommitInfo { id: id(digit), subject: String::new(), author: String::new(), at: Timestamp::from_millis(1) }
    }

    #[test]
    fn a_commit_is_seen_with_the_first_head_that_it_is_behind_of() {
        let branch = BranchFact {
            // d was pushed last, by itself; c and b together before; a was there from the first.
            commits: ["d", "c", "b", "a"].map(commit).to_vec(),
            seen: vec![(id("a"), Timestamp::from_millis(10)), (id("c"), Timestamp::from_millis(20)), (id("d"), Timestamp::from_millis(30))],
            ..BranchFact::default()
        };
        let seen: Vec<i64> = first_seen(&branch).iter().map(Timestamp::as_millis).collect();
        assert_eq!(seen, [30, 20, 20, 10]);
    }

    #[test]
    fn only_branches_that_changed_are_gone_through_again() {
        let mut facts = Facts::default();
        let branch = |name: &str| BranchName::new(name).unwrap();
        let url = RepoUrl::new("https://git.example.com/web").unwrap();
        let see = |facts: &mut Facts, name: &str, commits: &[&str]| {
            let commits = commits.iter().map(|digit| commit(digit)).collect();
            facts.apply(Timestamp::from_millis(5), &Event::BranchSeen { url: url.clone(), branch: branch(name), commits });
        };
        see(&mut facts, "main", &["a"]);
        see(&mut facts, "next", &["a"]);
        let before = Tracks::new(&facts, None);
        see(&mut facts, "next", &["b", "a"]);
        let after = Tracks::new(&facts, Some((&before, &[(url.clone(), branch("next"))].into())));
        let main = |tracks: &Tracks| Arc::clone(tracks.get(&url, &branch("main")).unwrap());
        assert!(Arc::ptr_eq(&main(&before), &main(&after)));
        let next = after.get(&url, &branch("next"));
        assert!(has_reached(next, Some(id("b")), id("a")) && !has_reached(next, Some(id("a")), id("b")));
        assert!(has_reached(None, Some(id("f")), id("f")), "the same commit needs no branch");
        assert_eq!(after.having(id("b")), [&url].into());
    }
}
