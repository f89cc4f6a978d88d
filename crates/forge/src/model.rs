//! What goes to a forge and what comes back.

use towpath_domain::{ChangeId, CommitId, Timestamp};
use towpath_git::{Edit, Identity};

/// A change to propose. The same proposal is the same commit in every process: proposing it again finds it proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its identity, derived from its cause.
    pub id: ChangeId,
    /// The commit of the config repository that it starts from.
    pub base: CommitId,
    /// What it changes.
    pub edits: Vec<Edit>,
    /// One line that says what it is.
    pub title: String,
    /// The rest of its commit's message. May be empty.
    pub description: String,
    /// What people read on its page, as Markdown, where the forge has pages; none: the description. Other than that, it is no part of what
    /// the change is: another one does not make another commit.
    pub page: Option<String>,
    /// Labels that it has from the start, where the forge has labels.
    pub labels: Vec<String>,
    /// Who is named as its author.
    pub author: Identity,
    /// When it was caused; to the second.
    pub at: Timestamp,
}

/// How proposing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a change that people changed is not the one that was proposed"]
pub enum Proposed {
    /// The change is open, by this call or an earlier one.
    Open {
        /// Its commit.
        head: CommitId,
    },
    /// This very proposal was merged before. Nothing was done.
    Merged {
        /// The proposal's commit, which the config branch holds.
        head: CommitId,
    },
    /// People pushed to the change. It is theirs now and was left alone.
    TakenOver {
        /// What the change is now.
        head: CommitId,
    },
}

/// An open change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its identity.
    pub id: ChangeId,
    /// Its newest commit.
    pub head: CommitId,
    /// The newest commit that it shares with the config branch; `None` when they share no history.
    pub base: Option<CommitId>,
    /// The first line of its newest commit's message.
    pub title: String,
    /// Whether its newest commit is Towpath's own. If not, people took the change over.
    pub by_towpath: bool,
}

/// What merging a change now would give.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a conflict is not an error but it is no merge either"]
pub enum MergeResult {
    /// It merges. The commit is made but not pushed: the checks read it, and [`MergeOrder`] names it.
    Clean {
        /// The config branch's head: what it merges into.
        base: CommitId,
        /// The merge commit as it would be.
        commit: CommitId,
    },
    /// Both sides changed the same lines.
    Conflict {
        /// The config branch's head.
        base: CommitId,
        /// The files in conflict, sorted.
        paths: Vec<String>,
    },
    /// The config branch holds it already.
    Merged {
        /// The config branch's head.
        base: CommitId,
    },
    /// The change is not what the caller thinks it is.
    HeadMoved {
        /// What it is now; `None`: it is closed.
        now: Option<CommitId>,
    },
}

/// An order to merge exactly what was checked, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeOrder {
    /// The change.
    pub id: ChangeId,
    /// What the config branch must still be.
    pub base: CommitId,
    /// What the change must still be.
    pub head: CommitId,
    /// The merge commit that the checks saw ([`MergeResult::Clean`]).
    pub commit: CommitId,
}

/// How merging ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "only one of these means that it is merged"]
pub enum MergeOutcome {
    /// It is merged, by this call or an earlier one, and the change is closed.
    Merged {
        /// The merge commit on the config branch.
        commit: CommitId,
    },
    /// The config branch moved. Nothing was done: the checks must see the new merged result.
    Moved {
        /// What it is now; `None`: it is gone.
        now: Option<CommitId>,
    },
    /// The change moved or was closed. Nothing was done: what it holds now was not checked.
    HeadMoved {
        /// What it is now; `None`: it is closed.
        now: Option<CommitId>,
    },
    /// The branch demands more before anything merges: the forge's own queue has it now, or merges it by itself once all is there. Order it
    /// again to hear how it went.
    Waits {
        /// For what, for people.
        why: String,
    },
    /// The forge does not merge it: its queue has thrown it out, or its rules are not fulfilled. Nothing was done.
    Refused {
        /// Why, in the forge's words.
        why: String,
    },
}

/// How closing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a change that people pushed to stays open"]
pub enum CloseOutcome {
    /// It is closed, by this call, an earlier one, or people.
    Closed,
    /// People pushed to it. It was left open.
    HeadMoved {
        /// What it is now.
        now: CommitId,
    },
}
