//! What is known of a change under review. Whoever talks to a forge makes these out of what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use towpath_catalog::{Account, ForgeKind, Target};
use towpath_domain::{CommitId, Timestamp};

use crate::event::ChangeKind;

/// An open change on the config repository.
#[derive(Debug, Clone)]
pub struct UnderReview {
    /// Where the accounts below are.
    pub forge: ForgeKind,
    /// Towpath's own account. What it says is no command, and it approves nothing.
    pub own: Account,
    /// The change's number at the forge.
    pub number: u64,
    /// Whose change it is.
    pub kind: Kind,
    /// Who opened it and who pushed commits to its branch. None of them is counted as an approver.
    pub authors: BTreeSet<Account>,
    /// Who asked Towpath for it. Not counted either.
    pub asked_by: Option<Account>,
    /// When it was opened.
    pub opened: Timestamp,
    /// The newest commit of its branch.
    pub head: CommitId,
    /// When `head` came to be the newest commit; when Towpath first saw it, where the forge does not tell. Never the commit's own date, which
    /// its author chooses.
    pub head_since: Timestamp,
    /// It is marked as a draft.
    pub draft: bool,
    /// It cannot be merged into its branch as that is now.
    pub conflict: bool,
    /// It promotes a hotfix: it goes before all others.
    pub hotfix: bool,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Files that differ between its merged result and the branch; of one that was moved, both paths.
    pub touched: Vec<Touched>,
    /// Targets whose wanted state it changes: as they are in the branch and as they would become, so that a target cannot step out of the
    /// reach of a policy by the change that the policy is about.
    pub targets: Vec<Arc<Target>>,
    /// Its comments, in any order. The texts of reviews are among them.
    pub comments: Vec<Comment>,
    /// Its reviews, in any order.
    pub reviews: Vec<Review>,
    /// Results of checks by their name.
    pub checks: BTreeMap<String, Check>,
    /// Names of the checks that must have passed.
    pub required: BTreeSet<String>,
    /// Ids of comments that were answered.
    pub answered: BTreeSet<String>,
}

/// Whose change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person's.
    Person,
    /// Towpath's own, as its ledger knows it (what a change says of itself does not count). One with somebody's commits on its branch is a
    /// person's all the same.
    Own(ChangeKind),
}

/// A file that a change touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Its path in the repository.
    pub path: String,
    /// It decides who may approve what, as it is or as it would become: see [`towpath_catalog::InputFile::says_who_approves`].
    pub decides: bool,
}

/// A label on a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Who put it there, where the forge tells.
    pub by: Option<Account>,
}

/// A comment on a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its id: the same forever, unlike that of every other comment on this change.
    pub id: String,
    /// Who wrote it.
    pub by: Account,
    /// Its text, as it is now.
    pub body: String,
    /// When it was written.
    pub at: Timestamp,
    /// When it was edited last.
    pub edited: Option<Timestamp>,
}

/// A review of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub by: Account,
    /// What it says.
    pub opinion: Opinion,
    /// The commit that was reviewed, where the forge tells; else it counts by its time.
    pub commit: Option<CommitId>,
    /// When it was given.
    pub at: Timestamp,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    /// The change is good.
    Approves,
    /// It must not be merged as it is.
    Refuses,
    /// Neither: a remark, or a review that was dismissed.
    Remarks,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The commit that was checked; a result of another one than the head says nothing.
    pub commit: CommitId,
    /// What came of it.
    pub state: CheckState,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    /// Nothing is known of it at this commit.
    Missing,
    /// It is queued or under way.
    Running,
    /// It passed.
    Passed,
    /// It failed, was stopped, or ran out of time.
    Failed,
    /// It was skipped or says nothing. A required check that did not run did not pass.
    Skipped,
}
