//! A branch's first-parent order: which commit is newer.

use towpath_domain::CommitId;

use crate::event::CommitInfo;
use crate::facts::BranchFact;

/// The first-parent commits of a branch, newest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    commits: &'a [CommitInfo],
}

impl<'a> Order<'a> {
    /// The order of a branch that was seen; `None` when it never was.
    pub(crate) fn of(fact: Option<&'a BranchFact>) -> Option<Self> {
        fact.map(|fact| Self { commits: &fact.commits }).filter(|order| !order.commits.is_empty())
    }

    pub(crate) fn head(&self) -> Option<CommitId> {
        self.commits.first().map(|info| info.id)
    }

    /// How many commits are newer than `commit`; `None` when it is not on the branch, which counts as older than all.
    pub(crate) fn position(&self, commit: CommitId) -> Option<usize> {
        self.commits.iter().position(|info| info.id == commit)
    }

    /// All commits, newest first.
    pub(crate) fn all(&self) -> &'a [CommitInfo] {
        self.commits
    }

    /// The commits newer than `commit`, newest first.
    pub(crate) fn newer_than(&self, commit: CommitId) -> &'a [CommitInfo] {
        self.newest(self.position(commit))
    }

    /// The newest `count` commits; all, if there is no count.
    pub(crate) fn newest(&self, count: Option<usize>) -> &'a [CommitInfo] {
        count.and_then(|count| self.commits.get(..count)).unwrap_or(self.commits)
    }

    /// Whether `one` is newer than `other`.
    pub(crate) fn is_newer(&self, one: CommitId, other: CommitId) -> bool {
        match (self.position(one), self.position(other)) {
            (Some(one), Some(other)) => one < other,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
